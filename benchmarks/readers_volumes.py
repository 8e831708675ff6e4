"""Areas in our stacks as others read them: ITK (which ITK-SNAP and 3D Slicer are built on), nibabel, pynrrd, slicerio, napari.

A packet of phantom frames from three consoles is written in the formats that page through volumes. Each reader opens the files
with its own code and takes sizes, names and spacing from them; its areas stand beside those of the contours (shoelace). In napari
shapes are thinned for the hand that drags vertices; untouched stretches come back whole. Readers not installed are named.

pip install SimpleITK slicerio napari
python benchmarks/readers_volumes.py [--frames 30]
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from phantoms import BOTH
from report import print_table, write_json

from ivsqa.io.packets import PacketFrame, get_adapter
from ivsqa.io.packets.packet import PacketOrigin
from ivsqa.phantom import iter_frames, phantom_pullback

Areas: TypeAlias = dict[tuple[str, str], float]
"""Area in mm² by frame and structure."""
CONSOLES = ("A", "B", "C")


def packet_frames(n_frames: int, consoles: tuple[str, ...]) -> list[PacketFrame]:
    """Return frames of one phantom a console, spread evenly over each, as a packet holds them."""
    frames = []
    each = max(1, n_frames // len(consoles))
    for index, console in enumerate(consoles):
        pullback = phantom_pullback(seed=7, index=index, n_frames=100, console=console)
        chosen = set(np.linspace(0, 99, each).round().astype(int).tolist())
        for number, (image, contours) in enumerate(zip(iter_frames(pullback), pullback.contours, strict=True)):
            if number in chosen:
                name = f"P{index}_f{number:05d}"
                frames.append(PacketFrame(name, f"P{index}", number, image, contours, spacing_mm=pullback.spacing_mm))
    return frames


def our_areas(frames: list[PacketFrame]) -> Areas:
    """Return the areas of the contours themselves."""
    return {
        (frame.name, structure): contour.area_px2 * float(np.prod(frame.spacing_mm or (1.0, 1.0)))
        for frame in frames
        for structure, contour in frame.contours.items()
    }


def write_stacks(folder: Path, frames: list[PacketFrame]) -> None:
    """Write the frames in every format that stacks them."""
    for name in ("itk-snap", "slicer", "napari"):
        list(get_adapter(name).write(folder, iter(frames), BOTH, PacketOrigin("round-001", "packet-1")))


def slices(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Yield stack, slice (from 0) and frame of each line of slices.csv."""
    first: dict[str, int] = {}
    with (folder / "slices.csv").open() as stream:
        for row in csv.DictReader(stream):
            number = int(row["slice"])
            yield row["stack"], number - first.setdefault(row["stack"], number), row["name"]


def areas_of_labels(folder: Path, pattern: str, read: Callable[[Path], tuple[np.ndarray, np.ndarray]]) -> Areas:
    """Return areas by counting voxels; `read` gives labels (z, y, x) and the size of a voxel in x, y, z."""
    areas: Areas = {}
    files = {stack: read(folder / pattern.format(stack)) for stack in {stack for stack, _, _ in slices(folder)}}
    for stack, index, name in slices(folder):
        labels, voxel_mm = files[stack]
        for structure, mask in BOTH.masks_from_label_map(labels[index]).items():
            areas[name, structure] = float(mask.sum() * voxel_mm[0] * voxel_mm[1])
    return areas


def by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import SimpleITK

    image = SimpleITK.ReadImage(str(path))
    return SimpleITK.GetArrayFromImage(image), np.array(image.GetSpacing())


