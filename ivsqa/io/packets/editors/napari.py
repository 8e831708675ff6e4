"""napari: a stack of images, and a table of shapes for each structure, which napari makes a layer of that name.

The table has a vertex a line and no names, so the file's name is the structure. Its axes are slice, row and column, and a whole
number is the centre of a pixel. Doubtful arcs are open lines in a layer of their own.
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
from ivsqa.errors import IvsqaError, PacketError, located
from ivsqa.io.formats.documents import check_whole
from ivsqa.io.formats.label_marks import MARKS, Tick, structure_named
from ivsqa.io.formats.shapes import DECIMALS, largest_contour, stray_note
from ivsqa.io.packets.adapter import Adapter, files_under
from ivsqa.io.packets.editors.stacks import (
    HEATMAP,
    IMAGE,
    FilledStack,
    Stack,
    emptied_errors,
    is_of_stack,
    stack_of_file,
    stacks_of,
    write_stacks,
)
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedFrame, ReturnedPacket, SentFrame
from ivsqa.io.packets.thinning import restored, written_edge_points
from ivsqa.io.packets.worklist import read_ticks

FOLDER = "napari"
LOOK_HERE = "look-here"
FIRST_SLICE = 0
"""napari counts slices from 0."""
ELLIPSE_VERTICES = 128

_COLUMNS = ("index", "shape-type", "vertex-index", "axis-0", "axis-1", "axis-2")


class NapariAdapter(Adapter):
    """Shapes for napari, out and back."""

    name = "napari"
    tolerance_px = 0.01

    def write(
        self,
        folder: Path,
        frames: Iterable[PacketFrame],
        structures: StructureSet,
        origin: PacketOrigin,  # noqa: ARG002
    ) -> Iterator[PacketFrame]:
        """Write `napari/<stack>/image.tif`, `heatmap.tif`, `look-here.csv` and a table for each structure at the end."""
        target = folder / FOLDER

        def write(filled: FilledStack) -> None:
            inner = target / filled.stack.name
            inner.mkdir()
            for kind, voxels in {IMAGE: filled.images, HEATMAP: filled.heat}.items():
                if voxels is not None:
                    _write_tiff(inner / f"{kind}.tif", voxels)
            for name, shapes in _shapes(filled, structures).items():
                if shapes:  # napari cannot open a table without a shape
                    (inner / f"{name}.csv").write_text(_table(shapes), encoding="utf-8", newline="\n")

        yield from write_stacks(frames, target, write, first=FIRST_SLICE)

    def recognises(self, folder: Path, structures: StructureSet) -> bool:  # noqa: ARG002
        """Return whether a table has the columns of shapes."""
        return bool(_tables(folder))

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Read every table of shapes below the folder; a structure whose table is missing stands as it was sent."""
        stacks = stacks_of(sent)
        ticks, _ = read_ticks(folder)  # read again, with what is wrong in them, for the packet as a whole
        layers: dict[str, dict[str, _Layer]] = {stack.name: {} for stack in stacks}
        rejected: list[IvsqaError] = []
        for path in _tables(folder):
            try:
                label = path.stem.strip().lower()
                if label == LOOK_HERE:
                    continue
                stack = stack_of_file(path, folder, stacks)
                name = label if label in MARKS else _named(path, structures)
                if name in layers[stack.name]:
                    raise PacketError(f"is a second table of {name} for {stack.name}", hint="keep one", path=path)
                layers[stack.name][name] = _read_layer(path, stack)
            except IvsqaError as error:
                rejected.append(error)
        frames = []
        for stack in stacks:
            if not layers[stack.name].keys() <= MARKS.keys():
                found, errors = _returned(stack, layers[stack.name], ticks, structures)
                frames += found
                rejected += errors
        by_name = {frame.frame.name: frame for frame in frames}
        return ReturnedPacket(
            self.name, tuple(by_name[frame.name] for frame in sent if frame.name in by_name), tuple(rejected)
        )


def _shapes(filled: FilledStack, structures: StructureSet) -> dict[str, list[tuple[int, str, Points]]]:
    """Return the shapes of each layer: slice, type, and (n, 2) points as (x, y), integer = pixel centre."""
    shapes: dict[str, list[tuple[int, str, Points]]] = {name: [] for name in (*structures.names, LOOK_HERE)}
    for index, (frame, look_here) in enumerate(zip(filled.stack.frames, filled.look_here, strict=True)):
        for name in structures.names:
            if name in frame.contours:
                shapes[name].append((index, "polygon", written_edge_points(frame.contours[name]) - EDGE_OFFSET_PX))
        shapes[LOOK_HERE] += [(index, "path", line - EDGE_OFFSET_PX) for line in look_here]
    return shapes


