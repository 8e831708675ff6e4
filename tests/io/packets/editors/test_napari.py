from __future__ import annotations

import csv
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.pictures import ARC_COLOR
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return
from ivsqa.io.packets.thinning import written_edge_points

Write = Callable[..., Path]
Rows = list[list[str]]
Return = Callable[..., ReturnedPacket]


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Return:
    """Change the rows of the lumen's table, or write another table beside it, and read the packet."""

    def read(change: Callable[[Rows], Rows] = lambda rows: rows, **tables: str) -> ReturnedPacket:
        folder = write("napari")
        (path,) = folder.rglob("lumen.csv")
        with path.open() as stream:
            head, *rows = list(csv.reader(stream))
        path.write_text("\n".join(",".join(row) for row in [head, *change(rows)]) + "\n")
        for name, text in tables.items():
            (path.parent / f"{name.replace('_', ' ')}.csv").write_text(text)
        return read_return(folder, [frame.sent() for frame in frames], structures)

    return read


HEAD = "index,shape-type,vertex-index,axis-0,axis-1,axis-2\n"


def shape(kind: str, corners: list[tuple[float, float]], *, z: float = 1, index: int = 0) -> str:
    return "".join(f"{index},{kind},{vertex},{z},{y},{x}\n" for vertex, (y, x) in enumerate(corners))


BOX = [(30.0, 40.0), (30.0, 80.0), (60.0, 80.0), (60.0, 40.0)]


def test_shapes_are_slice_row_column(write: Write, frames: list[PacketFrame]) -> None:
    folder = write("napari")
    with next(folder.rglob("eem.csv")).open() as stream:
        rows = list(csv.DictReader(stream))
    assert set(rows[0]) == {"index", "shape-type", "vertex-index", "axis-0", "axis-1", "axis-2"}
    second = [row for row in rows if row["index"] == "1"]
    x, y = written_edge_points(frames[1].contours["eem"])[0] - 0.5
    assert (second[0]["shape-type"], float(second[0]["axis-0"])) == ("path", 1)  # polygons are filled
    assert [second[0][f"axis-{axis}"] for axis in range(3)] == [second[-1][f"axis-{axis}"] for axis in range(3)]
    assert (float(second[0]["axis-1"]), float(second[0]["axis-2"])) == (round(y, 3), round(x, 3))
    assert len(second) < len(frames[1].contours["eem"])  # thinned for the hand


def test_images_are_pages_of_one_file(write: Write, frames: list[PacketFrame]) -> None:
    folder = write("napari")
    with Image.open(next(folder.rglob("image.tif"))) as image:
        assert image.n_frames == 3  # type: ignore[attr-defined]
        image.seek(2)
        np.testing.assert_array_equal(np.asarray(image), frames[2].image)
    with Image.open(next(folder.rglob("heatmap.tif"))) as heat:
        assert np.asarray(heat).max() == 40


def test_doubtful_arc_is_an_open_line_beside_the_border(write: Write) -> None:
    with next(write("napari").rglob("look-here.csv")).open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["shape-type"] for row in rows} == {"path"}
    assert {float(row["axis-0"]) for row in rows} == {0, 1, 2}


def test_structure_that_nobody_drew_has_no_table(write: Write, frames: list[PacketFrame]) -> None:
    bare = replace(frames[0], contours={"eem": frames[0].contours["eem"]}, arcs=())
    assert {path.stem for path in write("napari", of=[bare]).rglob("napari/*/*.csv")} == {"eem"}


@pytest.mark.parametrize("number", [0, 2, -1])  # at the seam, where two vertices lie, and elsewhere
def test_moved_vertex_moves_one_contour(number: int, returned: Return, frames: list[PacketFrame]) -> None:
    def change(rows: Rows) -> Rows:
        [row for row in rows if row[0] == "1"][number][5] = "90"
        return rows

    packet = returned(change)
    assert packet.rejected == ()
    assert [frame.is_changed for frame in packet.frames] == [False, True, False]
    assert packet.frames[1].contours["eem"] is frames[1].contours["eem"]
    moved = packet.frames[1].contours["lumen"].points_px
    assert (moved[:, 0] == 90).sum() == 1
    untouched = {tuple(point) for point in frames[1].contours["lumen"].points_px}
    assert sum(tuple(point) in untouched for point in moved) > 60


def test_polygon_is_the_same_as_the_closed_path(returned: Return) -> None:
    packet = returned(lambda rows: [[row[0], "polygon", *row[2:]] for row in rows])
    assert packet.rejected == ()
    assert not any(frame.is_changed for frame in packet.frames)


