"""The contours that frames of a packet start from: the model's, with the corrections that readers made near by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ivsqa.domain.agreement.corrections import carried_from, nearest_corrected
from ivsqa.domain.contour import Contours
from ivsqa.domain.pullback import FrameKey
from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.workflow.predicting.doubtful_arcs import tolerance_px
from ivsqa.workflow.rounds.packet_writer import PacketPlan
from ivsqa.workflow.rounds.sent import first_packet


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
        # Frames of a packet come in the order of choice, not by pullback.
        self._annotations = cache(project.annotations.current)
        self._before = {} if plan.purpose == "correction" else self._carried_before()

    def __call__(self, pullback: Pullback, frame_index: int, drawn: Contours) -> Start:
        """Return the start of a frame, from the contours that the model drew there."""
        if self._plan.purpose != "correction":
            return self._before.get(FrameKey(pullback.pullback_id, frame_index)) or Start(drawn)
        if not self._project.settings.packet.carry or self._plan.model_id is None or not drawn:
            return Start(drawn)
        annotations, positions = self._annotations(pullback.pullback_id), pullback.positions_mm()
        in_reach = [index for index in annotations if nearest_corrected(frame_index, [index], positions) is not None]
        store = self._project.scores(str(self._plan.model_id))
        drawings = store.contours(pullback.pullback_id, pullback.n_frames, in_reach) if in_reach else {}
        found = nearest_corrected(frame_index, drawings, positions)
        if found is None:
            return Start(drawn)
        near, share = found
        experts_px = tolerance_px(pullback) * pullback.grid.scale[0]
        contours = carried_from(
            drawings[near],
            annotations[near].contours,
            drawn,
            self._project.structures,
            share=share,
            experts_px=experts_px,
        )
        return Start(drawn) if contours is None else Start(contours, near)

    def _carried_before(self) -> dict[FrameKey, Start]:
        """Return the starts with a correction in the first packet of the round, by frame."""
        # As it was sent, not drawn again: annotations and the current model may be others by now.
        first = first_packet(self._project, self._plan.round.round_id)
        frames = [frame for frame in first.frames if frame.carried_from is not None] if first else []
        if first is None or not frames:
            return {}
        sent = read_contours_csv(self._project.layout.sent_contours(first.round_id, first.reader))
        return {
            frame.key: Start(sent.get(frame.pullback_id, {}).get(frame.frame_index, {}), frame.carried_from)
            for frame in frames
        }