def _table(shapes: Sequence[tuple[int, str, Points]]) -> str:
    """Return shapes as napari saves them: slice, row, column."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for index, (number, kind, points) in enumerate(shapes):
        for vertex, (x, y) in enumerate(np.round(points, DECIMALS).tolist()):
            writer.writerow([index, kind, vertex, number, y, x])
    return buffer.getvalue()


def _write_tiff(path: Path, voxels: NDArray[np.uint8]) -> None:
    """Write (frames, height, width) as the pages of one TIFF."""
    first, *others = [Image.fromarray(page) for page in voxels]
    first.save(path, save_all=True, append_images=others, compression="tiff_adobe_deflate")


def _tables(folder: Path) -> list[Path]:
    """Return the tables of shapes below a folder, by the columns in their first line, or as they lie where ours lay."""
    return [path for path in files_under(folder, ".csv") if _has_columns(path) or is_of_stack(path.parent.name)]


def _has_columns(path: Path) -> bool:
    with path.open("rb") as stream:
        first_line = stream.readline(4096).lower()
    return b"shape-type" in first_line and b"vertex-index" in first_line


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
    hint = "save the layer again from napari"
    vertices: dict[str, list[list[float]]] = {}
    kinds: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if not set(_COLUMNS[:3]) <= set(reader.fieldnames or ()):
                raise PacketError("is no table of shapes", hint=hint, path=path)
            for row in reader:
                axes = [row[column] for column in _COLUMNS[3:] if row.get(column) is not None]
                vertices.setdefault(row["index"], []).append([float(each) for each in axes])
                kinds[row["index"]] = row["shape-type"]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise PacketError("is no table of shapes", hint=hint, path=path) from error
    shapes: dict[int, list[tuple[str, Points]]] = {}
    for number, found in vertices.items():
        index, points = _in_slice(found, stack, path=path, where=f"shape {number}")
        shapes.setdefault(index, []).append((kinds[number], points))
    return _Layer(path, shapes)


def _in_slice(vertices: list[list[float]], stack: Stack, *, path: Path, where: str) -> tuple[int, Points]:
    """Return the slice a shape is in, and its points as (x, y)."""
    n_axes = {len(vertex) for vertex in vertices}
    if n_axes == {2} and len(stack.frames) == 1:  # a stack of one slice is a picture to napari
        vertices = [[0.0, *vertex] for vertex in vertices]
    elif n_axes != {3}:
        raise PacketError("does not say which slice it is in", hint="draw on the stack", path=path, where=where)
    points = np.array(vertices)
    index = points[0, 0]
    if not np.isfinite(points).all() or not 0 <= round(index) < len(stack.frames):
        raise PacketError("lies outside the stack", hint="draw it again", path=path, where=where)
    if np.abs(points[:, 0] - round(index)).max() > 0.01:
        raise PacketError("is not in one slice", hint="draw it again, in one slice", path=path, where=where)
    return round(index), points[:, :0:-1]


def _returned(
    stack: Stack, layers: Mapping[str, _Layer], ticks: Mapping[str, Tick], structures: StructureSet
) -> tuple[list[ReturnedFrame], list[IvsqaError]]:
    """Return the frames of a stack, and what cannot be used."""
    frames: list[ReturnedFrame] = []
    rejected: list[IvsqaError] = []
    emptied: list[SentFrame] = []
    drawn = {name: layer for name, layer in layers.items() if name in structures.names}
    first = next(iter(drawn.values())).path
    for index, frame in enumerate(stack.frames):
        marks = [tick for name, tick in MARKS.items() if name in layers and index in layers[name].shapes]
        mark = marks[-1] if marks else None
        contours = {name: contour for name, contour in frame.contours.items() if name not in drawn}
        notes: list[str] = []
        try:
            for name, layer in drawn.items():
                if index in layer.shapes:
                    contour, said = _contour(layer.shapes[index], name, path=layer.path, where=frame.name)
                    contours[name] = restored(contour, frame.contours.get(name))
                    notes += said
        except PacketError as error:
            rejected.append(error)
            continue
        if frame.contours and not contours and (mark or ticks.get(frame.name)) in (None, Tick.OPEN):
            emptied.append(frame)
        else:
            checked = True if mark is Tick.CHECKED else None
            frames.append(ReturnedFrame(frame, contours, checked, mark is Tick.UNREADABLE, first, tuple(notes)))
    return frames, [*rejected, *emptied_errors(emptied, first)]


def _contour(
    shapes: Sequence[tuple[str, Points]], name: str, *, path: Path, where: str
) -> tuple[Contour, tuple[str, ...]]:
    """Return the contour that the shapes of one structure in one slice mean, and a note on strays that were left out."""
    try:
        contours = [Contour.from_points(_closed(kind, points)) for kind, points in shapes]
    except ValueError as error:
        raise PacketError(str(error), hint="delete the shape and draw it again", path=path, where=where) from error
    try:
        largest, n_strays = largest_contour(contours)
    except ValueError as error:
        message = f"holds {len(contours)} shapes in one slice"
        raise PacketError(message, hint="keep one", path=path, where=where) from error
    return largest, (stray_note(name, n_strays),) if n_strays else ()


def _named(path: Path, structures: StructureSet) -> str:
    with located(path=path):
        return structure_named(path.stem, structures)


def _closed(kind: str, points: Points) -> Points:
    """Return the outline of a shape.

    Raises:
        ValueError: a line, which encloses nothing.
    """
    if kind in ("polygon", "rectangle"):
        return points
    if kind == "ellipse" and len(points) == 4:  # given by the corners of the box around it
        centre = points.mean(axis=0)
        angles = np.linspace(0.0, 2.0 * np.pi, ELLIPSE_VERTICES, endpoint=False)
        half_width, half_height = (points[1] - points[0]) / 2.0, (points[3] - points[0]) / 2.0
        return np.asarray(centre + np.outer(np.cos(angles), half_width) + np.outer(np.sin(angles), half_height))
    raise ValueError(f"is drawn as a {kind}, which encloses nothing")
