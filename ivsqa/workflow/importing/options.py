"""Options and result of an import."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from ivsqa.domain.pullback import PullbackFacts
from ivsqa.errors import IvsqaError
from ivsqa.io.project.records import PullbackRecord


@dataclass(frozen=True)
class ImportOptions:
    """The user's options for an import.

    Attributes:
        spacing_mm: (x, y) mm per pixel where the files do not say.
        pullback_speed_mm_s: Catheter speed where the files do not say.
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
    subject_from: str | None = None
    with_annotations: bool = True
    annotations: Path | None = None
    repair: bool = False
    mask_text: bool = False
    gated: bool = False
    n_jobs: int = 1

    def with_user_facts(self, facts: PullbackFacts) -> PullbackFacts:
        """Return the facts, completed by the user's where the file has none."""
        if facts.spacing_mm is None and self.spacing_mm is not None:
            facts = replace(facts, spacing_mm=self.spacing_mm, spacing_source="user")
        if facts.pullback_speed_mm_s is None and self.pullback_speed_mm_s is not None:
            facts = replace(facts, pullback_speed_mm_s=self.pullback_speed_mm_s, pullback_speed_source="user")
        return facts


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
