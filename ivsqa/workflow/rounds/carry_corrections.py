"""The contours that frames of a packet start from: the model's, with the corrections that readers made near by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.agreement.corrections import carried, correction_px, share_at
from ivsqa.domain.contour import Contours
from ivsqa.domain.pullback import FrameKey
from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.io.project.annotations import Annotation
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.workflow.predicting.doubtful_arcs import tolerance_px
from ivsqa.workflow.rounds.packet_writer import PacketPlan


@dataclass(frozen=True)
class Start:
    """The contours of a frame that goes out.

    Attributes:
        contours: By structure.
        carried_from: The frame whose correction is in them; None where they are what the model drew.
    """

    contours: Contours
    carried_from: int | None = None


class Carrier:
    """Gives the contours that the frames of a packet start from.

    A correction is carried from the nearest annotated frame: the model's border moves as the reader moved it there. Only what
    counts is carried, nothing in dispute. Readers of a round start where its first packet did: they are compared on the same
    contours, and see nothing that came in since.

    Args:
        project: The project.
        plan: The packet.
    """

    def __init__(self, project: Project, plan: PacketPlan) -> None:
        self._project = project
        self._plan = plan
        self._of_pullback = lru_cache(maxsize=1)(self._read)
        self._before = {} if plan.purpose == "correction" else self._carried_before()

    def __call__(self, pullback: Pullback, frame_index: int, drawn: Contours) -> Start:
        """Return the start of a frame, from the contours that the model drew there."""
        if self._plan.purpose != "correction":
            return self._before.get(FrameKey(pullback.pullback_id, frame_index)) or Start(drawn)
        if not self._project.settings.packet.carry or self._plan.model_id is None or not drawn:
            return Start(drawn)
        annotations, drawings = self._of_pullback(pullback.pullback_id)
        positions = pullback.positions_mm()
        shares = {
            near: share_at(
                abs(near - frame_index),
                None if positions is None else float(abs(positions[near] - positions[frame_index])),
            )
            for near in annotations
            if near != frame_index and near in drawings
        }
        # Of two as near, the earlier frame, whatever the order of annotations.
        near = max(shares, key=lambda index: (shares[index], -index), default=None)
        if near is None or shares[near] == 0.0:
            return Start(drawn)
        corrections = {
            name: offset
            for name, annotated in annotations[near].contours.items()
            if name in drawn and name in drawings[near]
            if (offset := correction_px(drawings[near][name], annotated)) is not None
        }
        # Within what readers differ by, a carried correction would only pass on one reader's hand.
        if not self._is_beyond_readers(pullback, corrections):
            return Start(drawn)
        return Start(carried(drawn, corrections, self._project.structures, share=shares[near]), near)

    def _carried_before(self) -> dict[FrameKey, Start]:
        """Return the starts with a correction in the first packet of the round, by frame."""
        # As it was sent, not drawn again: annotations and the current model may be others by now.
        first = next(iter(self._project.packets(self._plan.round.round_id)), None)
        frames = [frame for frame in first.frames if frame.carried_from is not None] if first else []
        if first is None or not frames:
            return {}
        sent = read_contours_csv(self._project.layout.sent_contours(first.round_id, first.reader))
        return {
            frame.key: Start(sent.get(frame.pullback_id, {}).get(frame.frame_index, {}), frame.carried_from)
            for frame in frames
        }

    def _is_beyond_readers(self, pullback: Pullback, corrections: Mapping[str, NDArray[np.float64]]) -> bool:
        """Whether a border was moved somewhere by more than readers differ: less is no correction."""
        least = tolerance_px(pullback) * pullback.grid.scale[0]
        return any(np.abs(offset).max() > least for offset in corrections.values())

    def _read(self, pullback_id: str) -> tuple[dict[int, Annotation], dict[int, Contours]]:
        """Return the annotations of a pullback, and the contours that the model of the packet draws there."""
        store = self._project.scores(str(self._plan.model_id))
        drawings = store.contours(pullback_id, self._project.pullback(pullback_id).n_frames)
        return self._project.annotations.current(pullback_id), dict(drawings)
