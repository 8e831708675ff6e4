"""Timing and phases from AIVUS: the numbers of the real files, and what the frames themselves say comes first."""

import json
from dataclasses import replace

import pytest

from ivsqa.domain.claims import FRAME_STEP, SPEED, START, Claim, rounded
from ivsqa.domain.pullback import PullbackClaims
from ivsqa.io.sources.source import with_claims_beside

FACTS = PullbackClaims(n_frames=8, height_px=4, width_px=4)
HEADER = ("frame", "position", "phase", "lumen_area", "pullback_speed", "pullback_start_frame", "frame_rate")


def report(path, rows, separator="\t"):
    path.write_text("\n".join(separator.join(row) for row in (HEADER, *rows)) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "separator", "later"),
    [("run_report.txt", "\t", ("", "", "")), ("run_report.csv", ",", ("0.5", "3.0", "25.0"))],
)
def test_timing_and_phases_are_those_of_the_report(tmp_path, name, separator, later):
    rows = [("1", "0.0", "-", "7.5", "0.5", "3.0", "25.0"), ("5", "0.1", "D", "7.5", *later)]
    report(tmp_path / name, rows, separator)
    facts = with_claims_beside(FACTS, tmp_path / "run.avi").settled()
    assert (facts.pullback_speed_mm_s, facts.pullback_speed_source) == (0.5, "AIVUS")
    assert facts.frame_time_s == pytest.approx([index / 25.0 for index in range(8)])
    assert (facts.start_frame_index, facts.frame_time_source) == (2, "AIVUS")
    assert (facts.end_diastolic_frames, facts.gating_source) == ((4,), "AIVUS")
    assert with_claims_beside(FACTS, tmp_path / "run2.avi") == FACTS


IN_HEADER = FACTS.with_claims(
    rounded(FRAME_STEP, 40.0, 0.04, "FrameTime"),
    Claim(SPEED, (0.5,), "IVUSPullbackRate"),
    Claim(START, (2.0,), "header"),
)


def test_where_frames_and_report_agree_the_frames_are_the_source(tmp_path):
    report(tmp_path / "run_report.txt", [("1", "0.0", "D", "7.5", "0.5", "3.0", "25.0")])
    known = replace(IN_HEADER, r_waves_s=(0.12,))
    facts = with_claims_beside(known, tmp_path / "run.dcm").settled()
    assert facts == known.settled()
    assert (facts.frame_time_source, facts.end_diastolic_frames, facts.notes) == ("FrameTime", (3,), ())
    (tmp_path / "run.phases.csv").write_text("frame_index,phase\n6,D\n")
    facts = with_claims_beside(known, tmp_path / "run.dcm").settled()
    assert (facts.end_diastolic_frames, facts.gating_source) == ((6,), "phases.csv")


def test_a_report_that_contradicts_the_frames_leaves_unknown_what_it_contradicts_and_is_named(tmp_path):
    report(tmp_path / "run_report.txt", [("1", "0.0", "-", "7.5", "1.0", "5.0", "25.0")])
    facts = with_claims_beside(IN_HEADER, tmp_path / "run.dcm").settled()
    assert (facts.pullback_speed_mm_s, facts.start_frame_index) == (None, None)
    assert (facts.frame_time_source, facts.pullback_speed_source) == (
        "FrameTime",
        "unknown: IVUSPullbackRate and AIVUS disagree",
    )
    assert facts.notes == (
        "the speed of the catheter is not known: IVUSPullbackRate says 0.5 mm/s, AIVUS says 1 mm/s; "
        "give it with --pullback-speed",
        "the first frame of the moving catheter is not known: header says 2 (counted from 0), "
        "AIVUS says 4 (counted from 0); give it with --start-frame",
    )


