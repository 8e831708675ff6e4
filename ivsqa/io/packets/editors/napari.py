"""napari: a stack of images, and a table of shapes for each structure, which napari makes a layer of that name.

The table has a vertex a line and no names, so the file's name is the structure. Its axes are slice, row and column, and a whole
number is the centre of a pixel. Borders are closed paths, since napari fills polygons with white. Doubtful arcs are open lines in
a layer of their own. A table holds no colours either, so a script opens all of it as it should look.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ivsqa.domain.contour import EDGE_OFFSET_PX, Contour, Points
from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.pictures import ARC_COLOR
from ivsqa.errors import IvsqaError, PacketError, located
from ivsqa.io.formats.documents import check_whole
from ivsqa.io.formats.label_marks import MARKS, Tick, structure_named
from ivsqa.io.formats.shapes import AGAIN, DECIMALS, ELLIPSE_VERTICES, largest_contour, stray_note
from ivsqa.io.outside import apart
from ivsqa.io.packets.adapter import first_line_of, write_text
from ivsqa.io.packets.drawing import look_here_lines, written_shapes
from ivsqa.io.packets.editors.stacks import (
    FilledStack,
    Stack,
    StackAdapter,
    is_of_stack,
    stack_of_file,
    stacks_of,
)
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedFrame, ReturnedPacket, SentFrame
from ivsqa.io.packets.thinning import restored, written_edge_points
from ivsqa.io.tables import csv_text

LOOK_HERE = "look-here"

SCRIPT_NAME = "show.py"
CLOSED_PX = 1.0
"""Ends of a path that are no farther apart meet."""
ROUNDING_PX = 0.002
"""So near to where it was sent, a vertex was not moved."""

_SCRIPT = '''"""Shows the stacks of this folder, with borders in their colours: run it with "napari show.py".

Save a layer that you changed as CSV, under the name it has, over the file in the folder of its stack.
"""

import csv
from pathlib import Path

import napari

COLORS = {colors}


def shapes_of(path, kind):
    """Return the shapes of a table as napari takes them; a closed path needs its last point no more as a polygon."""
    shapes = {{}}
    with path.open(newline="") as table:
        for row in csv.DictReader(table):
            point = [float(row[f"axis-{{axis}}"]) for axis in range(3)]
            shapes.setdefault(row["index"], []).append(point)
    return [points[:-1] if kind == "polygon" and points[0] == points[-1] else points for points in shapes.values()]


for stack in sorted(Path(__file__).parent.glob("stack-*")):
    viewer = napari.Viewer(title=stack.name)
    viewer.open(str(stack / "image.tif"))
    if (stack / "heatmap.tif").exists():
        viewer.open(str(stack / "heatmap.tif"), colormap="inferno", blending="additive", visible=False)
    for name, color in COLORS.items():
        kind, path = "path" if name == {hints!r} else "polygon", stack / f"{{name}}.csv"
        shapes = shapes_of(path, kind) if path.exists() else []
        look = {{"edge_color": color, "face_color": "transparent", "edge_width": 1, "opacity": 1.0, "name": name}}
        viewer.add_shapes(shapes or None, shape_type=kind, ndim=3, **look)
    viewer.dims.set_point(0, 0)

napari.run()
'''

_COLUMNS = ("index", "shape-type", "vertex-index", "axis-0", "axis-1", "axis-2")


class NapariAdapter(StackAdapter):
    """Shapes for napari, out and back."""

    name = "napari"
    suffix = ".csv"
    folder_name = "napari"

    def write(
        self, folder: Path, frames: Iterable[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Iterator[PacketFrame]:
        """Write the stacks, and a script that opens them."""
        yield from super().write(folder, frames, structures, origin)
        colors = {LOOK_HERE: ARC_COLOR} | {name: structures.color_of(name) for name in reversed(structures.names)}
        write_text(folder / self.folder_name / SCRIPT_NAME, _SCRIPT.format(colors=colors, hints=LOOK_HERE))

    def stack_files(self, filled: FilledStack, structures: StructureSet) -> Iterator[tuple[str, bytes]]:
        """Yield `<stack>/image.tif`, `heatmap.tif`, `look-here.csv` and a table for each structure."""
        for kind, voxels in filled.volumes().items():
            yield f"{filled.stack.name}/{kind}.tif", _tiff_bytes(voxels)
        for name, shapes in _shapes(filled, structures).items():
            if shapes:  # napari cannot open a table without a shape
                yield f"{filled.stack.name}/{name}.csv", _table(shapes).encode()

    def is_ours(self, path: Path) -> bool:
        """Return whether a table has the columns of shapes, or lies where ours lay."""
        columns = first_line_of(path)
        return (b"shape-type" in columns and b"vertex-index" in columns) or is_of_stack(path.parent.name)

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Read every table of shapes below the folder; a structure whose table is missing stands as it was sent."""
        stacks = stacks_of(sent)
        layers: dict[str, dict[str, _Layer]] = {stack.name: {} for stack in stacks}
        rejected: list[IvsqaError] = []
        for path in self.files(folder, structures):
            label = path.stem.strip().lower()
            if label == LOOK_HERE:
                continue
            with apart(rejected, path):
                stack = stack_of_file(path, folder, stacks)
                name = label if label in MARKS else structure_named(path.stem, structures)
                if name in layers[stack.name]:
                    raise PacketError(f"is a second table of {name} for {stack.name}", hint="keep one")
                layers[stack.name][name] = _read_layer(path, stack)
        frames: list[ReturnedFrame] = []
        for stack in stacks:
            if layers[stack.name]:
                returned, errors = _returned(stack, layers[stack.name], structures)
                frames += returned
                rejected += errors
        return ReturnedPacket.of(self.name, sent, frames, rejected)


