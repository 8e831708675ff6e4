"""Reading times: minutes that readers reported, and what further frames are expected to take after them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ivsqa.domain.acceptance.minutes import CostModel, TimedWork
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback


@dataclass(frozen=True)
class ReadingTimes:
    """The times that editors reported of the frames of a study.

    Attributes:
        works: What was done to each frame by each reader in each round, and how long it took.
    """

    works: tuple[TimedWork, ...]

    @property
    def n_frames(self) -> int:
        """Readings of a frame whose time is known."""
        return len(self.works)

    @property
    def minutes(self) -> float | None:
        """Minutes that they took together; None where no editor reported any."""
        return sum(one.seconds for one in self.works) / 60.0 if self.works else None


def reading_times(project: Project, pullbacks: Iterable[Pullback]) -> ReadingTimes:
    """Return the times that editors reported of frames of some pullbacks."""
    return ReadingTimes(tuple(project.annotations.iter_timed_works(pullback.pullback_id for pullback in pullbacks)))


def learned_cost(project: Project, pullbacks: Iterable[Pullback]) -> CostModel:
    """Return what each kind of work takes: the settings' section `reading`, moved towards the times that readers reported."""
    return project.settings.reading.cost_model.learned(reading_times(project, pullbacks).works)
