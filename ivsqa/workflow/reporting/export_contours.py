"""Export of contours in the formats of other tools: echoPlaque XML by pullback, or a data set for nnU-Net."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from ivsqa.domain.contour import Contours
from ivsqa.domain.structures import IGNORE_LABEL, training_labels
from ivsqa.errors import StateError
from ivsqa.io import atomic
from ivsqa.io.formats.nifti import nifti_bytes
from ivsqa.io.leftovers import TEMPORARY_PREFIX
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.sources.archives.echoplaque import TYPES, echoplaque_text
from ivsqa.io.sources.nnunet import DATASET_FILE, HALVES, dataset_text
from ivsqa.io.tables import csv_text
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context

ContourSource: TypeAlias = Literal["annotations", "predictions", "delivered"]
"""What people drew, what a model draws, or what is delivered: what people drew, and what a certificate accepts."""
ContourFormatName: TypeAlias = Literal["echoplaque", "nnunet"]
FRAMES_FILE = "frames.csv"
ORIGINS_FILE = "origins.csv"

HINTS: Mapping[ContourSource, str] = {
    "annotations": "annotate some",
    "predictions": "score them with: ivsqa score",
    "delivered": "annotate some; or accept what the model drew with: ivsqa accept",
}
Drawn: TypeAlias = tuple[Pullback, Mapping[int, Contours]]


@dataclass(frozen=True)
class ContourExport:
    """The export that was written, or with `dry_run` would be.

    Attributes:
        folder: Where.
        format: In which format.
        source: Whose contours.
        n_frames: Frames with contours by pullback.
        left_out: Structures that the format has no place for.
    """

    folder: Path
    format: ContourFormatName
    source: ContourSource
    n_frames: dict[str, int]
    left_out: tuple[str, ...]


def export_contours(
    project: Project,
    folder: Path,
    *,
    format: ContourFormatName,  # noqa: A002  what users call it
    source: ContourSource = "annotations",
    pullback_ids: Sequence[str] = (),
    model_id: str | None = None,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> ContourExport:
    """Write the current annotations, a model's contours, or what is delivered, for other tools.

    What is delivered comes with `origins.csv`: of each frame, the revision or the certificate that its contours stand in.

    Writes a new folder, whole or not at all; equal content gives equal bytes. Changes nothing in the project.

    Raises:
        StateError: the folder holds something already, or there is nothing to write.
        NotFoundError: there is no such pullback or model.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StateError("is there already", path=folder, hint="name a new folder, or remove this one")
    read = _contours_from(project, source, model_id)
    records = [project.pullback(pullback_id) for pullback_id in pullback_ids] or project.pullbacks()
    # Read now to count and again to write: the contours of a whole study need not fit into memory.
    counts = {record.pullback_id: len(frames) for record, frames in _iter_drawn(records, read)}
    if not counts:
        what = "contours to deliver" if source == "delivered" else source
        raise StateError(f"no frame has {what}", hint=HINTS[source])
    known = TYPES.values() if format == "echoplaque" else project.structures.names
    left_out = tuple(name for name in project.structures.names if name not in known)
    if not dry_run:
        staging = folder.absolute().parent / f"{TEMPORARY_PREFIX}{folder.name}"
        drawn = _iter_drawn([record for record in records if record.pullback_id in counts], read)
        with (
            atomic.staged_folder(staging) as inside,
            context.progress("Exporting", len(counts), "pullback") as advance,
        ):
            write = _write_echoplaque if format == "echoplaque" else _Nnunet(project)
            for record, frames in drawn:
                write(inside, record, frames)
                advance(1)
            if isinstance(write, _Nnunet):
                write.finish(inside)
            if source == "delivered":
                _write_origins(project, inside, [record for record in records if record.pullback_id in counts])
            if folder.exists():  # empty, as was checked: a folder cannot take the name of one that is there
                folder.rmdir()
            atomic.publish_folder(inside, folder.absolute())
    return ContourExport(folder, format, source, counts, left_out)