def _shapes(filled: FilledStack, structures: StructureSet) -> dict[str, list[tuple[int, str, Points]]]:
    """Return the shapes of each layer: slice, type, and (n, 2) points as (x, y), integer = pixel centre."""
    shapes: dict[str, list[tuple[int, str, Points]]] = {name: [] for name in (*structures.names, LOOK_HERE)}
    for index, frame in enumerate(filled.frames):
        for name, points in written_shapes(frame, structures):
            shapes[name].append((index, "path", np.vstack([points, points[:1]]) - EDGE_OFFSET_PX))
        shapes[LOOK_HERE] += [(index, "path", line - EDGE_OFFSET_PX) for line in look_here_lines(frame)]
    return shapes


def _table(shapes: Sequence[tuple[int, str, Points]]) -> str:
    """Return shapes as napari saves them: slice, row, column."""
    return csv_text(
        _COLUMNS,
        (
            (index, kind, vertex, number, y, x)
            for index, (number, kind, points) in enumerate(shapes)
            for vertex, (x, y) in enumerate(np.round(points, DECIMALS).tolist())
        ),
    )


def _tiff_bytes(voxels: NDArray[np.uint8]) -> bytes:
    """Return (frames, height, width) as the pages of one TIFF."""
    buffer = io.BytesIO()
    first, *others = [Image.fromarray(page) for page in voxels]
    first.save(buffer, format="TIFF", save_all=True, append_images=others, compression="tiff_adobe_deflate")
    return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class _Layer:
    """A table: the shapes of one name, by index of the slice they are in."""

    path: Path
    shapes: Mapping[int, Sequence[tuple[str, Points]]]


def _read_layer(path: Path, stack: Stack) -> _Layer:
    """Return the shapes of a table.

    Raises:
        PacketError: not a table of numbers, or a shape that is not in one slice of the stack.
    """
    check_whole(path)
    no_table = PacketError("is no table of shapes", hint="save the layer again from napari")
    vertices: dict[str, list[list[float]]] = {}
    kinds: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            table = csv.DictReader(stream)
            if not set(_COLUMNS[:3]) <= set(table.fieldnames or ()):
                raise no_table
            for row in table:
                axes = [float(row[column]) for column in _COLUMNS[3:] if row.get(column) is not None]
                vertices.setdefault(row["index"], []).append(axes)
                kinds[row["index"]] = row["shape-type"]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise no_table from error
    shapes: dict[int, list[tuple[str, Points]]] = {}
    for number, corners in vertices.items():
        with located(where=f"shape {number}"):
            index, points = _in_slice(corners, stack)
        shapes.setdefault(index, []).append((kinds[number], points))
    return _Layer(path, shapes)


