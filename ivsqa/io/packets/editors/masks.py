"""PNG masks: one image a structure a frame, white inside, for painters and scripts.

A mask that is missing did not come back, and what was sent stands; a mask without a white pixel deletes the structure. A mask
that equals the sent contour's, pixel by pixel, gives that contour back, so that no sub-pixel precision is lost to painting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ivsqa.domain.contour import Contour, Mask
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError, PacketError, located
from ivsqa.io.formats.pictures import open_image
from ivsqa.io.formats.shapes import outline, stray_note
from ivsqa.io.outside import apart
from ivsqa.io.packets.adapter import NOT_SENT_HINT, Adapter, files_under
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedFrame, ReturnedPacket, SentFrame

MASKS_FOLDER = "masks"
MOST_LABELS = 16
"""A map with a few small numbers is a label map; more grey values than that are soft edges."""


class MasksAdapter(Adapter):
    """PNG masks, out and back."""

    name = "masks"
    tolerance_px = 0.5
    suffix = ".png"

    def write(
        self,
        folder: Path,
        frames: Iterable[PacketFrame],
        structures: StructureSet,
        origin: PacketOrigin,  # noqa: ARG002
    ) -> Iterator[PacketFrame]:
        """Write `masks/<structure>/<name>.png`, 8-bit, 0 and 255, because painters open that as grey."""
        for name in structures.names:
            (folder / MASKS_FOLDER / name).mkdir(parents=True, exist_ok=True)
        for frame in frames:
            shape = (frame.image.shape[0], frame.image.shape[1])
            for name in structures.names:
                white = np.asarray(_mask_of(frame.contours.get(name), shape), dtype=np.uint8) * 255
                Image.fromarray(white).save(folder / MASKS_FOLDER / name / f"{frame.name}.png")
            yield frame

    def files(self, folder: Path, structures: StructureSet) -> list[Path]:
        """Return the PNG files in folders named as structures, wherever they lie."""
        return [path for path in files_under(folder, self.suffix) if path.parent.name.lower() in structures.names]

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Return the frames in the masks below a folder; a second mask of one structure costs the frame."""
        files: dict[str, dict[str, Path]] = {frame.name: {} for frame in sent}
        frames: list[ReturnedFrame] = []
        rejected: list[IvsqaError] = []
        for path in self.files(folder, structures):
            structure = path.parent.name.lower()
            if path.stem not in files:
                rejected.append(PacketError("was not sent in this packet", hint=NOT_SENT_HINT, path=path))
            elif structure in files[path.stem]:
                rejected.append(PacketError(f"is a second {structure} mask of {path.stem}", hint="keep one", path=path))
                # Which of the two is meant is not ours to guess, so neither counts.
                files[path.stem] = {}
            else:
                files[path.stem][structure] = path
        for frame in (frame for frame in sent if files[frame.name]):
            with apart(rejected):
                frames.append(_returned(frame, files[frame.name]))
        return ReturnedPacket.of(self.name, sent, frames, rejected)


def _mask_of(contour: Contour | None, shape: tuple[int, int]) -> Mask:
    """Return a contour's mask, empty where there is none."""
    return np.zeros(shape, dtype=np.bool_) if contour is None else contour.mask(shape)


def _returned(frame: SentFrame, files: dict[str, Path]) -> ReturnedFrame:
    """Return one frame from the masks that came back; the others stand as they were sent."""
    contours = dict(frame.contours)
    notes: list[str] = []
    for structure, path in files.items():
        with located(path=path):
            mask = _read_mask(path, frame)
            # Nobody painted here: the sent contour keeps what pixels cannot show.
            if np.array_equal(mask, _mask_of(frame.contours.get(structure), frame.shape)):
                continue
            contour, n_specks = outline(mask)
        notes += [stray_note(structure, n_specks, "speck")] if n_specks else []
        if contour is None:
            contours.pop(structure, None)
        else:
            contours[structure] = contour
    first = next(iter(files.values()))
    return ReturnedFrame(frame, contours, checked=None, unreadable=False, path=first, notes=tuple(notes))


def _read_mask(path: Path, frame: SentFrame) -> Mask:
    """Return a mask from any kind of PNG: 0 and 1, 0 and 255, palette, colour, transparent, soft-edged.

    Raises:
        PacketError: of another size than the frame, a label map of several structures, or white outside.
    """
    image = open_image(path)
    if image.size != (frame.width_px, frame.height_px):
        raise PacketError(
            f"is {image.width} × {image.height} px, but {frame.name} was sent with {frame.width_px} × {frame.height_px}",
            hint="paint at the size of the image",
        )
    values = _brightness(image)
    brightest = values.max()
    if brightest <= MOST_LABELS and len(np.unique(values)) > 2:
        raise PacketError("holds several labels, not one mask", hint="save each structure as its own image")
    # Half of the brightest serves soft edges as well as masks of 0 and 1.
    mask = np.asarray(values > 0.5 * brightest, dtype=np.bool_)
    if mask[[0, -1]].all() and mask[:, [0, -1]].all():
        raise PacketError("is white all around, as no border is", hint="white is inside and black outside: invert it")
    return mask


def _brightness(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return the brightness of pixels, float32 (height, width): the brightest channel, times opacity where that differs."""
    if image.mode in {"P", "PA", "LA"} or "transparency" in image.info:
        # A painter's layer may be white all over and drawn in its opacity alone.
        image = image.convert("RGBA")
    values = np.asarray(image, dtype=np.float32)
    if values.ndim == 2:
        return values
    brightness, opacity = values[..., :3].max(axis=2), values[..., 3:]
    # One opacity everywhere says nothing.
    return np.asarray(brightness * opacity[..., 0] / 255.0) if len(np.unique(opacity)) > 1 else brightness
