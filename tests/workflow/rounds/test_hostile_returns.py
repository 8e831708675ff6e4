"""Returns that nobody should send: each is refused in one clear line, and nothing but the project's own notes changes.

Every case is made from a packet that would be taken as it is, with one thing wrong. All of it is deterministic.
"""

import base64
import gzip
import io
import json
import os
import random
import resource
import shutil
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ivsqa.errors import IvsqaError
from ivsqa.io.project.project import open_project
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.select import select_frames

Make = Callable[[Path], Path | None]
"""Spoils the folder that came back; returns what to import where that is not the folder itself."""
MOST_SECONDS = 20.0
"""Of the processor's time, for one return; most take a hundredth of that."""
MOST_GROWTH_BYTES = 1 << 30
SECRET = "nobody may read this through a packet"

FILES = {
    "labelme": "images/*.json",
    "csv": "contours.csv",
    "masks": "masks/lumen/*.png",
    "coco": "coco.json",
    "cvat": "annotations.xml",
    "label-studio": "label-studio.json",
    "qupath": "qupath/*.geojson",
    "svg": "svg/*.svg",
    "itk-snap": "itk-snap/*-labels.nii.gz",
    "slicer": "slicer/*.seg.nrrd",
    "napari": "napari/*/lumen.csv",
}
JSON_FORMATS = ("labelme", "coco", "label-studio", "qupath")
TEXT_FORMATS = (*JSON_FORMATS, "csv", "cvat", "svg", "napari")
BINARY_FORMATS = ("masks", "itk-snap", "slicer")


@dataclass(frozen=True)
class Case:
    """One hostile return: a format of the packet, and what is wrong with it; or odd, where that says nothing of the contours."""

    name: str
    format: str
    make: Make
    is_odd: bool = False


def first(folder: Path, format_name: str) -> Path:
    return min(folder.glob(FILES[format_name]))


def in_bytes(format_name: str, change: Callable[[bytes], bytes]) -> Make:
    """Change the bytes of the first file of a format."""

    def make(folder: Path) -> None:
        path = first(folder, format_name)
        path.write_bytes(change(path.read_bytes()))

    return make


def in_text(format_name: str, old: str, new: str) -> Make:
    def change(data: bytes) -> bytes:
        text = data.decode()
        assert old in text, f"{format_name} has no {old!r}"
        made = new.replace("MANY,", ",".join(f"{x:.1f},{y:.1f}" for x, y in many())) if "MANY," in new else new
        made = made.replace("MANY;", ";".join(f"{x:.1f},{y:.1f}" for x, y in many())) if "MANY;" in made else made
        return text.replace(old, made, 1).encode()

    return in_bytes(format_name, change)


# Bytes ---------------------------------------------------------------------------------------------------------------------


