"""Readings: the returns of each reader by round beside what was sent, and so the work that the network saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ivsqa.domain.agreement.effort import Reading, length_to_move
from ivsqa.domain.contour import Contours
from ivsqa.domain.pullback import FrameKey
from ivsqa.errors import IvsqaError
from ivsqa.io.outside import apart
from ivsqa.io.packets import SentFrame, get_adapter
from ivsqa.io.project.annotation_records import RevisionRecord
from ivsqa.io.project.annotation_status import Standing
from ivsqa.io.project.project import Project
from ivsqa.workflow.context import Advance
from ivsqa.workflow.predicting.doubtful_arcs import tolerance_px
from ivsqa.workflow.rounds.returns import contour_changes
from ivsqa.workflow.rounds.sent import read_sent


def read_readings(
    project: Project, standings: Iterable[Mapping[int, Standing]], failed: list[IvsqaError], advance: Advance
) -> list[Reading]:
    """Return the readings that count, by round and reader; none that was taken back.

    Args:
        project: The project.
        standings: What counts of the frames of each pullback.
        failed: Gets what could not be read; the rest is counted all the same.
        advance: Told of each revision.
    """
    readings, sent_in = [], {}
    blind = {audit.round_id for audit in project.audits.all() if not audit.is_assisted}
    for (round_id, reader), revisions in sorted(_by_reader(standings).items(), key=lambda item: item[0]):
        reading = Reading(round_id, reader)
        try:
            # Once a round: all its readers were sent the same.
            if round_id not in sent_in:
                sent_in[round_id] = {frame.key: frame for frame in read_sent(project, round_id)[1]}
        except IvsqaError as error:
            failed.append(error)
            continue
        for revision, indices in revisions.values():
            with apart(failed):
                _count(project, reading, revision, indices, sent_in[round_id])
            advance(1)
        if round_id in blind:
            # Nothing was sent on purpose: what was drawn there says nothing of what the network saves.
            reading.border = reading.corrected = 0.0
        readings.append(reading)
    return readings


def _by_reader(
    standings: Iterable[Mapping[int, Standing]],
) -> dict[tuple[str, str], dict[str, tuple[RevisionRecord, list[int]]]]:
    """Return the revisions that count, with their frames, by round and reader, and by their id."""
    by_reader: dict[tuple[str, str], dict[str, tuple[RevisionRecord, list[int]]]] = {}
    for of_pullback in standings:
        for index, standing in of_pullback.items():
            for reader, revision in standing.readings.items():
                if revision.round_id is not None:
                    revisions = by_reader.setdefault((revision.round_id, reader), {})
                    revisions.setdefault(revision.revision_id, (revision, []))[1].append(index)
    return by_reader


def _count(
    project: Project,
    reading: Reading,
    revision: RevisionRecord,
    indices: list[int],
    sent: dict[FrameKey, SentFrame],
) -> None:
    """Count the frames of a revision.

    Raises:
        IvsqaError: its contours are missing or were changed.
    """
    contours = project.annotations.contours(revision)
    # ISO 8601 in UTC sorts as time does.
    reading.returned_at = max(reading.returned_at, revision.provenance.created_at)
    timed = revision.timed_works
    reading.seconds += [timed[index].seconds for index in indices if index in timed]
    for index in indices:
        origin = revision.origin_of(index)
        reading.frames[origin] += 1
        key = FrameKey(revision.pullback_id, index)
        if origin != "unreadable" and key in sent:
            returned = contours.get(index, {})
            _compare(project, reading, revision, sent[key], returned)
            if index in timed:
                reading.add_time(timed[index].seconds, n_sent=len(sent[key].contours), n_drawn=len(returned))


def _compare(project: Project, reading: Reading, revision: RevisionRecord, sent: SentFrame, returned: Contours) -> None:
    """Count the contours of one frame, and the border that was drawn."""
    pullback = project.pullback(revision.pullback_id)
    grid, near_px = pullback.grid, tolerance_px(pullback)
    tolerance = get_adapter(revision.source).tolerance_px
    for name, change in contour_changes(sent, returned, project.structures.names, tolerance_px=tolerance).items():
        before, after = sent.contours.get(name), returned.get(name)
        if change.kind == "absent":
            continue
        reading.contours[change.kind] += 1
        if change.kind == "edited" and change.mean_mm is not None:
            reading.edit_mm.append(change.mean_mm)
        if after is not None:
            wanted = grid.contour_to_grid(after)
            shown = None if before is None else grid.contour_to_grid(before)
            reading.border += wanted.perimeter_px
            reading.corrected += length_to_move(shown, wanted, tolerance_px=near_px)
