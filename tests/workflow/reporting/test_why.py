import pytest

from ivsqa.errors import NotFoundError
from ivsqa.io.project.selections import read_selection
from ivsqa.workflow.reporting.why import explain_frame


def test_the_chain_of_a_frame_that_was_chosen_drawn_and_learnt(scored, bytes_of):
    before = bytes_of(scored.root)
    pullback_id, index = scored.annotated_frames("train")[0].key
    chain = explain_frame(scored, f"{pullback_id}:{index}")
    assert (chain.pullback.pullback_id, chain.frame_index) == (pullback_id, index)
    assert [model.model_id for model, _ in chain.scores] == ["m001"]
    ((one, chosen),) = chain.selections
    assert one.round_id == "r001"
    assert chosen in read_selection(scored.layout.selection("r001"))
    (revision,) = chain.revisions
    assert (revision.reader, revision.round_id, revision.origin_of(index)) == ("simulated", "r001", "new")
    assert chain.trained == ["m001"]
    assert chain.position_mm == scored.pullback(pullback_id).position_mm(index)
    assert bytes_of(scored.root) == before


def test_a_frame_nobody_touched_has_a_short_chain(trained):
    free = next(
        (record.pullback_id, index)
        for record in trained.pullbacks()
        for index in range(record.n_frames)
        if (record.pullback_id, index) not in {frame.key for frame in trained.annotated_frames(record.split)}
    )
    chain = explain_frame(trained, f"{free[0]}:{free[1]}")
    assert not any((chain.scores, chain.selections, chain.revisions, chain.trained))


@pytest.mark.parametrize("name", ["S01-P1:3", "S01-P1_f00003", "S01-P1_f00003.json", "S01-P1_f00003.png"])
def test_a_frame_is_known_by_id_and_by_file_name(imported, name):
    record, index = imported.find_frame(name)
    assert (record.pullback_id, index) == ("S01-P1", 3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("S01-P1", "not the name of a frame"),
        ("S01-P1:10", "frames 0 to 9, not 10"),
        ("S99-P1:0", "no pullback 'S99-P1'"),
    ],
)
def test_a_frame_that_is_not_there_is_said(imported, name, said):
    with pytest.raises(NotFoundError, match=said):
        imported.find_frame(name)
