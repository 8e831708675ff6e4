"""Gating: the end-diastolic frames of pullbacks, found in their images."""

from __future__ import annotations

from collections.abc import Iterable

from ivsqa.domain.frames.gating import find_end_diastoles, widening
from ivsqa.io.parallel import in_processes
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context

NOT_TRIED = "unknown"
FROM_IMAGES = "images"
NOT_CLEAR = "unknown: no heartbeat is clear in the images"
NOT_GATED = "no heartbeat is clear in the images, so it has no end-diastolic frames"


def gate_pullbacks(
    project: Project, pullback_ids: Iterable[str], *, n_jobs: int = 1, context: Context = DEFAULT_CONTEXT
) -> list[str]:
    """Find the end-diastolic frames of pullbacks that have none, from their images.

    Rewrites `pullback.yaml` of each that was not tried before, so running it again does nothing more.

    Returns:
        The pullbacks that stay without.
    """
    wanted = list(dict.fromkeys(pullback_ids))
    todo = [record for record in map(project.pullback, wanted) if record.gating_source == NOT_TRIED]
    with context.progress("Gating", len(todo), "pullback") as advance:
        gated = in_processes(_gated, todo, n_jobs=n_jobs, should_stop=context.should_stop)
        for pullback_id, phases in gated:
            project.pullback(pullback_id).rewrite(**phases)
            advance(1)
    return [record.pullback_id for record in map(project.pullback, wanted) if record.end_diastolic_frames is None]


def _gated(record: Pullback) -> tuple[str, dict[str, object]]:
    """Return the id of a pullback, and what its images say of end-diastole, as its manifest has it."""
    rate = record.frame_rate_hz
    gating = None if rate is None else find_end_diastoles(widening(iter(record.frames)), rate)
    if gating is None:
        # Written down too, or each import with --gated would search the images again.
        return record.pullback_id, {"gating_source": NOT_CLEAR}
    found: dict[str, object] = {"end_diastolic_frames": gating.end_diastolic, "gating_source": FROM_IMAGES}
    return record.pullback_id, found
