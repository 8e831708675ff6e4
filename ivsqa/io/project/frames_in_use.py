"""Which frames of a pullback a study uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.frames.gating import frames_every
from ivsqa.errors import StateError
from ivsqa.io.project.records import PullbackRecord


def frames_in_use(record: PullbackRecord, *, gated: bool, every_mm: float | None) -> NDArray[np.intp]:
    """Return the frames that stand for a pullback, 0-based, rising.

    Args:
        record: The pullback.
        gated: Only end-diastolic frames.
        every_mm: Of those, only frames about so far apart; None, or unknown positions: all.

    Raises:
        StateError: `gated`, and its end-diastolic frames are not known.
    """
    if gated and record.end_diastolic_frames is None:
        raise StateError(
            f"the end-diastolic frames of {record.pullback_id} are not known ({record.gating_source})",
            hint="find them with: ivsqa import PATH --gated; or lay a phases.csv beside its frames and import again",
        )
    frames = np.array(record.end_diastolic_frames, dtype=np.intp) if gated else np.arange(record.n_frames)
    positions = record.positions_mm()
    if every_mm is None or positions is None:
        return frames
    return frames[frames_every(positions[frames], every_mm)]