def noise(data: bytes, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(max(len(data), 64))


def fuzzed(data: bytes, seed: int) -> bytes:
    """Turn all bits of one stretch of bytes round, somewhere in the middle third."""
    start = data.find(b"\n\n") + 2 if data.startswith(b"NRRD") else len(data) // 3  # else in names and colours
    at = random.Random(seed).randrange(start, max(2 * len(data) // 3, start + 40))
    return data[:at] + bytes(byte ^ 0xFF for byte in data[at : at + 24]) + data[at + 24 :]


def byte_cases() -> Iterator[Case]:
    damage: dict[str, Callable[[bytes], bytes]] = {
        "emptied": lambda _: b"",
        "cut in half": lambda data: data[: len(data) // 2],
        "cut after a few bytes": lambda data: data[:11],
        "noise": noise,
        "other noise": lambda data: noise(data, 1),
        "zeros": lambda data: bytes(len(data)),
        "a zip in its place": lambda _: b"PK\x03\x04" + bytes(60),
        "a page in its place": lambda _: b"<html><script>alert(1)</script></html>",
    } | {f"fuzzed {seed}": lambda data, seed=seed: fuzzed(data, seed) for seed in range(4)}
    for format_name in FILES:
        for name, change in damage.items():
            yield Case(name, format_name, in_bytes(format_name, change))
    for format_name in TEXT_FORMATS:
        # A reader of XML or JSON knows UTF-16 when it sees it, where the file is known by its name.
        is_odd = format_name in ("svg", "labelme", "qupath")
        yield Case(
            "utf-16",
            format_name,
            is_odd=is_odd,
            make=in_bytes(format_name, lambda data: data.decode().encode("utf-16")[2:]),
        )
        yield Case("zeros within", format_name, in_bytes(format_name, lambda data: data.replace(b"\n", b"\0", 1)[:-9]))


# JSON ----------------------------------------------------------------------------------------------------------------------


@cache
def many(n: int = 300_000) -> list[list[float]]:
    """Return the vertices of a circle, made when they are asked for."""
    angles = np.linspace(0.0, 6.28, n)
    points: list[list[float]] = (np.column_stack([np.cos(angles), np.sin(angles)]) * 40.0 + 45.0).tolist()
    return points


BAD_POINTS: dict[str, Any] = {
    "NaN": [[float("nan"), 1.0], [9.0, 1.0], [5.0, 9.0]],
    "infinite": [[float("inf"), 1.0], [9.0, 1.0], [5.0, 9.0]],
    "huge": [[1e300, 1.0], [9.0, 1e300], [5.0, 9.0]],
    "of thousands of digits": "DIGITS",
    "text": [["left", "top"], [9.0, 1.0], [5.0, 9.0]],
    "too few": [[1.0, 1.0], [9.0, 9.0]],
    "one place": [[5.0, 5.0]] * 8,
    "ragged": [[1.0], [2.0, 3.0], [4.0, 5.0, 6.0]],
    "an object": {"x": 1.0},
    "null": None,
    "very many": "MANY",
}
BAD_LABELS: dict[str, Any] = {
    "of HTML": "<img src=x onerror=alert(1)>",
    "of two lines": "lumen\nrm -rf /",
    "of control characters": "lumen\x1b[2J\x07",
    "half a character": "lumen\ud800",
    "of a path": "../../../etc/passwd",
    "very long": "l" * 100_000,
    "a number": 5,
    "an object": {"lumen": 1},
}


def shape_of(document: Any, format_name: str) -> tuple[Any, str, Any, str]:
    """Return where a lumen keeps its points and its label: object and key of each."""
    if format_name == "labelme":
        shape = next(one for one in document["shapes"] if one["label"] == "lumen")
        return shape, "points", shape, "label"
    if format_name == "coco":
        return document["annotations"][-1], "segmentation", document["categories"][0], "name"
    if format_name == "label-studio":
        task = document[0]
        task["annotations"] = task["predictions"]
        value = task["annotations"][0]["result"][-1]["value"]
        return value, "points", value, "polygonlabels"
    feature = document["features"][-1]
    return feature["geometry"], "coordinates", feature["properties"]["classification"], "name"


def in_json(format_name: str, change: Callable[[Any], Any]) -> Make:
    def edit(data: bytes) -> bytes:
        document = json.loads(data)
        changed = change(document)
        return json.dumps(document if changed is None else changed).replace('"DIGITS"', "9" * 6000).encode()

    return in_bytes(format_name, edit)


def set_points(format_name: str, points: Any) -> Make:
    def change(document: Any) -> None:
        holder, key, *_ = shape_of(document, format_name)
        # All read JSON in one way, so that in one format the most will do.
        drawn = many(300_000 if format_name == "labelme" else 100_000) if points == "MANY" else points
        if format_name == "coco":
            is_table = isinstance(drawn, list) and all(isinstance(one, list) for one in drawn)
            holder[key] = [[number for point in drawn for number in point]] if is_table else drawn
        else:
            holder[key] = [drawn] if format_name == "qupath" else drawn

    return in_json(format_name, change)


def set_label(format_name: str, label: Any) -> Make:
    def change(document: Any) -> None:
        *_, holder, key = shape_of(document, format_name)
        holder[key] = [label] if format_name == "label-studio" else label

    return in_json(format_name, change)


def json_cases() -> Iterator[Case]:
    for format_name in JSON_FORMATS:
        for name, points in BAD_POINTS.items():
            yield Case(f"points {name}", format_name, set_points(format_name, points))
        for name, label in BAD_LABELS.items():
            yield Case(f"label {name}", format_name, set_label(format_name, label))
        yield Case("nested without end", format_name, in_bytes(format_name, lambda data: b"[" * 200_000 + data))
        yield Case("nested in a key", format_name, in_bytes(format_name, lambda data: data[:-3] + b'{"a":' * 100_000))
    for key in ("shapes", "imagePath", "imageHeight", "imageData", "flags"):
        odd: tuple[Any, ...] = ("../../secret.txt", 5, [[]])
        for said in odd:
            is_odd = key in ("imagePath", "flags") or (key == "imageData" and not isinstance(said, str))
            yield Case(f"{key} {said}", "labelme", set_key("labelme", key, said), is_odd)
    for key in ("images", "annotations", "categories"):
        for wrong in (None, "x", [5], {"id": 1}):
            yield Case(f"{key} {wrong}", "coco", set_key("coco", key, wrong))
    rle = {"size": [10**9, 10**9], "counts": [10**18]}
    of_last: list[tuple[str, Any]] = [("image_id", 77), ("image_id", [1]), ("category_id", 77), ("segmentation", rle)]
    for key, value in of_last:
        yield Case(
            f"{key} {value}", "coco", set_key("coco", key, value, of=lambda document: document["annotations"][-1])
        )
    for task in (None, 5, "x", [5]):
        yield Case(f"tasks {task}", "label-studio", in_json("label-studio", lambda _, task=task: [task]))  # type: ignore[misc]
    for name, image in images().items():
        yield Case(f"shape of a mask {name}", "labelme", painted(image))


def set_key(format_name: str, key: str, value: Any, *, of: Callable[[Any], Any] = lambda document: document) -> Make:
    return in_json(format_name, lambda document: of(document).update({key: value}))


def painted(image: Callable[[], bytes]) -> Make:
    """Add a LabelMe shape that is painted."""

    def change(document: Any) -> None:
        mask = base64.b64encode(image()).decode()
        shape = {"label": "lumen", "shape_type": "mask", "points": [[0, 0], [9, 9]], "flags": {}, "mask": mask}
        document["shapes"].append(shape)

    return in_json("labelme", change)


# Images --------------------------------------------------------------------------------------------------------------------


def png_of(width: int, height: int, rows: bytes, *, extra: bytes = b"") -> bytes:
    """Return a PNG as its header declares it, true or not."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    data = b"note\0\0" + zlib.compress(bytes(200_000_000), 9)
    return struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))


def images() -> dict[str, Callable[[], bytes]]:
    """Return images to be made when they are asked for, as some are large."""
    noisy = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "PNG")
    whole = buffer.getvalue()
    return {
        "of another size": lambda: whole,
        "cut short": lambda: whole[: len(whole) // 2],
        "bomb of 60000 px": lambda: png_of(60_000, 60_000, bytes(50_000_000)),
        "declared larger": lambda: png_of(8000, 8000, bytes(10)),
        "of no pixels": lambda: png_of(0, 0, b""),
        "no image": lambda: b"GIF89a" + bytes(20),
    }


def image_cases() -> Iterator[Case]:
    with_text = {"with a text bomb": lambda: png_of(96, 96, bytes(97 * 96), extra=text_bomb())}
    for name, image in (images() | with_text).items():
        yield Case(f"mask {name}", "masks", in_bytes("masks", lambda _, image=image: image()))  # type: ignore[misc]

        def beside(folder: Path, image: Callable[[], bytes] = image) -> None:
            (folder / "images" / f"{first(folder, 'labelme').stem}.png").write_bytes(image())

        yield Case(f"image {name}", "labelme", beside)

    def exchanged(folder: Path) -> None:
        one, other, *_ = sorted((folder / "images").glob("*.png"))
        shutil.copy(one, other)

    yield Case("image of another frame", "labelme", exchanged)
    yield Case("mask of soft edges", "masks", in_bytes("masks", lambda _: grey(np.arange(96 * 96) % 256)))
    yield Case("mask of two discs", "masks", in_bytes("masks", lambda _: grey(255 * (np.arange(96 * 96) // 9 % 2))))


def grey(values: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(values, dtype=np.uint8).reshape(96, 96)).save(buffer, "PNG")
    return buffer.getvalue()


# XML -----------------------------------------------------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>'


def xml_cases() -> Iterator[Case]:
    opening = '<?xml version="1.0" encoding="klingon"?>'
    for format_name, root in (("cvat", "<annotations>"), ("svg", "<svg ")):
        outside = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>{root}'
        yield Case("entities that unfold", format_name, in_text(format_name, root, f"{LAUGHS}{root}"))
        yield Case("entity of a file", format_name, in_text(format_name, root, outside))
        yield Case("unknown encoding", format_name, in_text(format_name, root, f"{opening}{root}"))
        yield Case("two roots", format_name, in_bytes(format_name, lambda data: data + b"<svg></svg>"))
    polygon = '<polygon label="lumen" '
    for name, said in {
        "NaN": "nan,1;9,1;5,9",
        "infinite": "inf,1;9,1;5,9",
        "huge": "1e300,1;9,1;5,9",
        "text": "a,b;c,d;e,f",
        "too few": "1,1;9,9",
        "ragged": "1;2,3;4,5,6",
        "none": "",
        "300,000": "MANY;",
    }.items():
        yield Case(
            f"points {name}", "cvat", in_text("cvat", polygon, f'<polygon label="lumen" points="{said}"/>{polygon}')
        )
    for name, label in {
        "of HTML": "&lt;b&gt;",
        "of a path": "../../x",
        "very long": "l" * 100_000,
        "empty": "",
    }.items():
        yield Case(f"label {name}", "cvat", in_text("cvat", polygon, f'<polygon label="{label}" '))
    for name, said in {
        "larger than the image": 'left="0" top="0" width="999999" height="999999" rle="9"',
        "of a quintillion": 'left="0" top="0" width="9" height="9" rle="1000000000000000000"',
        "below zero": 'left="0" top="0" width="-9" height="-9" rle="1,2"',
        "of words": 'left="0" top="0" width="9" height="9" rle="one, two"',
        "at NaN": 'left="nan" top="0" width="9" height="9" rle="81"',
    }.items():
        yield Case(f"mask {name}", "cvat", in_text("cvat", polygon, f'<mask label="lumen" {said}/>{polygon}'))
    for name, said in {"another": 'width="7"', "no number": 'width="wide"', "NaN": 'width="nan"'}.items():
        yield Case(f"width {name}", "cvat", in_text("cvat", 'width="96"', said))
    yield Case("image by a path", "cvat", in_text("cvat", 'name="S', 'name="../../../etc/S'), is_odd=True)
    for name, said in {
        "NaN": "M nan,1 L 9,1 5,9 Z",
        "huge": "M 1e300,1 L 9,1 5,9 Z",
        "words": "M a,b L c,d Z",
        "unknown commands": "M 1,1 X 9,9 Z",
        "curves without points": "M 1,1 C Z",
        "300,000": "MMANY,Z",
        "open flags of an arc": "M 1,1 A 5 5 0 7 7 9 9 Z",
    }.items():
        yield Case(
            f"path {name}", "svg", in_text("svg", '<path class="lumen" d="', f'<path class="lumen" d="{said}" n="')
        )
    for said in ("matrix(0,0,0,0,0,0)", "scale(nan)", "scale(1e300)", "rotate(", "skewX(90)", "perspective(3)"):
        yield Case(
            f"transform {said}",
            "svg",
            in_text("svg", '<path class="lumen" ', f'<path class="lumen" transform="{said}" '),
        )
    deep = "<g>" * 50_000 + "</g>" * 50_000
    yield Case("nested without end", "svg", in_text("svg", "</svg>", f"{deep}<path class='lumen' d='M0 0 X'/></svg>"))


# Tables --------------------------------------------------------------------------------------------------------------------


def table_cases() -> Iterator[Case]:
    head = "pullback_id,frame_index,structure,vertex,x_px,y_px"
    for name, row in {
        "NaN": "{id},{n},lumen,0,nan,1",
        "infinite": "{id},{n},lumen,0,inf,1",
        "a frame of thousands of digits": "{id}," + "9" * 6000 + ",lumen,0,1,1",
        "a frame below zero": "{id},-1,lumen,0,1,1",
        "a frame that is none": "{id},999999,lumen,0,1,1",
        "half a frame": "{id},0.5,lumen,0,1,1",
        "a pullback by a path": "../../etc,{n},lumen,0,1,1",
        "HTML": "{id},{n},<script>,0,1,1",
        "a formula": "{id},{n},=cmd|' /C calc'!A0,0,1,1",
        "too few cells": "{id},{n},lumen",
        "a cell of a million characters": "{id},{n},lumen,0," + "1" * 1_000_000 + ",1",
        "words": "{id},{n},lumen,zero,left,top",
        "an open quote": '{id},{n},"lumen,0,1,1',
    }.items():
        yield Case(f"row of {name}", "csv", with_row("csv", row))
    for column in head.split(","):
        yield Case(f"without {column}", "csv", in_text("csv", column, "nothing"))
    yield Case("very many vertices", "csv", with_row("csv", "MANY"))
    for name, row in {
        "NaN": "0,polygon,0,nan,1,1",
        "huge": "0,polygon,0,1e300,1e300,1e300",
        "slice outside": "0,polygon,0,999,1,1",
        "slice below zero": "0,polygon,0,-7,1,1",
        "between slices": "0,polygon,0,0.5,1,1",
        "words": "0,polygon,first,zero,left,top",
        "too few cells": "0,polygon",
        "a line": "77,path,0,0,1,1\n77,path,1,0,9,9\n77,path,2,0,5,9",
        "a cell of a million characters": "0,polygon,0," + "1" * 1_000_000 + ",1,1",
        "a second area": "77,polygon,0,0,1,1\n77,polygon,1,0,60,1\n77,polygon,2,0,60,60",
    }.items():
        yield Case(f"row of {name}", "napari", with_row("napari", row))
    for name, label in {"HTML": "<b>", "unknown": "stent", "look alike": "lum\u0435n"}.items():
        yield Case(f"layer of {name}", "napari", renamed(label))
    for list_name in ("worklist.csv", "images/slices.csv"):
        for name, data in {
            "noise": noise(b""),
            "a word": b"name,checked\n%s,perhaps\n",
            "HTML": b"name,checked\n%s,<b>yes</b>\n",
            "a long cell": b"name,checked\n%s," + b"y" * 1_000_000 + b"\n",
        }.items():
            spoil = lambda folder, at=list_name, data=data: (folder / at).write_bytes(data) and None  # noqa: E731
            yield Case(f"{list_name} of {name}", "labelme", spoil)


def renamed(label: str) -> Make:
    def make(folder: Path) -> None:
        path = first(folder, "napari")
        path.rename(path.with_stem(label))

    return make


def with_row(format_name: str, row: str) -> Make:
    """Add a row about the first frame behind the header of a table."""

    def change(data: bytes) -> bytes:
        head, rest = data.decode().split("\n", 1)
        pullback_id, index, *_ = rest.split(",", 2)
        if row == "MANY":
            rows = (f"{pullback_id},{index},lumen,{n},{x},{y}" for n, (x, y) in enumerate(many(100_000)))
            return "\n".join([head, *rows, rest]).encode()
        return f"{head}\n{row.replace('{id}', pullback_id).replace('{n}', index)}\n{rest}".encode()

    return in_bytes(format_name, change)


# Volumes -------------------------------------------------------------------------------------------------------------------


def in_nifti(offset: int, code: str, *values: float) -> Make:
    """Write values over the header of a NIfTI file (source: nifti1.h for the offsets)."""

    def change(data: bytes) -> bytes:
        voxels = bytearray(gzip.decompress(data))
        struct.pack_into(f"<{code}", voxels, offset, *values)
        return gzip.compress(bytes(voxels))

    return in_bytes("itk-snap", change)


def in_nrrd(old: str, new: str) -> Make:
    def change(data: bytes) -> bytes:
        head, _, voxels = data.partition(b"\n\n")
        assert old.encode() in head
        return head.replace(old.encode(), new.encode(), 1) + b"\n\n" + voxels

    return in_bytes("slicer", change)


def volume_cases() -> Iterator[Case]:
    nan = float("nan")
    yield Case("sizes of thousands", "itk-snap", in_nifti(40, "4h", 3, 32000, 32000, 32000))
    yield Case("sizes below zero", "itk-snap", in_nifti(40, "4h", 3, -96, 96, 4))
    yield Case("no sizes", "itk-snap", in_nifti(40, "4h", 3, 0, 0, 0))
    yield Case("seven dimensions", "itk-snap", in_nifti(40, "8h", 7, 8, 8, 4, 4, 6, 6, 1))
    yield Case("ninety dimensions", "itk-snap", in_nifti(40, "h", 90))
    yield Case("another size", "itk-snap", in_nifti(40, "4h", 3, 48, 96, 4))
    yield Case("complex numbers", "itk-snap", in_nifti(70, "2h", 32, 64))
    yield Case("colours", "itk-snap", in_nifti(70, "2h", 128, 24))
    yield Case("an unknown type", "itk-snap", in_nifti(70, "2h", 7777, 8))
    yield Case("voxels elsewhere in the file", "itk-snap", in_nifti(108, "f", 1e9))
    yield Case("voxels nowhere", "itk-snap", in_nifti(108, "f", nan))
    yield Case("half values", "itk-snap", in_nifti(112, "2f", 0.37, 0.5))
    yield Case("no place", "itk-snap", in_nifti(280, "4f", nan, nan, nan, nan))
    yield Case("far away", "itk-snap", in_nifti(280, "4f", 1e30, 0, 0, 0))
    yield Case("moved by half a voxel", "itk-snap", in_nifti(292, "f", -0.031))
    yield Case("no magic number", "itk-snap", in_nifti(344, "4s", b"none"))  # type: ignore[arg-type]
    bomb = lambda data: gzip.compress(gzip.decompress(data)[:352] + b"\7" * 300_000_000)  # noqa: E731
    yield Case("a bomb", "itk-snap", in_bytes("itk-snap", bomb))
    mislabelled = lambda data: gzip.compress(bytes(gzip.decompress(data)).replace(b"\1\1\1", b"\x63\x63\x63"))  # noqa: E731
    yield Case("labels without a name", "itk-snap", in_bytes("itk-snap", mislabelled))
    for old, new in (
        ("sizes: 96 96", "sizes: 99999 99999"),
        ("sizes: 96 96", "sizes: -96 96"),
        ("sizes: 96 96", "sizes: 96 " + "9" * 5000),
        ("sizes: 96 96", "sizes: a b"),
        ("sizes: 96 96", "sizes: nan inf"),
        ("dimension: 3", "dimension: 9"),
        ("dimension: 3", "dimension: " + "3" * 5000),
        ("type: unsigned char", "type: block"),
        ("type: unsigned char", "type: ushort"),
        ("encoding: gzip", "encoding: raw"),
        ("encoding: gzip", "encoding: /bin/sh"),
        ("encoding: gzip", "encoding: gzip\ndata file: ../../secret.txt"),
        ("encoding: gzip", "encoding: gzip\ndata file: LIST\n/etc/passwd"),
        ("encoding: gzip", "encoding: gzip\nbyte skip: -1"),
        ("encoding: gzip", "encoding: gzip\nline skip: " + "9" * 5000),
        ("space: left-posterior-superior", "space: nowhere"),
        ("space origin: (0,0,0)", "space origin: (nan,0,0)"),
        ("space origin: (0,0,0)", "space origin: (1e308,1e308,1e308)"),
        ("space origin: (0,0,0)", "space origin: (0,0)"),
        ("Segment0_LabelValue:=1", "Segment0_LabelValue:=" + "1" * 5000),
        ("Segment0_LabelValue:=1", "Segment0_LabelValue:=one"),
        ("Segment0_Layer:=0", "Segment0_Layer:=77"),
        ("Segment0_Layer:=0", "Segment0_Layer:=" + "7" * 5000),
        ("Segment0_Name:=lumen", "Segment0_Name:=<script>"),
        ("ReferenceImageExtentOffset:=0 0 0", "ReferenceImageExtentOffset:=5 x 0"),
    ):
        yield Case(f"{new[:40]!r}", "slicer", in_nrrd(old, new))
    endless = lambda data: data.partition(b"\n\n")[0] + b"\nkey:=value" * 500_000  # noqa: E731
    yield Case("a header without end", "slicer", in_bytes("slicer", endless))


# Archives and links --------------------------------------------------------------------------------------------------------


def zipped(spoil: Callable[[zipfile.ZipFile], None], *, damage: Callable[[bytes], bytes] = lambda data: data) -> Make:
    """Zip the folder with something more in it."""

    def make(folder: Path) -> Path:
        path = folder.parent / "return.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted((folder / "images").glob("*.json")):
                archive.write(file, f"images/{file.name}")
            spoil(archive)
        path.write_bytes(damage(path.read_bytes()))
        return path

    return make


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = name
    info.external_attr = mode << 16
    return info


def archive_cases() -> Iterator[Case]:
    for name in (
        "../evil.json",
        "images/../../evil.json",
        "/var/evil.json",
        "C:/evil.json",
        "C:evil.json",
        "..\\evil.json",
        "\\\\server\\share\\evil.json",
        "images/" + "n" * 400 + ".json",
        "/".join(["d"] * 3000) + "/x.json",
        "images",
        "images/x.json/under-a-file.json",
        "line\nbreak/../../x.json",
    ):

        def add(archive: zipfile.ZipFile, name: str = name) -> None:
            archive.writestr(entry(name), SECRET)
            if name.endswith("under-a-file.json"):
                archive.writestr("images/x.json", "{")

        yield Case(f"entry {name[:24]!r}", "labelme", zipped(add))

    def twice(archive: zipfile.ZipFile) -> None:
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(archive.namelist()[0], "{}")

    yield Case("two entries of one name", "labelme", zipped(twice))
    other_case = lambda archive: archive.writestr(archive.namelist()[0].upper(), "{}")  # noqa: E731
    yield Case("two entries of one name but for case", "labelme", zipped(other_case))
    for name, mode in {
        "link": stat.S_IFLNK | 0o777,
        "device": stat.S_IFCHR | 0o666,
        "pipe": stat.S_IFIFO | 0o666,
    }.items():
        special = lambda archive, mode=mode: archive.writestr(entry("images/x.json", mode), "/etc/passwd")  # noqa: E731
        yield Case(f"entry that is a {name}", "labelme", zipped(special))
    nothing = lambda archive: None  # noqa: E731
    yield Case("zip cut in half", "labelme", zipped(nothing, damage=lambda data: data[: len(data) // 2]))
    yield Case("zip cut at its end", "labelme", zipped(nothing, damage=lambda data: data[:-30]))
    yield Case("zip fuzzed", "labelme", zipped(nothing, damage=lambda data: fuzzed(data[:2000], 0) + data[2000:]))
    yield Case("locked", "labelme", zipped(nothing, damage=lambda data: flagged(data, 6, 8, 1)))
    yield Case("packed in an unknown way", "labelme", zipped(nothing, damage=lambda data: flagged(data, 8, 10, 77)))
    yield Case("noise named zip", "labelme", lambda folder: written(folder.parent / "return.zip", noise(b"")))
    declared = lambda data: sized(data, 2**32 - 2)  # noqa: E731
    yield Case("declared as 4 GB an entry", "labelme", zipped(nothing, damage=declared))
    bomb = lambda archive: archive.writestr("images/x.json", bytes(300 << 20))  # noqa: E731
    yield Case("a bomb", "labelme", zipped(bomb))

    def crowd(archive: zipfile.ZipFile) -> None:
        for number in range(100_001):
            archive.writestr(entry(f"x/{number}"), b"")

    yield Case("a hundred thousand entries", "labelme", zipped(crowd))
    yield Case("no file", "labelme", lambda folder: folder.parent / "nothing-here")
    yield Case("an empty folder", "labelme", lambda folder: made(folder.parent / "empty"))


def link_cases() -> Iterator[Case]:
    def to_secret(folder: Path) -> None:
        path = first(folder, "labelme")
        path.unlink()
        path.symlink_to(folder.parent / "secret.txt")

    def to_folder(folder: Path) -> None:
        (folder / "more").symlink_to(folder.parent, target_is_directory=True)

    def in_circles(folder: Path) -> None:
        (folder / "again").symlink_to(folder, target_is_directory=True)
        (folder / "self.json").symlink_to(folder / "self.json")

    def to_nothing(folder: Path) -> None:
        (folder / "images" / "x.json").symlink_to(folder / "gone.json")

    def pipe(folder: Path) -> None:
        os.mkfifo(folder / "images" / "x.json")

    yield Case("link to a file outside", "labelme", to_secret)
    yield Case("link to a folder outside", "labelme", to_folder)
    yield Case("links in circles", "labelme", in_circles)
    yield Case("link to nothing", "labelme", to_nothing)
    yield Case("a pipe", "labelme", pipe)
    for format_name in FILES:

        def linked(folder: Path, format_name: str = format_name) -> None:
            path = first(folder, format_name)
            outside = folder.parent / "elsewhere"
            outside.write_bytes(path.read_bytes())
            path.unlink()
            path.symlink_to(outside)

        yield Case("its file is a link to elsewhere", format_name, linked)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def made(path: Path) -> Path:
    path.mkdir()
    return path


def flagged(data: bytes, local: int, central: int, value: int) -> bytes:
    """Write a 16-bit value into every entry of a zip, at these places of its two headers."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = changed.find(mark)
        while at >= 0:
            struct.pack_into("<H", changed, at + offset, value)
            at = changed.find(mark, at + 4)
    return bytes(changed)


def sized(data: bytes, size: int) -> bytes:
    """Declare every entry of a zip to unpack to so many bytes."""
    changed = bytearray(data)
    at = changed.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<I", changed, at + 24, size)
        at = changed.find(b"PK\x01\x02", at + 4)
    return bytes(changed)


CASES = [
    case
    for cases in (byte_cases, json_cases, image_cases, xml_cases, table_cases, volume_cases, archive_cases, link_cases)
    for case in cases()
]


# The test ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile_study(squares_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an open round whose packet is there in every format, with squares drawn in each frame."""
    project = open_project(Path(shutil.copytree(squares_study, tmp_path_factory.mktemp("hostile") / "home" / "study")))
    select_frames(project, n=4, strategy="random")
    export_for_annotation(project, formats=list(FILES))
    return project.root


def tree(folder: Path, *, but: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return what counts of every file below a folder, but for one folder, and for the ledger, which tells of attempts too.

    Neither is gone into: hundreds of returns are kept in them by and by.
    """
    files: dict[str, tuple[int, int, bytes]] = {}
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "ledger" and Path(at, name) != but]
        for path in (Path(at, name) for name in names):
            if path.is_file():
                files[str(path.relative_to(folder))] = (
                    path.lstat().st_mtime_ns,
                    path.lstat().st_mode,
                    path.read_bytes(),
                )
    return files


def test_there_are_three_hundred_of_them_in_every_format() -> None:
    assert len(CASES) >= 300
    assert {case.format for case in CASES} == set(FILES)
    assert len({(case.format, case.name) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.format}-{case.name}"[:60])
def test_hostile_return_is_refused_in_one_line_and_touches_nothing(
    case: Case, hostile_study: Path, tmp_path: Path
) -> None:
    project = open_project(hostile_study)
    packet = project.layout.packet("r005")
    back = tmp_path / "back"
    shutil.copytree(packet / "images", back / "images", ignore=None if case.format == "labelme" else no_json)
    top = FILES[case.format].split("/")[0]
    if top != "images":
        (shutil.copytree if (packet / top).is_dir() else shutil.copy)(packet / top, back / top)
    (tmp_path / "secret.txt").write_text(SECRET)
    path = case.make(back) or back
    returns = project.layout.returns("r005")
    kept = set(returns.glob("*"))
    before = tree(hostile_study.parent, but=returns), tree(tmp_path, but=returns)
    peak, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()

    errors: list[IvsqaError] = []
    try:
        errors = import_annotations(project, path, reader="R1", round_id="r005").rejected
    except IvsqaError as refused:
        errors = [refused]

    assert time.process_time() - started < MOST_SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024 < MOST_GROWTH_BYTES
    assert bool(errors) != case.is_odd
    for error in errors:
        said = str(error)
        assert said.isprintable(), said
        assert len(said) < 1000, said[:200]
        assert error.path is not None
        assert error.hint, said
    after = tree(hostile_study.parent, but=returns), tree(tmp_path, but=returns)
    assert {name for name in after[0] if before[0].get(name) != after[0][name]} <= {"study/rounds/r005/round.yaml"}
    assert before[0].keys() == after[0].keys()
    assert before[1] == after[1]
    new = [file for path in set(returns.glob("*")) - kept for file in (path, *path.rglob("*")) if file.is_file()]
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in new)


def no_json(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.endswith(".json")]