def _in_slice(vertices: list[list[float]], stack: Stack) -> tuple[int, Points]:
    """Return the slice a shape is in, and its points as (x, y)."""
    n_axes = {len(vertex) for vertex in vertices}
    if n_axes == {2} and len(stack.frames) == 1:  # a stack of one slice is a picture to napari
        vertices = [[0.0, *vertex] for vertex in vertices]
    elif n_axes != {3}:
        raise PacketError("does not say which slice it is in", hint="draw on the stack")
    points = np.array(vertices)
    index = points[0, 0]
    if not np.isfinite(points).all() or not 0 <= round(index) < len(stack.frames):
        raise PacketError("lies outside the stack", hint="draw it again")
    if np.abs(points[:, 0] - round(index)).max() > 0.01:
        raise PacketError("is not in one slice", hint="draw it again, in one slice")
    return round(index), points[:, :0:-1]


def _returned(
    stack: Stack, layers: Mapping[str, _Layer], structures: StructureSet
) -> tuple[list[ReturnedFrame], list[IvsqaError]]:
    """Return the frames of a stack, and the errors of those that cannot be used."""
    frames: list[ReturnedFrame] = []
    rejected: list[IvsqaError] = []
    drawn = {name: layer for name, layer in layers.items() if name in structures.names}
    first = next(iter((drawn or layers).values())).path
    for index, frame in enumerate(stack.frames):
        marks = [tick for name, tick in MARKS.items() if name in layers and index in layers[name].shapes]
        mark = marks[-1] if marks else None
        contours = {name: contour for name, contour in frame.contours.items() if name not in drawn}
        notes: list[str] = []
        try:
            for name, layer in drawn.items():
                if index in layer.shapes:
                    with located(path=layer.path, where=frame.name):
                        contour, n_strays = _contour(layer.shapes[index], frame.contours.get(name))
                    contours[name] = restored(contour, frame.contours.get(name))
                    notes += [stray_note(name, n_strays)] if n_strays else []
        except PacketError as error:
            rejected.append(error)
            continue
        checked = True if mark is Tick.CHECKED else None
        frames.append(ReturnedFrame(frame, contours, checked, mark is Tick.UNREADABLE, first, tuple(notes)))
    return frames, rejected


def _contour(shapes: Sequence[tuple[str, Points]], sent: Contour | None) -> tuple[Contour, int]:
    """Return the contour that the shapes of one structure in one slice mean, and how many strays were left out."""
    try:
        contours = [Contour.from_points(_closed(kind, points, sent)) for kind, points in shapes]
    except ValueError as error:
        raise PacketError(str(error), hint=AGAIN) from error
    try:
        return largest_contour(contours)
    except ValueError as error:
        raise PacketError(f"holds {len(contours)} shapes in one slice", hint="keep one") from error


def _closed(kind: str, points: Points, sent: Contour | None) -> Points:
    """Return the outline of a shape.

    Raises:
        ValueError: a line, which encloses nothing.
    """
    if kind in ("polygon", "rectangle"):
        return points
    if kind == "path" and len(points) > 3:
        return _closed_path(points, sent)
    if kind == "ellipse" and len(points) == 4:  # given by the corners of the box around it
        centre = points.mean(axis=0)
        angles = np.linspace(0.0, 2.0 * np.pi, ELLIPSE_VERTICES, endpoint=False)
        half_width, half_height = (points[1] - points[0]) / 2.0, (points[3] - points[0]) / 2.0
        return np.asarray(centre + np.outer(np.cos(angles), half_width) + np.outer(np.sin(angles), half_height))
    raise ValueError(f"is drawn as a {kind}, which encloses nothing")


def _closed_path(points: Points, sent: Contour | None) -> Points:
    """Return the outline that a path means, which begins where it ends.

    Two vertices lie at its seam, and a hand drags one of them: the one that lies where it was sent stayed behind.

    Raises:
        ValueError: it is open.
    """
    gap_px = float(np.hypot(*(points[-1] - points[0])))
    if gap_px == 0.0:
        return points[:-1]
    if gap_px <= CLOSED_PX:
        return points
    written = np.empty((0, 2)) if sent is None else written_edge_points(sent) - EDGE_OFFSET_PX
    stayed = [bool((np.abs(written - end).max(axis=1) <= ROUNDING_PX).any()) for end in points[[0, -1]]]
    if stayed.count(True) != 1:
        raise ValueError(f"is an open path, whose ends lie {gap_px:.1f} px apart")
    return points[1:] if stayed[0] else points[:-1]
