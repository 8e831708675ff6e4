"""Refinement by points: a reader sets points, and the model that drew a border draws it again through them.

What comes out is a proposal, written like a return; it becomes an annotation when a person has it imported. Points that come back
inside a LabelMe return are a reader's work already: `import-annotations` asks for the same borders and takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ivsqa.domain.agreement.edits import ContourChange
from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.geometry.refinement import Nudge, refined
from ivsqa.domain.pullback import FrameKey
from ivsqa.drawing.encoded import png_bytes
from ivsqa.drawing.pictures import overlay
from ivsqa.errors import AnnotationError, IvsqaError, PacketError
from ivsqa.io import atomic
from ivsqa.io.formats.contours_csv import contours_csv_text
from ivsqa.io.leftovers import TEMPORARY_PREFIX
from ivsqa.io.packets import ReturnedFrame, SentFrame, read_return
from ivsqa.io.packets.nudges_csv import is_nudges_csv, read_nudges_csv
from ivsqa.io.project.project import Project
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.predicting.lazy_predictor import LazyPredictor
from ivsqa.workflow.rounds.returns import contour_changes
from ivsqa.workflow.rounds.sent import newest_exported, read_sent

CONTOURS_NAME, OVERLAYS_NAME = "contours.csv", "overlays"


class Refiner:
    """Lays borders anew through points, with one model.

    Args:
        project: The project.
        model_id: The model that drew what the points are about; None: the current one.
        device: "auto", "cpu" or "cuda".
    """

    def __init__(self, project: Project, model_id: str | None, *, device: str = "auto") -> None:
        self._project = project
        self._model = LazyPredictor(project, model_id, device=device)

    def __call__(self, sent: SentFrame, drawn: Contours, nudges: Sequence[Nudge]) -> dict[str, Contour]:
        """Return the contours of a frame, in frame px; those without a point move only where they are in the way.

        Args:
            sent: The frame as it went out.
            drawn: Its borders as the points were set beside them; those that stay are the same objects.
            nudges: The points, in frame px.

        Raises:
            ValueError: no borders can pass the points.
            IvsqaError: the model cannot be used.
        """
        for nudge in nudges:
            # Centres of pixels lie on whole numbers: the image begins half a pixel before the first.
            if not (-0.5 <= nudge.x_px <= sent.width_px - 0.5 and -0.5 <= nudge.y_px <= sent.height_px - 0.5):
                raise ValueError(f"a point of {nudge.structure} lies outside the image")
        grid, probabilities = self._model.probabilities(*sent.key)
        on_grid = {name: grid.contour_to_grid(contour) for name, contour in drawn.items()}
        moved = refined(
            dict(zip(self._project.structures.names, probabilities, strict=True)),
            [Nudge(nudge.structure, *grid.point_to_grid(nudge.x_px, nudge.y_px), nudge.weight) for nudge in nudges],
            drawn=on_grid,
        )
        return {
            name: drawn[name] if contour is on_grid[name] else grid.contour_to_frame(contour)
            for name, contour in moved.items()
        }


@dataclass(frozen=True)
class RefinedFrame:
    """A frame with its borders laid through points.

    Attributes:
        sent: The frame as it went out.
        contours: Its borders now.
        n_points: How many points it had.
        changes: How far each border moved from what was sent.
        gave_way: Borders without a point that moved, since they were in the way.
    """

    sent: SentFrame
    contours: dict[str, Contour]
    n_points: int
    changes: dict[str, ContourChange]
    gave_way: tuple[str, ...]


@dataclass
class RefineResult:
    """The proposal that points led to.

    Attributes:
        round_id: The round whose packet they are about.
        folder: Where the proposal lies, or with `dry_run` would.
        frames: In the order of the packet.
        failed: Frames whose points cannot be followed.
    """

    round_id: str
    folder: Path
    frames: list[RefinedFrame] = field(default_factory=list)
    failed: list[IvsqaError] = field(default_factory=list)


def refine(
    project: Project,
    path: Path,
    *,
    round_id: str | None = None,
    model_id: str | None = None,
    folder: Path | None = None,
    device: str = "auto",
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> RefineResult:
    """Lay the borders of a packet's frames anew through points.

    Writes `contours.csv` and a picture a frame into `folder`; the same points give the same files. The project stays as it is.

    Args:
        project: The project.
        path: A CSV of points, or a return with points in it.
        round_id: The round; None: the newest that was exported.
        model_id: The model to ask; None: the one that drew the packet.
        folder: Where to write; None: beside `path`.
        device: "auto", "cpu" or "cuda".
        dry_run: Write nothing.
        context: Progress.

    Raises:
        StateError: no packet was exported.
        AnnotationError: no points there, or a file that cannot be read.
        PacketError: the folder holds anything but this very proposal.
    """
    packet, sent = read_sent(project, newest_exported(project, round_id).round_id)
    points, failed = _read_points(project, path, sent)
    result = RefineResult(packet.round_id, folder or path.parent / f"{path.stem}-refined", failed=failed)
    refiner = Refiner(project, model_id or packet.model_id, device=device)
    with context.progress("Refining", len(points), "frame") as advance:
        for frame in sent:
            returned = points.get(frame.key)
            if returned is None:
                continue
            try:
                contours = through_points(refiner, returned, path)
            except AnnotationError as error:
                result.failed.append(error)
            else:
                names = [name for name in project.structures.names if name in contours]
                # No tolerance: no editor has rounded these contours on the way.
                changes = contour_changes(frame, contours, names, tolerance_px=0.0)
                gave_way = in_the_way(returned, contours)
                result.frames.append(RefinedFrame(frame, contours, len(returned.nudges), changes, gave_way))
            advance(1)
    if result.frames:
        text = _contours_text(result)
        # In a dry run too, which has to say what would happen.
        _refuse_to_overwrite(result.folder, text)
        if not dry_run:
            _write(project, result, text)
    return result


def through_points(refiner: Refiner, returned: ReturnedFrame, path: Path) -> dict[str, Contour]:
    """Return the contours of a frame that came back, laid through its points, beside the other borders as its reader left them.

    Raises:
        AnnotationError: a border was changed by hand and has points besides, or no borders can pass them; says which frame of
            which file.
    """
    sent, drawn = returned.frame, dict(returned.contours)
    for name in sorted({nudge.structure for nudge in returned.nudges}):
        # `is`: every format hands on the very contour that was sent where it came back unmoved.
        if drawn.get(name) is not sent.contours.get(name) and not returned.nudges_followed:
            raise AnnotationError(
                f"{name} was changed by hand and has points besides",
                hint="keep one of the two",
                path=path,
                where=sent.name,
            )
        drawn |= {name: sent.contours[name]} if name in sent.contours else {}
    try:
        return refiner(sent, drawn, returned.nudges)
    except ValueError as error:
        hint = "drag the vertices there instead, or leave out a point"
        raise AnnotationError(str(error), hint=hint, path=path, where=sent.name) from error


def in_the_way(returned: ReturnedFrame, laid: Contours) -> tuple[str, ...]:
    """Return the borders without a point that moved, of those laid by `through_points`."""
    pointed = {nudge.structure for nudge in returned.nudges}
    return tuple(name for name in laid if name not in pointed and laid[name] is not returned.contours.get(name))


def _read_points(
    project: Project, path: Path, sent: Sequence[SentFrame]
) -> tuple[dict[FrameKey, ReturnedFrame], list[IvsqaError]]:
    """Return the frames that have points, and an error for those that cannot be used."""
    if not is_nudges_csv(path):
        returned = read_return(path, sent, project.structures)
        inside = {frame.frame.key: frame for frame in returned.frames if frame.nudges and not frame.unreadable}
        if not inside and not returned.rejected:
            raise AnnotationError("holds no points", hint="in LabelMe: Create Point, named like the border", path=path)
        return inside, list(returned.rejected)
    points = read_nudges_csv(path, project.structures)
    hint = "name its round with: --round ID"
    strangers: list[IvsqaError] = [
        PacketError("was not sent in this packet", hint=hint, path=path, where=f"{pullback_id}, frame {frame_index}")
        for pullback_id, frame_index in sorted(points.keys() - {frame.key for frame in sent})
    ]
    answers = {
        frame.key: ReturnedFrame(
            frame, frame.contours, checked=None, unreadable=False, path=path, nudges=tuple(points[frame.key])
        )
        for frame in sent
        if frame.key in points
    }
    return answers, strangers


def _contours_text(result: RefineResult) -> str:
    """Return the proposal as `import-annotations` reads it."""
    rows = [(*frame.sent.key, frame.contours) for frame in result.frames]
    return contours_csv_text(rows, {frame.sent.pullback_id: frame.sent.spacing_mm for frame in result.frames})


def _refuse_to_overwrite(folder: Path, text: str) -> None:
    """Raise where a folder holds anything but this very proposal: someone may have worked on it."""
    path = folder / CONTOURS_NAME
    if folder.exists() and not (path.is_file() and path.read_bytes() == text.encode()):
        raise PacketError("is there already and holds something else", hint="name another with: --to DIR", path=folder)


def _write(project: Project, result: RefineResult, text: str) -> None:
    """Write the proposal, and pictures for a person to look at; the folder appears whole."""
    if result.folder.exists():  # with this very proposal, as was checked
        return
    staging = result.folder.absolute().with_name(f"{TEMPORARY_PREFIX}{result.folder.name}")
    with atomic.staged_folder(staging) as inside:
        _write_pictures(project, result, inside / OVERLAYS_NAME)
        atomic.write_text(inside / CONTOURS_NAME, text)
        atomic.publish_folder(inside, result.folder.absolute())


def _write_pictures(project: Project, result: RefineResult, folder: Path) -> None:
    """Write a picture a frame."""
    for frame in result.frames:
        sent, points = frame.sent, "point" if frame.n_points == 1 else "points"
        picture = overlay(
            project.pullback(sent.pullback_id).frames[sent.frame_index],
            frame.contours,
            structures=project.structures,
            title=sent.name,
            subtitle=f"laid through {frame.n_points} {points}",
            spacing_mm=sent.spacing_mm,
        )
        atomic.write_bytes(folder / f"{sent.name}.png", png_bytes(picture))
