"use strict";
/* How bright the pixels are shown: brightness, contrast and a gain curve, the same for every frame until they are changed. */

const Look = (() => {
  const PLAIN = { brightness: 1, contrast: 1, gain: 1 };
  let now = { ...PLAIN };
  let made = new WeakMap(); // pictures as they look now, by the picture they are made of

  const isPlain = () => Object.keys(PLAIN).every((what) => now[what] === PLAIN[what]);

  function set(changes) {
    now = { ...now, ...changes };
    made = new WeakMap();
  }

  /** Return the level shown for each level of a frame: the gain curve lifts the dark, contrast turns about the middle. */
  function levels() {
    return Uint8ClampedArray.from({ length: 256 }, (_, level) => {
      const lifted = (level / 255) ** (1 / now.gain);
      return 255 * ((lifted - 0.5) * now.contrast + 0.5) * now.brightness;
    });
  }

  /** Return a picture as it is to look; the picture itself where nothing was changed. */
  function seen(picture) {
    if (isPlain()) return picture;
    if (!made.has(picture)) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(picture, 0, 0);
      const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
      const shown = levels();
      for (let i = 0; i < pixels.data.length; i++) if (i % 4 < 3) pixels.data[i] = shown[pixels.data[i]];
      context.putImageData(pixels, 0, 0);
      made.set(picture, canvas);
    }
    return made.get(picture);
  }

  return { PLAIN, seen, set, get now() { return now; } };
})();
