"""Disputes: the frames of a round that several read and nothing settles."""

from __future__ import annotations

from ivsqa.domain.pullback import FrameKey
from ivsqa.io.project.annotation_status import Standing
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import RoundRecord
from ivsqa.io.project.selections import read_selection


def disputed_frames(project: Project, record: RoundRecord) -> dict[FrameKey, Standing]:
    """Return the frames of a round that several read and nothing settles, in the order of the round, with what was read."""
    store = project.annotations
    chosen = [frame.key for frame in read_selection(project.layout.selection(record.round_id))]
    standings = {pullback_id: store.standings(pullback_id) for pullback_id in {key[0] for key in chosen}}
    found = {key: standings[key[0]].get(key[1]) for key in chosen}
    return {key: standing for key, standing in found.items() if standing is not None and standing.is_disputed}