def test_two_reports_that_differ_are_both_named(tmp_path):
    report(tmp_path / "run_report.txt", [("1", "0.0", "-", "7.5", "0.5", "0", "0")])
    report(tmp_path / "run_report.csv", [("1", "0.0", "-", "7.5", "5.0", "0", "0")], ",")
    facts = with_claims_beside(FACTS, tmp_path / "run.avi").settled()
    assert facts.pullback_speed_mm_s is None
    assert "AIVUS says 0.5 mm/s, another report of AIVUS says 5 mm/s (10 times apart" in facts.notes[0]


def test_what_nobody_knew_stays_unknown(tmp_path):
    report(tmp_path / "run_report.txt", [("0", "0.0", "D", "7.5", "inf", "0", "nan"), ("", "", "", "", "", "inf", "")])
    assert with_claims_beside(FACTS, tmp_path / "run.avi") == FACTS


@pytest.mark.parametrize("row", [("9", "0", "D", "7", "1", "1", "30"), ("1", "0", "D", "7", "1", "9", "30")])
def test_a_report_of_another_pullback_is_not_used_and_noted(tmp_path, row):
    report(tmp_path / "run_report.txt", [row])
    facts = with_claims_beside(FACTS, tmp_path / "run.avi").settled()
    assert replace(facts, notes=()) == FACTS.settled()
    assert facts.notes == (
        "a report of AIVUS beside it is not used: it is about frame 9, but the pullback has 8, so it is of another one",
    )


@pytest.mark.parametrize("row", [("1", "0", "D", "7", "fast", "1", "30"), ("one", "0", "D", "7", "1", "1", "30")])
def test_a_report_with_words_for_numbers_is_not_used_and_noted(tmp_path, row):
    report(tmp_path / "run_report.txt", [row])
    facts = with_claims_beside(FACTS, tmp_path / "run.avi").settled()
    assert replace(facts, notes=()) == FACTS.settled()
    assert facts.notes == ("a report of AIVUS beside it is not used: it cannot be read as a report of AIVUS",)


@pytest.mark.parametrize("text", ["{broken", "[]", '{"phases": 3}', '{"0": {"phase": ["D"]}}'])
def test_a_broken_contour_file_leaves_the_frames_as_they_are(tmp_path, text):
    (tmp_path / "run_contours_1_1_1.json").write_text(text)
    assert with_claims_beside(FACTS, tmp_path / "run.avi") == FACTS


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("run_contours_1_1_1.json", {"phases": ["-", "D", "S", "D"], "lumen": [[], []]}),
        (
            "run_contours_ho_0_1_0.json",
            {str(index): {"phase": phase, "lumen": {}} for index, phase in enumerate("-DSD")},
        ),
    ],
)
def test_phases_are_in_the_contour_files_too(tmp_path, name, document):
    (tmp_path / name).write_text(json.dumps(document))
    facts = with_claims_beside(FACTS, tmp_path / "run.avi").settled()
    assert (facts.end_diastolic_frames, facts.gating_source) == ((1, 3), "AIVUS")


def test_without_a_frame_at_diastole_nobody_has_looked(tmp_path):
    (tmp_path / "run_contours_1_1_1.json").write_text(json.dumps({"phases": ["-", "S"], "lumen": [[], []]}))
    assert with_claims_beside(FACTS, tmp_path / "run.avi") == FACTS


def test_the_real_pullback(aivus):
    """2.0 mm/s and 30 frames/s from frame 111; the frames that its own table of diastolic contours has."""
    facts = with_claims_beside(replace(FACTS, n_frames=439), aivus / "anonymized.dcm").settled()
    assert facts.pullback_speed_mm_s == 2.0
    assert facts.frame_time_s is not None
    assert facts.frame_time_s[1] == pytest.approx(1.0 / 30.0)
    assert facts.start_frame_index == 110
    table = (aivus / "anonymized_csv_files" / "diastolic_contours.csv").read_text(encoding="utf-8")
    gated = {int(line.split("\t")[0]) for line in table.splitlines()}
    assert {index + 1 for index in facts.end_diastolic_frames or ()} == gated
