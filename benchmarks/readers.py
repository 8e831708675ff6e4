"""Do others read our packets as we mean them? Areas by readers that are not ours, beside the areas that were written.

Writes a packet of phantom frames in every format, reads each with a library that others use, and prints one row a format: the
greatest difference of area over all contours, in per cent. "as written" is against the polygon in the file, "whole contour"
against the contour before its vertices were thinned for the editor. A reader that rasterises counts pixels. A format whose reader
is not installed is listed as not run. Writes benchmarks/results/readers.json.

    pip install pycocotools datumaro label-studio-sdk svgpathtools
    python benchmarks/readers.py [--frames 4] [--seed 3]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from report import print_table, write_json

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.arcs import DoubtfulArc
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.io.packets import PacketFrame, write_packet
from ivsqa.io.packets.thinning import written_edge_points
from ivsqa.phantom import iter_frames, phantom_pullback

STRUCTURES = StructureSet((Structure("lumen", "#56b4e9"), Structure("eem", "#e69f00")))
Areas: TypeAlias = dict[tuple[str, str], float]
"""Area in px² by frame and structure."""


def coco(folder: Path) -> Areas:
    """Read with pycocotools, which rasterises: pixels of its mask."""
    from pycocotools.coco import COCO

    data = COCO(str(folder / "coco.json"))
    return {
        (frame_of(data.imgs[one["image_id"]]["file_name"]), data.cats[one["category_id"]]["name"]): float(
            data.annToMask(one).sum()
        )
        for one in data.anns.values()
    }


def cvat(folder: Path) -> Areas:
    """Read with datumaro, the library behind CVAT's own imports and exports."""
    from datumaro.components.annotation import AnnotationType, Polygon
    from datumaro.components.dataset import Dataset

    data = Dataset.import_from(str(folder), "cvat")
    labels = [one.name for one in data.categories()[AnnotationType.label]]
    return {
        (frame_of(item.id), labels[one.label]): float(one.get_area())
        for item in data
        for one in item.annotations
        if isinstance(one, Polygon)
    }


def label_studio(folder: Path) -> Areas:
    """Read with Label Studio's own converter, after its own check of interface and predictions."""
    from label_studio_sdk.converter import Converter
    from label_studio_sdk.label_interface import LabelInterface

    config = (folder / "label-studio.xml").read_text(encoding="utf-8")
    interface = LabelInterface(config)
    interface.validate()
    tasks = json.loads((folder / "label-studio.json").read_text(encoding="utf-8"))
    for number, task in enumerate(tasks, start=1):
        if not interface.validate_prediction(task["predictions"][0]):
            raise ValueError(f"Label Studio refuses the prediction of {task['data']['frame']}")
        answer = task["predictions"][0] | {"id": number, "completed_by": 1}  # as if it had been submitted unedited
        task |= {"id": number, "annotations": [answer], "predictions": []}
    submitted = folder / "submitted.json"
    submitted.write_text(json.dumps(tasks), encoding="utf-8")
    converter = Converter(config, str(folder), download_resources=False)
    converter.convert_to_coco(str(submitted), str(folder / "converted"), is_dir=False)
    data = json.loads((folder / "converted" / "result.json").read_text(encoding="utf-8"))
    frames = {one["id"]: frame_of(one["file_name"]) for one in data["images"]}
    labels = {one["id"]: one["name"] for one in data["categories"]}
    return {
        (frames[one["image_id"]], labels[one["category_id"]]): polygon_area(np.reshape(one["segmentation"][0], (-1, 2)))
        for one in data["annotations"]
    }


def qupath(folder: Path) -> Areas:
    """Read with shapely, which refuses rings that are open or cross themselves."""
    from shapely.geometry import shape

    return {
        (path.stem, one["properties"]["classification"]["name"]): float(shape(one["geometry"]).area)
        for path in (folder / "qupath").glob("*.geojson")
        for one in json.loads(path.read_text(encoding="utf-8"))["features"]
    }


def svg(folder: Path) -> Areas:
    """Read with svgpathtools: vertices of the paths that have a class."""
    from svgpathtools import svg2paths

    areas = {}
    for path in (folder / "svg").glob("*.svg"):
        for line, attributes in zip(*svg2paths(str(path)), strict=True):
            if "class" in attributes:
                points = np.array([[segment.start.real, segment.start.imag] for segment in line])
                areas[path.stem, attributes["class"]] = polygon_area(points)
    return areas


READERS: dict[str, tuple[str, Callable[[Path], Areas]]] = {
    "coco": ("pycocotools", coco),
    "cvat": ("datumaro", cvat),
    "label-studio": ("label-studio-sdk", label_studio),
    "qupath": ("shapely", qupath),
    "svg": ("svgpathtools", svg),
}
"""By format: the reader's name, and what reads with it. A new format is one more row."""


def frame_of(name: str) -> str:
    """Return the frame of an image's name or path."""
    return Path(name).name.split(".")[0]


def polygon_area(points: np.ndarray) -> float:
    """Return a polygon's area, by the shoelace formula."""
    x, y = (points - points[0]).T
    return 0.5 * abs(float(x @ np.roll(y, -1) - np.roll(x, -1) @ y))


def phantom_frames(n_frames: int, seed: int) -> list[PacketFrame]:
    """Return frames of one phantom with their true contours, as a packet holds them."""
    pullback = phantom_pullback(seed=seed, index=0, n_frames=n_frames)
    return [
        PacketFrame(
            f"phantom_f{index:05d}",
            "phantom",
            index,
            image,
            {name: Contour.from_points(np.round(one.points_px, 3)) for name, one in contours.items()},
            arcs=(DoubtfulArc("eem", 30.0, 90.0),),
        )
        for index, (image, contours) in enumerate(zip(iter_frames(pullback), pullback.contours, strict=True))
    ]


def measured(name: str, frames: list[PacketFrame]) -> dict[str, object]:
    """Return what the reader of one format makes of a packet."""
    reader, read = READERS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_packet(folder, frames, structures=STRUCTURES, formats=[name], round_id="r001", packet_id="r001-phantom")
        try:
            areas = read(folder)
        except ImportError:
            return {"format": name, "reader": reader, "run": False}
    pairs = [
        (areas[frame.name, structure], polygon_area(written_edge_points(contour)), contour.area_px2)
        for frame in frames
        for structure, contour in frame.contours.items()
    ]
    theirs, written, whole = np.array(pairs).T
    return {
        "format": name,
        "reader": reader,
        "run": True,
        "n_contours": len(pairs),
        "smallest_px2": float(whole.min()),
        "largest_px2": float(whole.max()),
        "as_written_percent": float(np.abs(theirs / written - 1.0).max() * 100.0),
        "whole_contour_percent": float(np.abs(theirs / whole - 1.0).max() * 100.0),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    frames = phantom_frames(options.frames, options.seed)
    rows = [measured(name, frames) for name in READERS]
    keys = ("n_contours", "smallest_px2", "largest_px2", "as_written_percent", "whole_contour_percent")
    print_table(
        ("format", "reader", "contours", "smallest px²", "largest px²", "as written %", "whole contour %"),
        [
            [row["format"], row["reader"], *([row[key] for key in keys] if row["run"] else ["not run", *"----"])]
            for row in rows
        ],
    )
    write_json("readers", {"frames": options.frames, "seed": options.seed, "formats": rows})


if __name__ == "__main__":
    main()