def by_nibabel(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import nibabel

    image = nibabel.load(path)
    return np.asarray(image.dataobj).T, np.array(image.header.get_zooms())


def by_pynrrd(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import nrrd

    voxels, header = nrrd.read(str(path))
    return voxels.T, np.linalg.norm(header["space directions"], axis=1)


def by_slicerio(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import slicerio

    segmentation = slicerio.read_segmentation(str(path))
    numbers = [(name, value) for value, name in enumerate(BOTH.names, start=1)]
    only_ours = slicerio.extract_segments(segmentation, numbers)
    return only_ours["voxels"].T, np.linalg.norm(only_ours["ijkToLPS"][:3, :3], axis=0)


def by_napari(folder: Path, spacing_mm: Mapping[str, tuple[float, float]]) -> Areas:
    """Return areas of the polygons that napari makes of each table; the format has no spacing."""
    from napari_builtins.io._read import csv_to_layer_data

    frames = {(stack, index): name for stack, index, name in slices(folder)}
    areas: Areas = {}
    for path in sorted(folder.glob("stack-*/*.csv")):
        if path.stem in BOTH.names:
            for shape in csv_to_layer_data(str(path), require_type="shapes")[0]:
                name = frames[path.parent.name, int(shape[0, 0])]
                y, x = np.asarray(shape, dtype=np.float64)[:, 1:].T
                area_px2 = 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
                areas[name, path.stem] = area_px2 * float(np.prod(spacing_mm[name]))
    return areas


def their_areas(folder: Path, frames: list[PacketFrame]) -> Iterator[tuple[str, str, Callable[[], Areas]]]:
    """Yield format, distribution and a function that reads the format with it."""
    spacing_mm = {frame.name: frame.spacing_mm or (1.0, 1.0) for frame in frames}
    nifti, nrrds = (folder / "itk-snap", "{}-labels.nii.gz"), (folder / "slicer", "{}.seg.nrrd")
    yield "itk-snap", "SimpleITK", lambda: areas_of_labels(*nifti, by_itk)
    yield "itk-snap", "nibabel", lambda: areas_of_labels(*nifti, by_nibabel)
    yield "slicer", "SimpleITK", lambda: areas_of_labels(*nrrds, by_itk)
    yield "slicer", "pynrrd", lambda: areas_of_labels(*nrrds, by_pynrrd)
    yield "slicer", "slicerio", lambda: areas_of_labels(*nrrds, by_slicerio)
    yield "napari", "napari", lambda: by_napari(folder / "napari", spacing_mm)


def compared(n_frames: int, consoles: tuple[str, ...] = CONSOLES) -> tuple[list[dict[str, object]], list[str]]:
    """Return a row for each format and reader, and the readers that are not installed."""
    frames = packet_frames(n_frames, consoles)
    ours = our_areas(frames)
    rows: list[dict[str, object]] = []
    missing = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_stacks(folder, frames)
        for kind, reader, read in their_areas(folder, frames):
            try:
                theirs = read()
            except ModuleNotFoundError:
                missing.append(reader)
                continue
            share = np.array([theirs[key] / ours[key] - 1.0 for key in ours])
            difference = np.array([theirs[key] - ours[key] for key in ours])
            rows.append(
                {
                    "format": kind,
                    "reader": f"{reader} {importlib.metadata.version(reader)}",
                    "areas": len(ours),
                    "bias_share": float(share.mean()),
                    "worst_share": float(np.abs(share).max()),
                    "worst_mm2": float(np.abs(difference).max()),
                }
            )
    return rows, sorted(set(missing))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=30)
    options = parser.parse_args()
    rows, missing = compared(options.frames)
    shares = [[f"{100.0 * float(str(row[key])):.3f}" for key in ("bias_share", "worst_share")] for row in rows]
    print_table(
        ("format", "reader", "areas", "bias %", "worst %", "worst mm²"),
        [
            [row["format"], row["reader"], row["areas"], *share, row["worst_mm2"]]
            for row, share in zip(rows, shares, strict=True)
        ],
    )
    for reader in missing:
        print(f"not installed: {reader}")
    write_json("readers_volumes", {"rows": rows, "not_installed": missing})


if __name__ == "__main__":
    main()
