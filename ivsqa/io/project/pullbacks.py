"""`Pullback`: one catheter run of an open project, its facts and what else the project knows of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import PrivateAttr

from ivsqa.domain.contour import Contour
from ivsqa.domain.frames.gating import frames_every
from ivsqa.domain.grid import WorkingGrid, working_grid
from ivsqa.domain.pullback import FrameKey, frames_sha256
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.domain.selection.pool import PullbackFrames
from ivsqa.errors import IntegrityError, NotFoundError, StateError
from ivsqa.io.project.amendments import AmendmentRecord, amended, read_amendments
from ivsqa.io.project.annotation_status import Standing
from ivsqa.io.project.annotations import Annotation
from ivsqa.io.project.certificates import AcceptedFrame, CertificateRecord, digest
from ivsqa.io.project.frame_file import FrameFile
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.records import ModelRecord, PullbackRecord

if TYPE_CHECKING:
    from ivsqa.io.project.project import Project


class Pullback(PullbackRecord):
    """A pullback of an open project: the facts of its manifest, its frames, and what people and models say of them.

    What is read from the disk is read when it is asked for, so an open project never shows what has changed since.
    """

    _project: Project = PrivateAttr()
    _imported: PullbackRecord = PrivateAttr()
    _amendments: tuple[AmendmentRecord, ...] = PrivateAttr(default=())

    @classmethod
    def of(cls, project: Project, record: PullbackRecord) -> Pullback:
        """Return the pullback of a manifest, with the facts that were corrected since its import."""
        amendments = read_amendments(project.layout, record.pullback_id, project._read)
        pullback = cls.of_facts(project, amended(record, amendments))
        pullback._imported, pullback._amendments = record, tuple(amendments)
        return pullback

    @classmethod
    def of_facts(cls, project: Project, facts: PullbackRecord) -> Pullback:
        """Return the pullback as it would be with these facts."""
        pullback = cls.model_construct(**vars(facts))
        pullback._project, pullback._imported = project, facts
        return pullback

    def with_amendments(self, amendments: Sequence[AmendmentRecord]) -> PullbackRecord:
        """Return the facts as they would be with these corrections instead of those there are."""
        return amended(self._imported, amendments)

    @property
    def imported(self) -> PullbackRecord:
        """Its facts as they were imported."""
        return self._imported

    @property
    def amendments(self) -> tuple[AmendmentRecord, ...]:
        """Every correction of them, oldest first, those that count no more too."""
        return self._amendments

    def rewrite(self, **fields: object) -> Pullback:
        """Write facts that were found out since its import into its manifest, and return the pullback with them."""
        record = self._imported.model_copy(update=fields)
        write_manifest(self._project.layout.pullback_record(self.pullback_id), record)
        return Pullback.of(self._project, record)

    def check_index(self, frame_index: int) -> None:
        """Refuse an index that is of none of its frames; raises NotFoundError."""
        if not 0 <= frame_index < self.n_frames:
            raise NotFoundError(f"{self.pullback_id} has frames 0 to {self.n_frames - 1}, not {frame_index}")

    @property
    def frames(self) -> FrameFile:
        """Its frames, uint8 (n, height, width), of which no more is read than is asked for.

        Raises:
            IntegrityError: the file is missing, or not of the shape its manifest says.
            OutsideError: it is no file but a folder, a pipe or a link that leads nowhere.
        """
        return FrameFile(self._project.layout.frames(self.pullback_id), (self.n_frames, *self.frame_shape))

    def check_frames(self, *, deep: bool) -> None:
        """See that its frames are there, and with `deep` that they are those that were imported; raises IntegrityError."""
        frames = self.frames
        if deep and frames_sha256(frames) != self.frames_sha256:
            raise IntegrityError(
                f"the frames of {self.pullback_id} are not those that were imported",
                hint="restore frames.npy from a copy",
            )

    @property
    def grid(self) -> WorkingGrid:
        """The network's square over its frames."""
        image = self._project.settings.image
        return working_grid(
            self.frame_shape,
            size_px=image.working_size_px,
            spacing_mm=self.spacing_mm,
            field_of_view_mm=image.field_of_view_mm,
        )

    @property
    def standings(self) -> dict[int, Standing]:
        """What counts of each frame that somebody read, by frame index."""
        return self._project.annotations.standings(self.pullback_id)

    @property
    def annotations(self) -> dict[int, Annotation]:
        """The annotation of every annotated frame, by frame index; unreadable and disputed frames have none."""
        return self._project.annotations.current(self.pullback_id)

    @property
    def unread(self) -> NDArray[np.bool_]:
        """(n_frames,) whether nobody's reading counts: not annotated, not in dispute, not found unreadable."""
        return self.all_but(self.standings)

    def all_but(self, read: Iterable[int]) -> NDArray[np.bool_]:
        """Return (n_frames,) whether a frame is none of those that somebody read."""
        unread = np.ones(self.n_frames, dtype=np.bool_)
        unread[list(read)] = False
        return unread

    def contours(self, model: ModelRecord | str | None = None) -> dict[int, dict[str, Contour]]:
        """Return the contours of its frames in px, by frame index and structure: as annotated, else as accepted, else as drawn.

        Args:
            model: Whose predictions, accepted or not; None: what is accepted, and the current model's, if there is one.

        Frames that nobody can annotate, and those that are neither annotated nor scored, are absent.
        """
        drawing = model or self._project.current_model()
        contours: dict[int, dict[str, Contour]] = {}
        if drawing is not None:
            contours |= self._project.scores(drawing).contours(self.pullback_id, self.n_frames)
        if model is None:
            contours |= self.accepted_contours(self._project.certificates.in_force())
        for index in self._project.annotations.unreadable_frames(self.pullback_id):
            contours.pop(index, None)
        return contours | {index: annotation.contours for index, annotation in self.annotations.items()}

    def accepted(
        self, certificate: CertificateRecord | None, read: Collection[int] | None = None
    ) -> dict[int, AcceptedFrame]:
        """Return its frames that a certificate accepts and nobody read since, by frame index; none without a certificate.

        Args:
            certificate: Which.
            read: The frames that somebody read, where they are known; None: they are looked up.
        """
        if certificate is None:
            return {}
        accepted = self._project.certificates.accepted(certificate, self.pullback_id)
        if read is None:
            read = self.standings if accepted else ()
        return {index: frame for index, frame in accepted.items() if index not in read}

    def accepted_contours(self, certificate: CertificateRecord | None) -> dict[int, dict[str, Contour]]:
        """Return the contours of these frames, in px, by frame index and structure.

        Raises:
            IntegrityError: they are not those that were accepted.
        """
        accepted = self.accepted(certificate)
        if certificate is None or not accepted:
            return {}
        drawn = self._project.scores(certificate.model_id).contours(self.pullback_id, self.n_frames)
        for index, frame in accepted.items():
            if digest(drawn.get(index, {})) != frame.contours:
                raise IntegrityError(
                    f"frame {index} of {self.pullback_id} is drawn otherwise than {certificate.certificate_id} accepted it",
                    hint="restore its scores from a copy, or prove the promise anew with: ivsqa accept",
                )
        return {index: drawn[index] for index in accepted}

    def error_maps(self, frame_index: int, model: ModelRecord | str | None = None) -> dict[str, NDArray[np.float32]]:
        """Return the error maps of a frame: how likely each pixel is wrong, (height, width) in [0, 1] by structure.

        Args:
            frame_index: 0-based.
            model: Whose contours are meant; None: the current model's.

        Raises:
            NotFoundError: no such frame.
            StateError: there is no model, or the frame is not scored.
        """
        self.check_index(frame_index)
        (score,) = self._project.scores(model).read(self.pullback_id, [frame_index])
        return self.error_maps_of(score)

    def error_maps_of(self, score: FrameScore) -> dict[str, NDArray[np.float32]]:
        """Return the error maps of one of its scored frames, (height, width) in [0, 1] by structure."""
        grid, names = self.grid, self._project.structures.names
        return {
            name: grid.to_frame(error_map.astype(np.float32) / 255.0)
            for name, error_map in zip(names, score.error_maps, strict=True)
        }

    def frames_in_use(self, *, gated: bool = False, every_mm: float | None = None) -> NDArray[np.intp]:
        """Return the frames that stand for a pullback, 0-based, rising.

        Args:
            gated: Only end-diastolic frames.
            every_mm: Of those, only frames about so far apart; None, or unknown positions: all.

        Raises:
            StateError: `gated`, and its end-diastolic frames are not known.
        """
        if gated and self.end_diastolic_frames is None:
            raise StateError(
                f"the end-diastolic frames of {self.pullback_id} are not known ({self.gating_source})",
                hint="find them with: ivsqa import PATH --gated; or lay a phases.csv beside its frames and import again",
            )
        frames = np.array(self.end_diastolic_frames, dtype=np.intp) if gated else np.arange(self.n_frames)
        positions = self.positions_mm()
        if every_mm is None or positions is None:
            return frames
        return frames[frames_every(positions[frames], every_mm)]

    def choices(
        self, frames: NDArray[np.intp] | None = None, score: NDArray[np.float64] | None = None
    ) -> PullbackFrames:
        """Return frames as the pool holds them.

        Args:
            frames: Which, 0-based; None: all.
            score: (n_frames,) what they are ranked by; None: nothing.
        """
        frames = np.arange(self.n_frames) if frames is None else frames
        positions = self.positions_mm()
        return PullbackFrames(
            self.pullback_id,
            self.subject_id,
            frames,
            None if positions is None else positions[frames],
            None if score is None else score[frames],
        )


@dataclass(frozen=True)
class AnnotatedFrame:
    """An annotated frame and the pullback it is in."""

    pullback: Pullback
    annotation: Annotation

    @property
    def key(self) -> FrameKey:
        """The frame."""
        return self.annotation.key

    @property
    def revision_id(self) -> str:
        """The revision its contours stand in."""
        return self.annotation.revision.revision_id
