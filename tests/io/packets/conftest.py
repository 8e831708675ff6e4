"""A small packet: three frames of noise with two round contours each."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.arcs import DoubtfulArc
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.io.packets import PacketFrame, write_packet

SHAPE = (96, 128)
Change = Callable[[str, str, np.ndarray], np.ndarray]
"""From frame, structure and points in edge convention to where a hand or a tool leaves them."""


def ring(radius_px: float, centre: tuple[float, float] = (63.3, 47.8), n: int = 90) -> Contour:
    angles = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    radii = radius_px * (1.0 + 0.1 * np.cos(3.0 * angles + radius_px))
    return Contour.from_points(np.column_stack([radii * np.cos(angles), radii * np.sin(angles)]) + centre)


@pytest.fixture(scope="session")
def structures() -> StructureSet:
    return StructureSet((Structure("lumen", "#00c8ff"), Structure("eem", "#ffb000")))


@pytest.fixture(scope="session")
def frames() -> list[PacketFrame]:
    rng = np.random.default_rng(7)
    return [
        PacketFrame(
            name=f"pb-0a1b_f{index:05d}",
            pullback_id="pb-0a1b",
            frame_index=index,
            image=rng.integers(0, 256, SHAPE, dtype=np.uint8),
            contours={"lumen": ring(18.0 + index), "eem": ring(33.0 + index)},
            rank=index + 1,
            reason="predicted Dice 0.71 (eem), rank 3 of 1200",
            spacing_mm=(0.05, 0.05),
            quality=0.71,
            dice={"lumen": 0.88, "eem": 0.71},
            error_maps={"eem": np.full(SHAPE, 0.4, dtype=np.float32)},
            arcs=(DoubtfulArc("eem", 30.0, 90.0),),
        )
        for index in range(3)
    ]


@pytest.fixture(scope="session")
def pristine(
    tmp_path_factory: pytest.TempPathFactory, frames: list[PacketFrame], structures: StructureSet
) -> Callable[[tuple[str, ...]], Path]:
    """Write the small packet once for each choice of formats: the pictures take their time."""

    @cache
    def written(formats: tuple[str, ...]) -> Path:
        folder = tmp_path_factory.mktemp("pristine")
        write_packet(folder, frames, structures=structures, formats=formats, round_id="round-001", packet_id="packet-1")
        return folder

    return written


@pytest.fixture
def write(tmp_path: Path, pristine: Callable[[tuple[str, ...]], Path], structures: StructureSet) -> Callable[..., Path]:
    """Return a folder of one's own with the small packet, or with other frames."""

    def written(*formats: str, of: list[PacketFrame] | None = None, into: str = "packet") -> Path:
        folder = tmp_path / into
        if of is None:
            shutil.copytree(pristine(formats), folder)
        else:
            folder.mkdir()
            write_packet(folder, of, structures=structures, formats=formats, round_id="round-001", packet_id="packet-1")
        if "page" in formats:  # what it saves is a file of its own
            PageEditor().save(folder)
        return folder

    return written


def data_of(page: Path) -> dict[str, Any]:
    """Return the data in a page by the id of its element, as a browser hands it to the page's code."""
    found = re.findall(
        r'<script type="application/json" id="([\w-]+)">(.*?)</script>', page.read_text(encoding="utf-8")
    )
    return {name: json.loads(text) for name, text in found}


