"""`Round`: a round of an open project, with what of it is out and what is back.

What is back is derived from the revisions that answer the round, not from a flag: a return with half of the frames leaves the
other half out. A frame that came back stays back when its reading is undone; it can then be chosen again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import PrivateAttr

from ivsqa.domain.pullback import FrameKey
from ivsqa.io.project.annotation_records import RevisionRecord
from ivsqa.io.project.records import PacketRecord, RoundRecord
from ivsqa.io.project.selections import SelectedFrame


class Round(RoundRecord):
    """A round with its frames; `state` and `readers` say what is so now, whatever was written down last."""

    _frames: tuple[SelectedFrame, ...] = PrivateAttr(())
    _out: dict[str | None, frozenset[FrameKey]] = PrivateAttr(default_factory=dict)
    _unanswered: tuple[str | None, ...] = PrivateAttr(())

    @classmethod
    def of(
        cls,
        record: RoundRecord,
        frames: Iterable[SelectedFrame],
        packets: Iterable[PacketRecord],
        revisions: Iterable[RevisionRecord],
    ) -> Round:
        """Return a round as it is now.

        Args:
            record: Its manifest.
            frames: The frames that were selected.
            packets: What was sent, for its readers; empty where the round has no reader of its own.
            revisions: Those of the pullbacks of its frames, of other rounds too.
        """
        frames = tuple(frames)
        answers = [revision for revision in revisions if revision.round_id == record.round_id]
        sent = _frames_sent(record, frozenset(frame.key for frame in frames), packets)
        out = _frames_out(sent, answers)
        readers: dict[str, Literal["exported", "imported"]] = {
            reader: "exported" if out.get(reader) else "imported" for reader in record.readers
        }
        state = record.state
        if state != "selected":
            state = "exported" if any(out.values()) else "imported"
        current = cls.model_construct(**dict(record) | {"state": state, "readers": readers})
        current._frames = frames
        current._out = out
        if state != "selected":
            current._unanswered = tuple(reader for reader, keys in out.items() if keys and keys == sent[reader])
        return current

    @property
    def frames(self) -> tuple[SelectedFrame, ...]:
        """The frames that were selected, first to annotate first."""
        return self._frames

    @property
    def out(self) -> frozenset[FrameKey]:
        """The frames that are still to come back from somebody, or to be sent."""
        return frozenset[FrameKey]().union(*self._out.values())

    def out_with(self, reader: str) -> frozenset[FrameKey]:
        """Return the frames that are still to come back from a reader, or from whoever works on the round's own packet."""
        return self._out[reader] if reader in self._out else self._out.get(None, frozenset())

    @property
    def n_back(self) -> int:
        """Frames that came back from all whom they were sent to."""
        return len(self._frames) - len(self.out)

    @property
    def unanswered(self) -> tuple[str | None, ...]:
        """The readers of whom nothing came back yet; None: of whoever works on the round's own packet."""
        return self._unanswered


def _frames_sent(
    record: RoundRecord, selected: frozenset[FrameKey], packets: Iterable[PacketRecord]
) -> dict[str | None, frozenset[FrameKey]]:
    """Return the frames of each packet, by reader; None: of the round's own packet, written or still to be written."""
    written = {packet.reader: frozenset(frame.key for frame in packet.frames) for packet in packets}
    sent: dict[str | None, frozenset[FrameKey]] = {reader: written.get(reader, selected) for reader in record.readers}
    return sent | {None: selected} if not sent or None in written else sent


def _frames_out(
    sent: Mapping[str | None, frozenset[FrameKey]], answers: Iterable[RevisionRecord]
) -> dict[str | None, frozenset[FrameKey]]:
    """Return the frames of each packet that did not come back, by reader."""
    out = dict(sent)
    for revision in answers:
        reader = revision.reader if revision.reader in out else None
        # What settles readings answers the packet of the person who decided, and no packet where the readers agreed.
        if reader in out and not (reader is None and revision.settles):
            out[reader] -= {FrameKey(revision.pullback_id, index) for index in revision.frame_indices}
    return out
