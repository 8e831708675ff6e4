"""Corrections carried on to the next packet: what it starts from, that it says so, and that readers stay blind."""

import csv

import numpy as np
import pytest

from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.records import provenance
from ivsqa.workflow.context import DEFAULT_CONTEXT
from ivsqa.workflow.rounds.carry_corrections import Carrier, Start
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.packet_writer import PacketPlan
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.rounds.sent import read_sent
from tests.edited_settings import with_settings
from tests.workflow.conftest import square

DRAWN = {"lumen": square(20, 40), "eem": square(10, 60)}


@pytest.fixture
def blank(squares):
    """A project where the model draws the same squares everywhere, and a pullback nobody annotated yet."""
    project = with_settings(squares.project.root, {"packet": {"carry": True}})
    store = project.annotations
    return project, next(one for one in project.pullbacks() if not store.annotated_frames(one.pullback_id))


def annotate(project, pullback, index, contours, reader="anna"):
    project.annotations.append(
        pullback.pullback_id,
        {index: NewAnnotation(contours, "edited")},
        reader=reader,
        source="test",
        made=provenance(DEFAULT_CONTEXT.clock()),
    )


def start(project, pullback, index, purpose="correction") -> Start:
    plan = PacketPlan(project.get_round("r004"), None, purpose, ("csv",), "m001", ())
    return Carrier(project, plan)(pullback, index, DRAWN)


def test_a_correction_is_carried_by_its_share_and_other_borders_stay(blank):
    project, pullback = blank
    annotate(project, pullback, 2, {"lumen": square(16, 44), "eem": square(10, 60)})
    near, far = start(project, pullback, 3), start(project, pullback, pullback.n_frames - 1)
    assert near.carried_from == far.carried_from == 2
    assert 20.0**2 < far.contours["lumen"].area_px2 < near.contours["lumen"].area_px2 < 28.0**2
    assert near.contours["eem"].area_px2 == pytest.approx(50.0**2, rel=0.01)


def test_the_nearest_of_several_is_carried(blank):
    project, pullback = blank
    annotate(project, pullback, 1, {"lumen": square(16, 44), "eem": square(10, 60)})
    annotate(project, pullback, 5, {"lumen": square(24, 36), "eem": square(10, 60)})
    found = start(project, pullback, 4)
    assert found.carried_from == 5
    assert found.contours["lumen"].area_px2 < 20.0**2


@pytest.mark.parametrize("annotated", [DRAWN, {"lumen": square(19.5, 40.5), "eem": square(10, 60)}, {}])
def test_what_the_model_draws_itself_or_readers_differ_by_is_not_carried(blank, annotated):
    project, pullback = blank
    annotate(project, pullback, 2, annotated)
    assert start(project, pullback, 3) == Start(DRAWN)


def test_what_is_in_dispute_is_not_carried(blank):
    project, pullback = blank
    for reader, low in (("anna", 16), ("ben", 24)):
        annotate(project, pullback, 2, {"lumen": square(low, 60 - low), "eem": square(10, 60)}, reader)
    assert start(project, pullback, 3) == Start(DRAWN)


def test_it_can_be_switched_off(blank):
    project, pullback = blank
    annotate(project, pullback, 2, {"lumen": square(16, 44), "eem": square(10, 60)})
    assert start(with_settings(project.root, {"packet": {"carry": False}}), pullback, 3) == Start(DRAWN)


def test_readers_of_a_round_whose_first_packet_carried_nothing_get_what_the_model_drew(blank):
    project, pullback = blank
    annotate(project, pullback, 2, {"lumen": square(16, 44), "eem": square(10, 60)})
    assert start(project, pullback, 3, purpose="reading") == Start(DRAWN)


@pytest.fixture
def sent(scored):
    """A packet of a project with annotated frames everywhere near."""
    select_frames(scored, n=4, strategy="random")
    return scored, export_for_annotation(scored, formats=["csv"]).folder


def test_a_packet_says_what_was_carried_and_keeps_what_was_sent(sent):
    project, folder = sent
    packet, frames = read_sent(project, "r004")
    carried_from = {frame.name: frame.carried_from for frame in frames}
    near = {name: one for name, one in carried_from.items() if one is not None}
    assert near
    assert {one.name: one.carried_from for one in packet.frames} == carried_from
    with (folder / "worklist.csv").open(newline="") as stream:
        said = {row["name"]: row["reason"] for row in csv.DictReader(stream)}
    for name, reason in said.items():
        assert (f"correction carried from frame {near.get(name)}" in reason) == (name in near)
    shown = read_contours_csv(folder / "contours.csv")
    for frame in frames:
        for name, contour in frame.contours.items():
            np.testing.assert_array_equal(
                contour.points_px, shown[frame.pullback_id][frame.frame_index][name].points_px
            )


def test_what_was_carried_and_left_alone_came_back_untouched(sent):
    project, folder = sent
    import_annotations(project, folder, reader="anna", accept_untouched=True)
    for frame in read_sent(project, "r004")[1]:
        revision = project.annotations.standings(frame.pullback_id)[frame.frame_index].current
        assert revision is not None
        assert revision.origin_of(frame.frame_index) == "accepted"


def test_a_second_reader_gets_the_same_whatever_came_in_since(sent):
    project, folder = sent
    _, first = read_sent(project, "r004")
    one = next(frame for frame in first if frame.carried_from is not None)
    pullback = project.pullback(one.pullback_id)
    middle = {"lumen": square(40, 56), "eem": square(30, 66)}
    annotate(project, pullback, one.frame_index - 1 if one.frame_index else 1, middle, reader="else")
    import_annotations(project, folder, reader="anna", accept_untouched=True)
    export_for_annotation(project, reader="ben", formats=["csv"])
    _, second = read_sent(project, "r004", "ben")
    drawn = {frame.name: frame for frame in second}
    for frame in first:
        assert drawn[frame.name].carried_from == frame.carried_from
        for name, contour in frame.contours.items():
            np.testing.assert_array_equal(contour.points_px, drawn[frame.name].contours[name].points_px)