class PageEditor:
    """Saves as the page does, all frames having been looked at."""

    def save(self, folder: Path) -> None:
        data = data_of(folder / "index.html")
        contents = data["packet"]
        frames = [
            {
                **{key: one[key] for key in ("name", "image_sha256")},
                "checked": False,
                "unreadable": False,
                "active_s": 4.5,
                "contours": data[f"frame-{index}"]["contours"],
                "points": [],
            }
            for index, one in enumerate(contents["frames"])
        ]
        head = {key: contents[key] for key in ("kind", "schema_version", "packet_id", "round_id")}
        document = {**head, "session_id": "k3x", "save": 1, "pixel_origin": "center", "frames": frames}
        (folder / "contours.json").write_text(json.dumps(document))

    def change(self, folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the file as another hand would."""
        document = json.loads((folder / "contours.json").read_text())
        change(document)
        (folder / "contours.json").write_text(json.dumps(document))

    def edit(self, folder: Path, change: Change) -> None:
        def edited(document: dict[str, Any]) -> None:
            for one in document["frames"]:
                for label, points in one["contours"].items():
                    moved = change(one["name"], label, np.array(points) + 0.5) - 0.5
                    one["contours"][label] = np.round(moved, 3).tolist()

        self.change(folder, edited)

    def tick(self, folder: Path, frame: str, word: str) -> None:
        def ticked(document: dict[str, Any]) -> None:
            for one in document["frames"]:
                if one["name"] == frame:
                    one[word] = True

        self.change(folder, ticked)

    def forget(self, folder: Path, frame: str) -> None:
        def forgotten(document: dict[str, Any]) -> None:
            document["frames"] = [one for one in document["frames"] if one["name"] != frame]

        self.change(folder, forgotten)


class CocoEditor:
    """Numbers everything anew, as editors do."""

    def edit(self, folder: Path, change: Change) -> None:
        path = folder / "coco.json"
        document = json.loads(path.read_text())
        names = {one["id"]: one["file_name"].removesuffix(".png") for one in document["images"]}
        labels = {one["id"]: one["name"] for one in document["categories"]}
        for one in document["annotations"]:
            if labels[one["category_id"]] != "look here":
                points = np.reshape(one["segmentation"][0], (-1, 2))
                moved = change(names[one["image_id"]], labels[one["category_id"]], points)
                one["segmentation"] = [moved.ravel().tolist()]
            one["image_id"] += 100
            one["category_id"] += 7
        for one in document["images"]:
            one["id"] += 100
            one["file_name"] = f"images/{one['file_name']}"
        for one in document["categories"]:
            one["id"] += 7
        path.write_text(json.dumps(document))

    def tick(self, folder: Path, frame: str, word: str) -> None:
        path = folder / "coco.json"
        document = json.loads(path.read_text())
        (image,) = (one["id"] for one in document["images"] if one["file_name"].endswith(f"{frame}.png"))
        for one in document["annotations"]:
            if one["image_id"] == image:
                one["attributes"] = {word: True}
        path.write_text(json.dumps(document))

    def forget(self, folder: Path, frame: str) -> None:
        path = folder / "coco.json"
        document = json.loads(path.read_text())
        (lost,) = (one for one in document["images"] if one["file_name"] == f"{frame}.png")
        document["images"].remove(lost)
        document["annotations"] = [one for one in document["annotations"] if one["image_id"] != lost["id"]]
        path.write_text(json.dumps(document))


class CvatEditor:
    """Keeps two decimals."""

    def edit(self, folder: Path, change: Change) -> None:
        tree = ET.parse(folder / "annotations.xml")  # noqa: S314
        for image in tree.iter("image"):
            for polygon in image.iter("polygon"):
                points = np.array([pair.split(",") for pair in polygon.attrib["points"].split(";")], dtype=float)
                moved = change(image.attrib["name"].removesuffix(".png"), polygon.attrib["label"], points)
                polygon.set("points", ";".join(f"{x:.2f},{y:.2f}" for x, y in moved))
        tree.write(folder / "annotations.xml")

    def tick(self, folder: Path, frame: str, word: str) -> None:
        tree = ET.parse(folder / "annotations.xml")  # noqa: S314
        (image,) = (one for one in tree.iter("image") if one.attrib["name"] == f"{frame}.png")
        ET.SubElement(image, "tag", {"label": word, "source": "manual"})
        tree.write(folder / "annotations.xml")

    def forget(self, folder: Path, frame: str) -> None:
        tree = ET.parse(folder / "annotations.xml")  # noqa: S314
        root = tree.getroot()
        root.remove(next(one for one in root.iter("image") if one.attrib["name"] == f"{frame}.png"))
        tree.write(folder / "annotations.xml")


class LabelStudioEditor:
    """Copies the prediction into an annotation, and exports under a name of its own beside what was imported."""

    def _tasks(self, folder: Path) -> tuple[Path, list[dict[str, Any]]]:
        path = folder / "project-1-at-2026-01-01.json"
        return path, json.loads((path if path.exists() else folder / "label-studio.json").read_text())

    def _annotation(self, task: dict[str, Any]) -> Any:
        return task.setdefault("annotations", json.loads(json.dumps(task["predictions"])))[0]

    def edit(self, folder: Path, change: Change) -> None:
        path, tasks = self._tasks(folder)
        for task in tasks:
            for one in self._annotation(task)["result"]:
                (label,) = one["value"]["polygonlabels"]
                if label != "look here":
                    size = (one["original_width"], one["original_height"])
                    points = change(task["data"]["frame"], label, np.array(one["value"]["points"]) * size / 100.0)
                    one["value"]["points"] = (points * 100.0 / size).tolist()
        path.write_text(json.dumps(tasks))

    def tick(self, folder: Path, frame: str, word: str) -> None:
        path, tasks = self._tasks(folder)
        task = next(task for task in tasks if task["data"]["frame"] == frame)
        choice = {"type": "choices", "from_name": "state", "to_name": "image", "value": {"choices": [word]}}
        self._annotation(task)["result"].append(choice)
        path.write_text(json.dumps(tasks))

    def forget(self, folder: Path, frame: str) -> None:
        path = folder / "label-studio.json"
        path.write_text(json.dumps([one for one in json.loads(path.read_text()) if one["data"]["frame"] != frame]))


class QuPathEditor:
    """Turns rings round and starts them elsewhere, as geometry libraries do."""

    def edit(self, folder: Path, change: Change) -> None:
        for path in (folder / "qupath").glob("*.geojson"):
            document = json.loads(path.read_text())
            for one in document["features"]:
                label = one["properties"]["classification"]["name"]
                if label != "look here":
                    ring = change(path.stem, label, np.array(one["geometry"]["coordinates"][0])[:-1])
                    ring = np.roll(ring[::-1], 3, axis=0)
                    one["geometry"]["coordinates"] = [[*ring.tolist(), ring[0].tolist()]]
            path.write_text(json.dumps(document["features"]))  # without the collection around them

    def tick(self, folder: Path, frame: str, word: str) -> None:
        path = folder / "qupath" / f"{frame}.geojson"
        document = json.loads(path.read_text())
        features = document if isinstance(document, list) else document["features"]
        features[-1]["properties"]["name"] = word.capitalize()
        path.write_text(json.dumps(document))

    def forget(self, folder: Path, frame: str) -> None:
        assert not (folder / "qupath" / f"{frame}.geojson").exists()


class SvgEditor:
    """Moves and scales the whole drawing, and writes relative paths with eight digits, as Inkscape does."""

    def edit(self, folder: Path, change: Change) -> None:
        for path in (folder / "svg").glob("*.svg"):
            text = path.read_text()
            for found in re.findall(r'<path class="(\w+)" d="([^"]+)"', text):
                points = np.array([pair.split(",") for pair in found[1].strip("M Z").split()], dtype=float)
                moved = change(path.stem, found[0], points)
                steps = np.diff(moved, axis=0, prepend=np.zeros((1, 2)))
                relative = "m " + " ".join(f"{x:.8g},{y:.8g}" for x, y in steps) + " z"
                text = text.replace(f'd="{found[1]}"', f'd="{relative}"')
            text = text.replace("<g ", '<g transform="translate(30,-7.5) scale(1.5)" ')
            path.write_text(text)

    def tick(self, folder: Path, frame: str, word: str) -> None:
        path = folder / "svg" / f"{frame}.svg"
        shown = re.sub(rf'(<g [^>]*inkscape:label="{word}"[^>]*)display:none', r"\1display:inline", path.read_text())
        path.write_text(shown)

    def forget(self, folder: Path, frame: str) -> None:
        assert not (folder / "svg" / f"{frame}.svg").exists()


@pytest.fixture(scope="session")
def editors() -> dict[str, Any]:
    """Stand-ins for the editors, which read and write their formats without our code."""
    return {
        "coco": CocoEditor(),
        "cvat": CvatEditor(),
        "label-studio": LabelStudioEditor(),
        "qupath": QuPathEditor(),
        "svg": SvgEditor(),
        "page": PageEditor(),
    }
