"""How well burned-in text is found: names written into phantoms, phantoms without text, and real ultrasound.

On phantoms the truth is known: how many texts in the corners are found, how many of their pixels a mask covers, and what is
found where there is none (none of these looks has text). In real files without text (../shared/data, carotid and OCT frames)
whatever is found is false; in the real DICOM files regions are counted and have to be looked at: a picture is written.

python benchmarks/burned_text.py [--pullbacks 20]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from report import SHARED_DATA, WORK, print_table, write_json

from ivsqa.domain.frames.burned_text import find_text
from ivsqa.errors import IvsqaError
from ivsqa.io.formats.dicom_pixels import iter_grey_frames
from ivsqa.phantom import iter_frames, phantom_pullback

TEXTS = ("DOE JANE", "1970-02-14", "ID 4711", "14:07:33", "J. Doe")
SIZES_PX = (10, 12, 16)
N_FRAMES = 60


def phantoms(n: int) -> dict[str, float]:
    """Return what is found with and without text; looks A and E burn in none of their own."""
    rng = np.random.default_rng(1)
    n_found, covered, n_regions, n_false_in_text, n_clean = 0, [], 0, 0, 0
    for number in range(n):
        pullback = phantom_pullback(seed=60 + number, index=number, n_frames=N_FRAMES, console="AE"[number % 2])
        plain = np.stack(list(iter_frames(pullback)))
        regions = find_text(plain)
        n_regions += len(regions)
        n_clean += not regions
        text, font = str(rng.choice(TEXTS)), int(rng.choice(SIZES_PX))
        frames = written(plain, text, font, corner=number % 4)
        ink = (frames != plain).any(axis=0)
        masked = np.zeros(ink.shape, dtype=bool)
        for region in find_text(frames):
            masked[region.slices] = True
            n_false_in_text += not ink[region.slices].any()
        covered.append(float(masked[ink].mean()))
        n_found += covered[-1] > 0.5
    return {
        "n_pullbacks": n,
        "texts_found_share": n_found / n,
        "text_pixels_covered_share": float(np.mean(covered)),
        "clean_share": n_clean / n,
        "false_regions_per_clean_pullback": n_regions / n,
        "false_regions_per_pullback_with_text": n_false_in_text / n,
    }


def written(frames: NDArray[np.uint8], text: str, font_px: int, *, corner: int) -> NDArray[np.uint8]:
    """Return frames with a text in one of the four corners."""
    height, width = frames.shape[1:]
    burned = []
    for frame in frames:
        image = Image.fromarray(frame)
        draw = ImageDraw.Draw(image)
        long = int(draw.textlength(text, font_size=font_px))
        at = (2 if corner % 2 else width - 3 - long, 2 if corner < 2 else height - font_px - 5)
        draw.text(at, text, fill=200, font_size=font_px)
        burned.append(np.asarray(image))
    return np.stack(burned)


def without_text() -> list[tuple[str, int, int]]:
    """Return name, stacks and regions found in real frames that have no text."""
    rows = []
    stacks = [sorted(folder.glob("*.png")) for folder in sorted((SHARED_DATA / "carotid").glob("*/frames"))]
    rows.append(("carotid", len(stacks), sum(len(find_text(stacked(files))) for files in stacks)))
    oct_files = sorted((SHARED_DATA / "oct" / "img").glob("*.png"))
    rows.append(("OCT", len(oct_files), sum(len(find_text(stacked([file]))) for file in oct_files)))
    return rows


def stacked(files: list[Path]) -> NDArray[np.uint8]:
    """Return pictures as grey frames."""
    return np.stack([np.asarray(Image.open(file).convert("L")) for file in files])


def real_dicom() -> dict[str, int]:
    """Return regions found by file, and draw them to look at."""
    found = {}
    folder = WORK / "burned_text"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((SHARED_DATA / "us-dicom").glob("*.dcm")):
        try:
            frames = np.stack(list(iter_grey_frames(path)))
        except IvsqaError:
            continue  # JPEG XL
        regions = find_text(frames)
        found[path.stem] = len(regions)
        image = Image.fromarray(frames[0]).convert("RGB")
        for region in regions:
            corners = (region.left, region.top, region.right - 1, region.bottom - 1)
            ImageDraw.Draw(image).rectangle(corners, outline=(255, 0, 0))
        image.save(folder / f"{path.stem}.png")
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pullbacks", type=int, default=20)
    options = parser.parse_args()
    made = phantoms(options.pullbacks)
    print_table(tuple(made), [list(made.values())])
    result: dict[str, object] = {"phantoms": made}
    if SHARED_DATA.is_dir():
        rows = without_text()
        print_table(("real frames without text", "stacks", "false regions"), rows)
        result |= {"without_text": rows, "dicom_regions": real_dicom()}
        print(f"regions in real DICOM: {result['dicom_regions']}")
    write_json("burned_text", result)


if __name__ == "__main__":
    main()
