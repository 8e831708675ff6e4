"""Archives that people met, each with its right answer: the files lie beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivsqa.errors import SourceError
from ivsqa.io.sources.find import find_sources
from ivsqa.io.sources.source import PullbackSource


@pytest.fixture
def case(shared_data):
    """Return a finder of the pullbacks of a case, and of what is wrong with it."""

    def find(name: str) -> tuple[list[PullbackSource], list[str]]:
        path: Path = shared_data / "cases" / name
        if not path.exists():
            pytest.skip(f"the case {name} (../shared/data/cases) is not on this machine")
        sources, errors = find_sources(path)
        return sources, [error.message for error in errors]

    return find


def facts_of(found):
    (source,), errors = found
    assert errors == []
    return source.facts()


def test_two_spacings_that_contradict_each_other_are_both_named(case):
    facts = facts_of(case("a10_contradiction"))
    assert facts.spacing_mm is None
    assert "ultrasound region says 0.04" in facts.notes[0]
    assert "PixelSpacing says 0.09" in facts.notes[0]


def test_of_two_panes_of_unlike_scale_none_counts(case):
    facts = facts_of(case("a11_two_panes"))
    assert facts.spacing_mm is None
    assert "says 0.1 mm" in facts.notes[0]
    assert "at x 0 to 127 says 0.04 mm" in facts.notes[0]


def test_the_pointer_says_which_time_counts(case):
    (source,), _ = case("a9_pointer")
    facts = source.facts()
    assert facts.frame_time_s is not None
    assert facts.pullback_speed_mm_s is not None
    assert facts.frame_time_s[-1] * facts.pullback_speed_mm_s == pytest.approx(0.0833, abs=1e-4)
    assert facts.notes == ("FrameTimeVector says 1 ms, but FrameTime says 33.333 ms, which counts",)


def test_seconds_for_milliseconds_are_named(case):
    facts = facts_of(case("a12_seconds"))
    assert facts.frame_time_s is None
    assert "FrameTime says 0.0333 ms, CineRate says 33.333 ms (1000 times apart" in facts.notes[0]


def test_a_field_of_5_cm_is_noted(case):
    facts = facts_of(case("a13_mm_as_cm"))
    assert (facts.spacing_mm, len(facts.notes)) == ((0.4, 0.4), 1)
    assert "51.2 mm wide" in facts.notes[0]


@pytest.mark.parametrize("name", ["a6c_ivoct", "a6_enhanced"])
def test_the_spacing_of_functional_groups_is_read(case, name):
    sources, _ = case(name)
    sources = [source for source in sources if source.path.name != "ivoct_processing.dcm"]
    assert {source.facts().spacing_mm for source in sources} == {(0.02, 0.02)}
    # Its frames begin 10 ms after each other by one tag, 1 s by another.
    assert all("FrameReferenceDateTime" in " ".join(source.facts().notes) for source in sources)


def test_pixels_that_are_not_square_ask_for_both_sides(case):
    facts = facts_of(case("a8_aspect"))
    assert facts.spacing_mm is None
    assert "PixelAspectRatio says 1.3333 times as high as wide" in facts.notes[0]


def order(source):
    """Return the true places of frames, which the first pixel of each holds."""
    return [int(frame[0, 0]) for frame in source.iter_frames()]


@pytest.mark.parametrize("name", ["a1_instance_order", "a1b_uid_names"])
def test_frames_are_in_the_order_of_instances_whatever_they_are_called(case, name):
    (source,), _ = case(name)
    assert (order(source), source.facts().notes) == (list(range(8)), ())


def test_two_series_in_a_folder_are_two_pullbacks(case):
    sources, _ = case("a2_two_series")
    assert [source.facts().n_frames for source in sources] == [6, 6]


def test_a_zoom_that_changes_parts_a_series_and_is_named(case):
    sources, _ = case("a4_zoom_changes")
    assert len(sources) == 2
    assert all("its series is 2 pullbacks" in " ".join(source.facts().notes) for source in sources)


def test_frames_against_their_places_in_the_stack_are_named(case):
    (source,), _ = case("a6c_ivoct")
    assert "InStackPositionNumber orders the frames otherwise" in " ".join(source.facts().notes)


def test_the_parts_of_a_concatenation_are_one(case):
    (source,), _ = case("a15_concatenation")
    assert source.facts().n_frames == 10
    assert order(source) == list(range(10))


@pytest.mark.parametrize("name", ["b1_more_fragments", "b2_no_number", "b4_raw_longer"])
def test_no_frame_is_dropped_whatever_the_header_promises(case, name):
    sources, errors = case(name)
    assert errors == []
    for source in sources:
        assert source.facts().n_frames == 6 == sum(1 for _ in source.iter_frames())
        assert "6 frames are stored: all of them are taken" in " ".join(source.facts().notes)


def test_fragments_of_a_frame_are_no_frames(case):
    sources, _ = case("b3_fragmented")
    assert {(source.facts().n_frames, source.facts().notes) for source in sources} == {(6, ())}


def test_two_runs_of_one_series_are_two(case):
    sources, _ = case("f3_same_series")
    assert [source.facts().n_frames for source in sources] == [4, 4]


def test_stills_beside_a_run_are_no_part_of_it_and_noted(case):
    sources, _ = case("j3_stills")
    assert sorted(source.facts().n_frames for source in sources) == [3, 5]
    (stills,) = (source for source in sources if source.facts().n_frames == 3)
    assert "its series also holds a run of many frames" in stills.facts().notes[0]


def test_a_video_that_lost_a_frame_is_refused(case):
    pytest.importorskip("cv2", reason="the extra ivsqa[video] is not installed")
    (source,), _ = case("f4_avi")
    with pytest.raises(SourceError, match="holds 8 of the 9 frames it declares"):
        source.facts()


def test_lines_by_angle_and_depth_are_no_picture(case):
    (source,), _ = case("a6b_ivoct_processing")
    with pytest.raises(SourceError, match="lines by angle and depth"):
        source.facts()
    (source,), _ = case("a6c_ivoct")
    assert source.facts().n_frames == 5


def test_frames_along_the_first_axis_are_known_by_the_sides_of_their_voxels(case):
    (source,), _ = case("c6_first_axis")
    with pytest.raises(SourceError, match=r"along the first axis \(20 × 96 × 128, voxels of 1 × 0.04 × 0.04\)"):
        source.facts()
