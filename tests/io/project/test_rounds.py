"""What of a round is out and what is back, from revisions that can be counted on one hand."""

import pytest

from ivsqa.domain.pullback import FrameKey
from ivsqa.io.project.annotation_records import RevisionRecord
from ivsqa.io.project.records import PacketFrameRecord, PacketRecord, Provenance, RoundRecord
from ivsqa.io.project.rounds import Round
from ivsqa.io.project.selections import SelectedFrame

MADE = Provenance(created_at="2026-01-01T00:00:00+00:00", ivsqa_version="0")
FRAMES = [SelectedFrame(rank, "P1", index, "S1", None, None, "") for rank, index in ((1, 4), (2, 9), (3, 14))]


def written(state="exported", **changes) -> RoundRecord:
    return RoundRecord(
        round_id="r001", state=state, strategy="random", split="train", seed=1, n_requested=3, n=3, model_id=None,
        max_per_pullback=None, min_gap_frames=1, min_gap_mm=0.0, control_share=0.0, diversity=0.0, shortfall="",
        provenance=MADE, **changes,
    )  # fmt: skip


def answer(reader: str, *frames: int, round_id: str = "r001", settles: tuple[str, ...] = ()) -> RevisionRecord:
    return RevisionRecord(
        revision_id=f"rev-{reader}{frames}", pullback_id="P1", reader=reader, source="csv", round_id=round_id, parents=(),
        frames={"new": frames}, settles=settles, contours_sha256="a" * 64, provenance=MADE,
    )  # fmt: skip


def packet(reader: str | None, *frames: int, purpose="reading") -> PacketRecord:
    listed = tuple(
        PacketFrameRecord(
            name=f"P1_f{index:05d}", pullback_id="P1", frame_index=index, height_px=4, width_px=4, spacing_mm=None,
            image_sha256="b" * 64,
        )
        for index in frames
    )  # fmt: skip
    return PacketRecord(
        packet_id="r001-x", round_id="r001", reader=reader, purpose=purpose, model_id=None, formats=("csv",),
        structures=("lumen",), frames=listed, provenance=MADE,
    )  # fmt: skip


def out(record: Round) -> list[int]:
    assert {key.pullback_id for key in record.out} <= {"P1"}
    return sorted(key.frame_index for key in record.out)


def test_what_was_not_sent_is_out_and_not_back():
    record = Round.of(written("selected"), FRAMES, (), ())
    assert (record.state, out(record), record.n_back, record.unanswered) == ("selected", [4, 9, 14], 0, ())
    assert [frame.rank for frame in record.frames] == [1, 2, 3]


def test_nothing_back_is_unanswered():
    record = Round.of(written(), FRAMES, (), [answer("anna", 4, round_id="r002")])
    assert (record.state, out(record), record.n_back, record.unanswered) == ("exported", [4, 9, 14], 0, (None,))


def test_a_part_back_leaves_the_rest_out_whatever_was_written_down():
    record = Round.of(written("imported"), FRAMES, (), [answer("anna", 4), answer("ben", 9)])
    assert (record.state, out(record), record.n_back, record.unanswered) == ("exported", [14], 2, ())


def test_all_back_is_imported():
    record = Round.of(written(), FRAMES, (), [answer("anna", 4, 14), answer("ben", 9)])
    assert (record.state, out(record), record.n_back) == ("imported", [], 3)


def test_each_reader_owes_their_own_packet():
    readers = {"anna": "exported", "ben": "exported"}
    packets = [packet("anna", 4, 9, 14), packet("ben", 4, 9, 14)]
    record = Round.of(written(readers=readers), FRAMES, packets, [answer("anna", 4, 9, 14), answer("ben", 9)])
    assert record.readers == {"anna": "imported", "ben": "exported"}
    assert (record.state, out(record), record.unanswered) == ("exported", [4, 14], ())


def test_the_packet_of_nobody_in_particular_is_owed_beside_those_of_readers():
    record = Round.of(written(readers={"ben": "exported"}), FRAMES, [packet(None, 4, 9, 14), packet("ben", 4, 9, 14)],
                      [answer("anna", 4, 9, 14)])  # fmt: skip
    assert (record.readers, out(record), record.unanswered) == ({"ben": "exported"}, [4, 9, 14], ("ben",))


@pytest.mark.parametrize(("reader", "still_out"), [("carl", []), ("consensus", [9])])
def test_a_decision_answers_the_packet_of_the_person_who_decided_and_agreement_answers_none(reader, still_out):
    readers = {"anna": "exported", "carl": "exported"}
    packets = [packet("anna", 4, 9, 14), packet("carl", 9, purpose="adjudication")]
    answers = [answer("anna", 4, 9, 14), answer(reader, 9, settles=("rev-a", "rev-b"))]
    record = Round.of(written(readers=readers), FRAMES, packets, answers)
    assert out(record) == still_out
    assert record.readers["carl"] == ("exported" if still_out else "imported")


def test_a_round_is_written_as_its_manifest_says_and_no_more():
    record = Round.of(written(), FRAMES, (), [answer("anna", 4, 9, 14)])
    assert record.model_dump() == written("imported").model_dump()
    assert FrameKey("P1", 4) in {frame.key for frame in record.frames}
