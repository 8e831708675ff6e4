"""How fast colour JPEG ultrasound becomes grey frames, beside pydicom's own decoding to RGB.

Whole files, in turn, as pairs. The grey must be the luma of the file to the last bit: it is compared with the Y that pydicom
decodes where it is told to leave the colours alone.

python benchmarks/decode.py [--pairs 7]
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.pixels import pixel_array
from report import SHARED_DATA, print_table, write_json

from ivsqa.io.formats.dicom_pixels import iter_grey_frames

FILES = ("fodicom_DIRW0007_USMF_65f_FrameTimeVector_2regions.dcm", "pydicom_examples_ybr_color_USMF_30f_jpeg.dcm")


def ours(path: Path) -> NDArray[np.uint8]:
    """Return all frames as import reads them."""
    return np.stack(list(iter_grey_frames(path)))


def pydicom_default(path: Path) -> NDArray[np.uint8]:
    """Return all frames as pydicom gives them by default: RGB."""
    return np.asarray(dcmread(path).pixel_array)


def seconds(read: Callable[[Path], NDArray[np.uint8]], path: Path) -> float:
    """Return how long a file takes."""
    started = time.perf_counter()
    read(path)
    return time.perf_counter() - started


def main() -> None:
    """Compare, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    folder = SHARED_DATA / "us-dicom"
    if not folder.is_dir():
        raise SystemExit(f"the real sample files are not at {folder}")
    rows, facts = [], {}
    for name in FILES:
        path = folder / name
        luma = pixel_array(path, raw=True)[..., 0]
        grey = ours(path)
        n_different = int((grey != luma).sum())
        pairs = [(seconds(pydicom_default, path), seconds(ours, path)) for _ in range(options.pairs)]
        theirs_ms, ours_ms = (1000.0 * float(np.median(column)) / len(grey) for column in zip(*pairs, strict=True))
        ratio = float(np.median([one / other for one, other in pairs]))
        rows.append([name.split("_")[0], "×".join(map(str, grey.shape)), theirs_ms, ours_ms, ratio, n_different])
        facts[name] = dict(zip(("pydicom_ms", "ours_ms", "ratio", "n_pixels_different"), rows[-1][2:], strict=True))
    print_table(("file", "frames", "pydicom ms/frame", "ours ms/frame", "ratio", "pixels that differ"), rows)
    write_json("decode", {"files": facts, "pairs": options.pairs})


if __name__ == "__main__":
    main()