def test_open_path_is_no_border(returned: Return) -> None:
    line = shape("path", [(30, 40), (30, 80), (60, 80), (60, 40), (40, 40)], index=7)
    packet = returned(lambda rows: [*only("0", "2")(rows), *csv.reader(line.splitlines())])
    (error,) = packet.rejected
    assert error.message == "is an open path, whose ends lie 10.0 px apart"
    assert [frame.frame.frame_index for frame in packet.frames] == [0, 2]


class Viewer:
    """Takes what the script gives to napari."""

    opened: ClassVar[list[Viewer]] = []

    def __init__(self, title: str) -> None:
        self.title = title
        self.images: list[str] = []
        self.layers: dict[str, tuple[list[Any], dict[str, object]]] = {}
        self.dims = SimpleNamespace(set_point=lambda _axis, _index: None)
        self.opened.append(self)

    def open(self, path: str, **_look: object) -> None:
        self.images.append(Path(path).name)

    def add_shapes(self, shapes: list[list[list[float]]] | None, *, name: str, **look: object) -> None:
        self.layers[name] = (shapes or [], look)


def test_script_shows_borders_as_polygons_in_their_colours(
    write: Write, frames: list[PacketFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = replace(frames[2], contours={"eem": frames[2].contours["eem"]})
    folder = write("napari", of=[*frames[:2], bare]) / "napari"
    monkeypatch.setattr(Viewer, "opened", [])
    monkeypatch.setitem(sys.modules, "napari", SimpleNamespace(Viewer=Viewer, run=lambda: None))
    runpy.run_path(str(folder / "show.py"))
    (viewer,) = Viewer.opened
    assert viewer.images == ["image.tif", "heatmap.tif"]
    assert list(viewer.layers) == ["look-here", "eem", "lumen"]  # the innermost on top
    assert [look["edge_color"] for _, look in viewer.layers.values()] == [ARC_COLOR, "#ffb000", "#00c8ff"]
    assert [look["shape_type"] for _, look in viewer.layers.values()] == ["path", "polygon", "polygon"]
    lumen, _ = viewer.layers["lumen"]
    assert [len(shape) for shape in lumen] == [
        len(written_edge_points(frame.contours["lumen"])) for frame in frames[:2]
    ]
    assert {point[0] for point in lumen[1]} == {1.0}


def test_closed_ring_and_new_numbers_of_shapes_are_no_edit(returned: Return) -> None:
    def change(rows: Rows) -> Rows:
        closing = [[*rows[0][:2], "99", *rows[0][3:]]]
        last = max(index for index, row in enumerate(rows) if row[0] == "0")
        rows = rows[: last + 1] + closing + rows[last + 1 :]
        return [[str(7 - int(float(row[0]))), *row[1:3], f"{float(row[3])}", *row[4:]] for row in rows]

    packet = returned(change)
    assert packet.rejected == ()
    assert not any(frame.is_changed for frame in packet.frames)


def only(*indices: str) -> Callable[[Rows], Rows]:
    return lambda rows: [row for row in rows if row[0] in indices]


def test_missing_shape_deletes_its_structure(returned: Return) -> None:
    packet = returned(only("0", "2"))
    assert [set(frame.contours) for frame in packet.frames] == [{"lumen", "eem"}, {"eem"}, {"lumen", "eem"}]


def test_missing_table_leaves_what_was_sent(write: Write, frames: list[PacketFrame], structures: StructureSet) -> None:
    folder = write("napari")
    next(folder.rglob("eem.csv")).unlink()
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert not any(frame.is_changed for frame in packet.frames)


def test_frame_without_any_shape_did_not_come_back_unless_ticked(returned: Return) -> None:
    packet = returned(only("0"), eem=HEAD + shape("polygon", BOX, z=0))
    assert [frame.frame.frame_index for frame in packet.frames] == [0]
    (error,) = packet.rejected
    assert (error.message, error.where) == (
        "nothing is drawn any more where contours were sent",
        "pb-0a1b_f00001 and 1 more",
    )


def test_emptied_frame_that_is_marked_counts(write: Write, frames: list[PacketFrame], structures: StructureSet) -> None:
    folder = write("napari")
    for path in (next(folder.rglob(f"{name}.csv")) for name in ("lumen", "eem")):
        path.write_text(
            "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("1,"))
        )
        (path.parent / "checked.csv").write_text(HEAD + shape("ellipse", BOX, z=1))
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert packet.rejected == ()
    assert [(dict(frame.contours) == {}, frame.checked) for frame in packet.frames] == [
        (False, None),
        (True, True),
        (False, None),
    ]


def test_shape_in_a_layer_called_unreadable_marks_its_frame(returned: Return) -> None:
    packet = returned(unreadable=HEAD + shape("line", BOX[:2], z=2), checked=HEAD + shape("line", BOX[:2], z=0))
    assert [(frame.checked, frame.unreadable) for frame in packet.frames] == [
        (True, False),
        (None, False),
        (None, True),
    ]


def redrawn(kind: str, corners: list[tuple[float, float]], z: float = 1) -> Callable[[Rows], Rows]:
    drawn = [line.split(",") for line in shape(kind, corners, z=z, index=1).splitlines()]
    return lambda rows: [*(row for row in rows if row[0] != "1"), *drawn]


@pytest.mark.parametrize(("kind", "area_px2"), [("polygon", 1200.0), ("rectangle", 1200.0), ("ellipse", 300.0 * np.pi)])
def test_shapes_enclose_their_area(kind: str, area_px2: float, returned: Return) -> None:
    contour = returned(redrawn(kind, BOX)).frames[1].contours["lumen"]
    assert contour.area_px2 == pytest.approx(area_px2, rel=5e-4)
    np.testing.assert_allclose(contour.centroid_px, [60, 45], atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message", "n_frames"),
    [
        (redrawn("path", BOX), "is an open path, whose ends lie 30.0 px apart", 2),
        (redrawn("ellipse", BOX[:3]), "is drawn as a ellipse, which encloses nothing", 2),
        (redrawn("polygon", BOX[:2]), "a contour needs three distinct vertices", 2),
        (lambda rows: rows + [["9", *row[1:]] for row in rows if row[0] == "1"], "holds 2 shapes in one slice", 2),
        (redrawn("polygon", BOX, z=7), "lies outside the stack", 3),
        (redrawn("polygon", BOX, z=0.5), "is not in one slice", 3),
        (redrawn("polygon", [(30.0, float("nan")), *BOX]), "lies outside the stack", 3),
        (lambda rows: [["0", "polygon", "0", "zero", "1", "1"]], "is no table of shapes", 3),
        (lambda rows: [row[:5] for row in rows], "does not say which slice it is in", 3),
    ],
)
def test_shape_that_is_no_border_is_one_line(
    change: Callable[[Rows], Rows], message: str, n_frames: int, returned: Return
) -> None:
    packet = returned(change)
    (error,) = packet.rejected
    assert message in error.message
    assert error.hint
    assert len(packet.frames) == n_frames  # a table that cannot be read leaves what was sent


def test_stray_shape_is_left_out_and_noted(returned: Return) -> None:
    tiny = [(2.0, 2.0), (2.0, 3.0), (3.0, 3.0)]
    packet = returned(lambda rows: rows + [line.split(",") for line in shape("polygon", tiny, index=9).splitlines()])
    assert packet.rejected == ()
    assert "1 stray shape" in packet.frames[1].notes[0]
    assert not any(frame.is_changed for frame in packet.frames)


def test_unknown_and_doubled_tables_are_named(returned: Return) -> None:
    packet = returned(lumne=HEAD + shape("polygon", BOX), Lumen_=HEAD + shape("polygon", BOX))
    first, second = sorted(error.message for error in packet.rejected)
    assert first.startswith("is a second table of lumen for stack-1-")
    assert second == "unknown label 'lumne'"


def test_table_without_a_slice_is_read_where_there_is_one(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("napari", of=frames[:1])
    path = next(folder.rglob("lumen.csv"))
    with path.open() as stream:
        rows = list(csv.reader(stream))
    flat = [
        row[:3] + [cell.replace("axis-2", "axis-1") if cell == "axis-2" else cell for cell in row[4:]] for row in rows
    ]
    flat[0] = ["index", "shape-type", "vertex-index", "axis-0", "axis-1"]
    path.write_text("\n".join(",".join(row) for row in flat) + "\n")
    packet = read_return(folder, [frames[0].sent()], structures)
    assert (packet.rejected, [frame.is_changed for frame in packet.frames]) == ((), [False])


def test_table_larger_than_any_layer_is_not_opened(monkeypatch: pytest.MonkeyPatch, returned: Return) -> None:
    monkeypatch.setattr("ivsqa.io.budgets.LARGEST_DOCUMENT_BYTES", 100)
    assert {error.message for error in returned().rejected} == {"is larger than 0 MB"}
