import shutil
from pathlib import Path

import pytest

from ivsqa.cli.check import say_packet
from ivsqa.domain.contour import Contour
from ivsqa.errors import PacketError
from ivsqa.io.packets import write_zip
from ivsqa.workflow.rounds.check_packet import check_packet

BOW_TIE = [[20, 20], [40, 40], [40, 20], [20, 40]]


def tick(document) -> None:
    document["flags"]["checked"] = True


def drawn(name, points):
    def edit(document) -> None:
        shape = next(one for one in document["shapes"] if one["label"] == name)
        shape["points"] = Contour.from_points(points).edge_points.tolist()

    return edit


@pytest.fixture
def alone(squares):
    """The packet on the annotator's machine: the project is gone."""
    shutil.rmtree(squares.project.root)
    return squares


def test_packet_alone_says_what_is_ticked_and_what_was_changed(alone, redraw):
    alone.edit(tick, number=0)
    alone.edit(redraw("lumen", 18, 42), number=1)
    alone.edit(lambda d: d["flags"].update(unreadable=True), number=2)
    alone.files[3].unlink()
    result = check_packet(alone.back)
    states = {one.name: (one.is_back, one.is_ticked, one.changed) for one in result.frames}
    names = sorted(states)
    assert result.format == "labelme"
    assert result.errors == ()
    assert [states[name] for name in names] == [
        (True, True, ()),
        (True, False, ("lumen",)),
        (True, True, ()),
        (False, False, ()),
    ]


def test_a_frame_said_to_be_unreadable_is_not_shown_as_right(alone, capsys):
    alone.edit(lambda d: d["flags"].update(unreadable=True), number=2)
    result = check_packet(alone.back)
    assert [one.is_unreadable for one in sorted(result.frames, key=lambda one: one.name)] == [False, False, True, False]
    say_packet(result)
    assert f"{alone.files[2].stem}: unreadable, as it was sent" in capsys.readouterr().out


def test_a_border_moved_as_a_whole_is_said_in_pixels(alone):
    def shift(document) -> None:
        shape = next(one for one in document["shapes"] if one["label"] == "lumen")
        shape["points"] = [[x + 3.0, y - 4.0] for x, y in shape["points"]]

    alone.edit(shift, number=1)
    (moved,) = (one for one in check_packet(alone.back).frames if one.moved_whole)
    assert moved.moved_whole == "lumen moved as a whole by (3.0, -4.0) px"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drawn("lumen", BOW_TIE), "lumen contour crosses or touches itself at vertex"),
        (drawn("lumen", [[20, 20], [70, 30], [20, 40]]), "leaves the eem contour by 10.0 px at vertex 1 (70.0, 30.0)"),
        (drawn("eem", [[-30, 10], [60, 10], [60, 60], [-30, 60]]), "eem contour leaves the frame by 29.5 px"),
        (lambda d: d["shapes"][-1].update(shape_type="linestrip"), "encloses nothing"),
    ],
)
def test_what_would_be_refused_is_said_with_frame_and_vertex(alone, change, said):
    alone.edit(change)
    (error,) = check_packet(alone.back).errors
    assert said in error.message
    assert error.hint
    assert alone.files[0].stem in str(error)


def test_missing_and_exchanged_images_are_found(alone):
    one, other, lost, *_ = sorted((alone.back / "images").glob("*.png"))
    shutil.copy(one, other)
    lost.unlink()
    first, second = check_packet(alone.back).errors
    assert (Path(first.path or "").stem, first.message) == (
        other.stem,
        f"its image is not the one sent as {other.stem}",
    )
    assert (second.where, second.message) == (lost.stem, "is missing")


def test_mirrored_return_is_said_to_be_one(alone):
    def mirror(document) -> None:
        for shape in document["shapes"]:
            shape["points"] = [[96.0 - x, y] for x, y in shape["points"]]

    alone.edit_all(mirror)
    (error,) = check_packet(alone.back).errors
    assert "mirrored in x" in error.message


def test_zip_and_a_single_file_with_the_packet_it_answers(alone, tmp_path, redraw):
    sent = tmp_path / "sent.zip"
    write_zip(alone.back, sent)
    assert not any(one.changed for one in check_packet(sent).frames)
    alone.edit(redraw("lumen", 18, 42))
    answer = Path(shutil.copy(alone.files[0], tmp_path / "answer.json"))
    (changed,) = (one for one in check_packet(answer, packet=sent).frames if one.is_back)
    assert (changed.name, changed.changed) == (alone.files[0].stem, ("lumen",))


def test_what_was_sent_has_to_be_known(alone):
    with pytest.raises(PacketError, match="does not say what was sent") as caught:
        check_packet(alone.files[0])
    assert "--packet" in caught.value.hint