def _contours_from(
    project: Project, source: ContourSource, model_id: str | None
) -> Callable[[Pullback], Mapping[int, Contours]]:
    """Return a function that reads the contours of a pullback."""
    if source == "annotations":
        annotations = project.annotations
        return lambda record: {
            index: annotation.contours for index, annotation in annotations.current(record.pullback_id).items()
        }
    if source == "delivered":
        certificate = project.certificates.in_force()
        return lambda record: (
            record.accepted_contours(certificate)
            | {index: annotation.contours for index, annotation in record.annotations.items()}
        )
    model = project.get_model(model_id)
    project.check_fits(model)
    scores = project.scores(model.model_id)

    def predicted(record: Pullback) -> dict[int, Contours]:
        try:
            return {
                score.frame_index: score.contours for score in scores.read(record.pullback_id, range(record.n_frames))
            }
        except StateError:  # not scored, or not all of it
            return {}

    return predicted


def _iter_drawn(records: Sequence[Pullback], read: Callable[[Pullback], Mapping[int, Contours]]) -> Iterator[Drawn]:
    """Yield the pullbacks in which anything is drawn, with the contours of each frame."""
    for record in records:
        frames = read(record)
        if any(frames.values()):
            yield record, frames


def _write_origins(project: Project, folder: Path, records: Sequence[Pullback]) -> None:
    """Write of each delivered frame where its contours stand."""
    certificate = project.certificates.in_force()
    rows: list[tuple[str, int, str, str]] = []
    for record in records:
        drawn = {index: ("annotation", one.revision.revision_id) for index, one in record.annotations.items()}
        by = certificate.certificate_id if certificate else ""
        origins = dict.fromkeys(record.accepted(certificate), ("accepted", by)) | drawn
        rows += [(record.pullback_id, index, *origins[index]) for index in sorted(origins)]
    text = csv_text(("pullback_id", "frame_index", "source", "stands_in"), rows)
    (folder / ORIGINS_FILE).write_text(text, encoding="utf-8", newline="\n")


def _write_echoplaque(folder: Path, record: Pullback, frames: Mapping[int, Contours]) -> None:
    """Write `<pullback>_contours.xml`."""
    text = echoplaque_text(
        record.pullback_id,
        frames,
        n_frames=record.n_frames,
        shape=record.frame_shape,
        spacing_mm=record.spacing_mm,
        speed_mm_s=record.pullback_speed_mm_s,
    )
    (folder / f"{record.pullback_id}_contours.xml").write_text(text, encoding="utf-8", newline="")


class _Nnunet:
    """A data set while it is written: a case a pullback, of its annotated frames only; test subjects in `imagesTs`.

    nnU-Net divides cases at random, so a case has to hold all frames of a pullback: neighbours look alike.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._rows: list[tuple[str, int, int]] = []
        self._n_training = 0
        self._has_ignored = False

    def __call__(self, folder: Path, record: Pullback, frames: Mapping[int, Contours]) -> None:
        """Write image and labels of a pullback."""
        structures = self._project.structures
        values = np.stack([training_labels(structures, frames[index], record.frame_shape) for index in sorted(frames)])
        is_ignored = values == IGNORE_LABEL
        # nnU-Net takes labels without gaps, the one to ignore last.
        values[is_ignored] = len(structures) + 1
        self._has_ignored |= bool(is_ignored.any())
        images_name = "imagesTs" if record.split == "test" else "imagesTr"
        images, labels = folder / images_name, folder / HALVES[images_name]
        images.mkdir(exist_ok=True)
        labels.mkdir(exist_ok=True)
        voxels = record.frames[sorted(frames)]
        (images / f"{record.pullback_id}_0000.nii.gz").write_bytes(nifti_bytes(voxels, record.spacing_mm))
        (labels / f"{record.pullback_id}.nii.gz").write_bytes(nifti_bytes(values, record.spacing_mm))
        self._rows += [(record.pullback_id, number, index) for number, index in enumerate(sorted(frames))]
        self._n_training += images_name == "imagesTr"

    def finish(self, folder: Path) -> None:
        """Write the files of the whole set."""
        text = dataset_text(
            self._project.structures,
            name=self._project.settings.name,
            n_cases=self._n_training,
            has_ignored=self._has_ignored,
        )
        (folder / DATASET_FILE).write_text(text, encoding="utf-8", newline="\n")
        # A case holds annotated frames only: without this table nobody knows which frame a slice is.
        frames = csv_text(("case", "slice", "frame_index"), self._rows)
        (folder / FRAMES_FILE).write_text(frames, encoding="utf-8", newline="\n")
