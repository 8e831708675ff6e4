"""Options and result of an import."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ivsqa.domain.claims import FRAME_STEP, SPACING, SPEED, USER, Claim
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.errors import IvsqaError
from ivsqa.io.project.records import PullbackRecord
from ivsqa.io.sources.source import PullbackSource


@dataclass(frozen=True)
class ImportOptions:
    """The user's options for an import.

    Attributes:
        spacing_mm: (x, y) mm per pixel where the files do not say.
        pullback_speed_mm_s: Catheter speed where the files do not say.
        frame_rate_hz: Frames a second where the files do not say.
        spacing_from_beside: Take the spacing by files of other tools beside the frames.
        subject_from: A pattern or table; see `identify_by`.
        with_annotations: Take contours and masks found beside the frames.
        annotations: A contours.csv, a file of another tool, or a folder of them, to take contours from besides.
        repair: Mend contours that cross themselves or their outer border.
        mask_text: Blacken burned-in text.
        gated: Find end-diastolic frames in the images of pullbacks whose files name none.
        n_jobs: Processes that decode.
    """

    spacing_mm: tuple[float, float] | None = None
    pullback_speed_mm_s: float | None = None
    frame_rate_hz: float | None = None
    spacing_from_beside: bool = False
    subject_from: str | None = None
    with_annotations: bool = True
    annotations: Path | None = None
    repair: bool = False
    mask_text: bool = False
    gated: bool = False
    n_jobs: int = 1

    def facts_of(self, source: PullbackSource) -> PullbackFacts:
        """Return the facts of a source, by its files and, where these say nothing, by the user; raises SourceError."""
        chosen = []
        if self.spacing_mm is not None:
            chosen.append(Claim(SPACING, self.spacing_mm, USER))
        if self.pullback_speed_mm_s is not None:
            chosen.append(Claim(SPEED, (self.pullback_speed_mm_s,), USER))
        if self.frame_rate_hz is not None:
            chosen.append(Claim(FRAME_STEP, (1.0 / self.frame_rate_hz,), USER))
        return source.claims().settled(chosen, spacing_from_beside=self.spacing_from_beside)


@dataclass
class ImportResult:
    """The result of an import.

    Attributes:
        imported: New pullbacks.
        unchanged: Pullbacks that were already there, with the same content.
        failed: What could not be read; everything else was imported.
        n_annotations: Frames whose annotation is new.
        notes: What a person should look at, by pullback.
        remarks: What else a person should know, about no pullback in particular.
        n_guessed_subjects: Pullbacks that nothing tied to a person.
        finished: False where someone asked to stop: the same import goes on from there.
    """

    imported: list[PullbackRecord] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: list[IvsqaError] = field(default_factory=list)
    n_annotations: int = 0
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    n_guessed_subjects: int = 0
    finished: bool = True
