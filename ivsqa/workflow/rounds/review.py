"""Review: a round of frames that are still to be read before the study is delivered, worst first, neighbours together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.acceptance.minutes import FrameWork, Minutes
from ivsqa.domain.pullback import FrameKey
from ivsqa.errors import StateError
from ivsqa.io.project.annotation_status import Standings
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord
from ivsqa.io.project.selections import SelectedFrame
from ivsqa.workflow.predicting.doubtful_arcs import expected_error
from ivsqa.workflow.rounds.reading_times import learned_cost

REVIEW: Final = "review"
POINTS_A_REGION = 2.0
"""Points that a reader is expected to set for each doubtful region of a frame: about where it begins to be off, and ends."""
MOST_REGIONS = 6
"""Where more regions are doubtful, a reader sets the border anew with about as many points."""


def frames_to_read(
    project: Project,
    pullbacks: Iterable[Pullback],
    standings: Standings,
    frames_of: Mapping[str, NDArray[np.intp]] | None = None,
) -> dict[str, list[int]]:
    """Return the frames that are neither read nor accepted nor out, by pullback.

    Args:
        project: The project.
        pullbacks: Of these.
        standings: What counts of each of their frames that somebody read.
        frames_of: Of these frames of each; None: of all.
    """
    certificate = project.certificates.in_force()
    out = frozenset[FrameKey]().union(*(one.out for one in project.rounds()))
    left = {}
    for pullback in pullbacks:
        name = pullback.pullback_id
        unread = pullback.all_but([*standings[name], *pullback.accepted(certificate, standings[name])])
        wanted = np.arange(pullback.n_frames) if frames_of is None else frames_of[name]
        left[name] = [int(index) for index in wanted if unread[index] and FrameKey(name, int(index)) not in out]
    return left


def worst_to_read(
    project: Project, model: ModelRecord, pullbacks: Sequence[Pullback], left: Mapping[str, Sequence[int]], n: int
) -> list[SelectedFrame]:
    """Return the n worst of some frames, ranked as readers like to meet them: pullback by pullback, that of the worst first.

    Raises:
        StateError: a pullback is not scored to its end, or no frame is left.
    """
    by_id = {pullback.pullback_id: pullback for pullback in pullbacks if left[pullback.pullback_id]}
    if not by_id:
        raise StateError("no frame is left to read: all are read, accepted or out with a reader")
    store = project.scores(model)
    read = store.columns({name: pullback.n_frames for name, pullback in by_id.items()}, ["quality"])
    quality = {FrameKey(name, index): read[name]["quality"][index] for name in by_id for index in left[name]}
    # What nothing is known of comes first.
    worst = sorted(quality, key=lambda key: (np.nan_to_num(quality[key], nan=-1.0), key))[:n]
    wanted: dict[str, list[int]] = {}
    for key in worst:
        wanted.setdefault(key.pullback_id, []).append(key.frame_index)
    frames: list[SelectedFrame] = []
    for name, indices in wanted.items():
        for score in store.read(name, indices):  # in the order of frames; each chunk is opened once
            reason = ", ".join(filter(None, ["not accepted", expected_error(project, by_id[name], score)]))
            subject_id, doubt = by_id[name].subject_id, 1.0 - score.quality
            frames.append(SelectedFrame(len(frames) + 1, *score.key, subject_id, score.quality, doubt, reason))
    return frames


def minutes_to_read(project: Project, model: ModelRecord, left: Mapping[str, Sequence[int]]) -> Minutes:
    """Return the minutes that reading some scored frames is expected to take, by what readers took so far.

    Raises:
        StateError: a pullback is not scored to its end.
    """
    n_frames = {name: project.pullback(name).n_frames for name, frames in left.items() if frames}
    read = project.scores(model).columns(n_frames, ["quality", "n_regions"])
    n_structures = len(project.structures.names)

    def works() -> Iterator[FrameWork]:
        for name in n_frames:
            for index in left[name]:
                if np.isnan(read[name]["quality"][index]):
                    yield FrameWork(drawn=n_structures)
                else:
                    yield FrameWork(points=POINTS_A_REGION * min(read[name]["n_regions"][index], MOST_REGIONS))

    return learned_cost(project, project.pullbacks()).minutes(works())


def by_pullback(frames: Iterable[SelectedFrame]) -> dict[str, list[int]]:
    """Return the indices of frames by pullback."""
    listed: dict[str, list[int]] = {}
    for frame in frames:
        listed.setdefault(frame.pullback_id, []).append(frame.frame_index)
    return listed
