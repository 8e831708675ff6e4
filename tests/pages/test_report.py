import re
from collections import Counter
from dataclasses import replace
from math import nan
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from markupsafe import Markup

from ivsqa.domain.acceptance.minutes import CostModel, FrameWork, TimedWork
from ivsqa.domain.agreement.effort import Reading
from ivsqa.domain.agreement.reader_agreement import BetweenReaders, bland_altman
from ivsqa.domain.selection.learning_curve import Outlook
from ivsqa.domain.statistics.bootstrap import Measured
from ivsqa.io.project.evaluations import KeptSimulation
from ivsqa.io.project.records import ModelRecord, Provenance, RoundRecord
from ivsqa.pages.report import PullbackPage, PullbackRow, SplitCount, Study, WorstFrame, report_page

MADE = Provenance(created_at="2026-03-01T10:00:00+00:00", ivsqa_version="0.1.0")
FIGURES = ("pearson", "spearman", "mae", "auroc", "auprc")


def model(model_id: str, n_labels: int, dice: float, *, accepted: bool = True) -> ModelRecord:
    return ModelRecord(
        model_id=model_id, state="ready", parent=None, request_sha256="0" * 64, seed=0, structures=("lumen",), network={},
        training={}, image={}, n_training_frames=n_labels, n_validation_frames=9, n_subjects=4, validation_dice=dice,
        accepted=accepted, provenance=MADE,
    )  # fmt: skip


def evaluation(model_id: str, dice: float) -> dict[str, object]:
    nothing = {"interval": dict.fromkeys(FIGURES)}
    return {
        "model_id": model_id,
        "n_frames": 2,
        "n_subjects": 2,
        "segmentation": {"lumen": {"dice": dice, "interval": {"dice": [dice - 0.02, dice + 0.02]}}},
        "estimate": [
            {"signal": signal, "scope": "frame"} | dict.fromkeys(FIGURES, 0.25) | nothing
            for signal in ("error_map", "entropy")
        ],
        "gain": [{"over": "entropy", "scope": "frame"} | dict.fromkeys(FIGURES, 0.125) | nothing],
        "frames": [
            {"quality": 0.9, "dice": {"lumen": 0.8, "eem": None}},
            {"quality": 0.8, "dice": {"lumen": 0.9, "eem": 0.78}},
        ],
    }


def sent_round(round_id: str) -> RoundRecord:
    return RoundRecord(
        round_id=round_id, state="imported", strategy="sqa", split="train", seed=0, n_requested=8, n=8, model_id="m001",
        max_per_pullback=None, min_gap_frames=1, min_gap_mm=0.0, control_share=0.0, diversity=0.5, shortfall="", provenance=MADE,
    )  # fmt: skip


READING = Reading(
    "r001", "<reader>", "2026-03-02T08:00:00", Counter(edited=7, unreadable=1), Counter(edited=5, untouched=9)
)
READING.edit_mm, READING.border, READING.corrected = [0.1, 0.3], 200.0, 50.0

NEW = Study(
    name="A & B",
    as_of="",
    version="0.1.0",
    splits=[SplitCount("train", 0, 0, 0, 0)],
    n_without_spacing=0,
    current=None,
    models=[],
    evaluations={},
    simulations=[],
    rounds=[],
    readings=[],
    reading=CostModel(),
    readers={},
    again={},
    colors={"lumen": "#56b4e9"},
    n_imported=0,
    outlook=None,
    finishing=None,
    pool_quality=np.empty(0),
    next_step=("import pullbacks", "ivsqa import PATH"),
    how_chosen="",
    pullbacks=[],
    rest=[],
    failures=[],
)
ROW = {"length_mm": 41.25, "mla_mm2": 3.1, "mla_low_mm2": 2.5, "mla_high_mm2": 3.75, "mla_frame_index": 12,
       "mla_position_mm": 6.0, "mla_is_drawn": True, "mla_n_frames": 4,
       "atheroma_volume_fraction": 0.5, "atheroma_volume_fraction_low": -0.4,
       "atheroma_volume_fraction_high": 0.9}  # fmt: skip
LESION = {"lesion": 1, "start_position_mm": 4.0, "end_position_mm": 8.5, "mla_mm2": 3.1, "plaque_burden": 0.62}
STUDY = replace(
    NEW,
    as_of="2026-03-02T08:00:00",
    splits=[SplitCount("train", 6, 6, 200, 8)],
    current="m002",
    models=[model("m001", 8, 0.8), model("m002", 16, 0.85), model("m003", 20, 0.7, accepted=False)],
    evaluations={"m001": evaluation("m001", 0.8), "m002": evaluation("m002", 0.9)},
    rounds=[sent_round("r001"), sent_round("r002")],
    readings=[READING],
    outlook=Outlook(160, 192, Measured(0.88, 0.86, 0.9), 0.125, 8, 0.0123),
    pool_quality=np.linspace(0.7, 0.95, 192),
    pullbacks=[
        PullbackPage(
            "<P1>", "facts", ROW, [LESION], Markup("<svg></svg>"), "legend", [WorstFrame("frame <3>", (b"l", b"r"))]
        )
    ],
    rest=[PullbackRow("P2", "S2", "test", 30, 3, np.empty(0))],
)


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text.partition("<body>")[2]).split())


def test_the_page_says_at_once_how_good_what_saved_and_what_is_left():
    text = words(report_page(STUDY))
    assert (
        "Model m002 draws lumen with a Dice of 0.900 on 2 sealed test frames of 2 subjects, too few for intervals."
        in text
    )
    assert "Readers had to correct 25 % of the border in round r001; the rest stood as it was sent." in text
    assert "25 % of the border to correct in round r001" in text
    assert "4.0 % of the training frames drawn by people: 8 of 200" in text
    assert "The study as of 2026-03-02, by ivsqa 0.1.0." in text


def test_what_each_round_cost_is_said_first_and_last_in_border_and_in_minutes():
    second = Reading("r002", "<reader>", "2026-03-03T08:00:00", Counter(edited=8), Counter(edited=16))
    second.border, second.corrected, second.seconds = 400.0, 40.0, [30.0, 60.0, 90.0]
    text = words(report_page(replace(STUDY, readings=[READING, second])))
    assert "Readers had to correct 25 % of the border in round r001, and 10 % in r002, the last." in text
    assert "Hands were on 3 frames for 3 minutes, 60 s each." in text
    assert "10 % of the border to correct in round r002; by round 25 → 10 %" in text
    assert "8 2026-03-03 10 % 3 3 frames – 0 16" in text


def test_minutes_saved_are_those_of_drawing_anew_less_those_that_correcting_took():
    second = Reading("r002", "<reader>", "2026-03-03T08:00:00", Counter(edited=3), Counter(edited=6))
    second.seconds = [60.0, 60.0, 200.0]
    for seconds in (60.0, 60.0):
        second.add_time(seconds, n_sent=2, n_drawn=2)
    second.add_time(200.0, n_sent=0, n_drawn=2)  # drawn from nothing: saves nothing, and tells what drawing takes
    text = words(report_page(replace(STUDY, readings=[READING, second], reading=CostModel(drawn_s=80.0, look_s=5.0))))
    # One frame against ten supposed ones; drawn anew takes 200 s instead of 165, so a contour a little more than 80 s.
    cost = CostModel().learned([TimedWork(FrameWork(drawn=2), 200.0)])
    anew = 2 * (2 * cost.drawn_s + cost.look_s) / 60.0
    assert 5.5 < anew < 6.0
    assert "the 2 frames of these that came with contours would have taken about 6 minutes instead of 2" in text
    assert "4 minutes saved (1 to 4, by how fast one draws)" in text
    assert "4 min saved (1 to 4) on 2 frames that came with contours: 2 min instead of about 6" in text
    assert "moved towards the times of 1 frame that readers did draw from nothing" in text
    slow = replace(second, helped=[TimedWork(FrameWork(drawn=2), 345.0)], unaided=[])
    text = words(report_page(replace(STUDY, readings=[slow])))
    assert "about 3 minutes instead of 6: 3 minutes lost (−5 to −3, by how fast one draws)" in text
    assert "since no time was reported of a frame drawn from nothing" in text


def test_a_blind_round_in_which_nothing_was_sent_is_no_round_of_the_headline():
    blind = Reading("r002", "<reader>", "2026-03-03T08:00:00", Counter(new=8), Counter(new=16))
    text = words(report_page(replace(STUDY, readings=[READING, blind])))
    assert "25 % of the border in round r001; the rest stood" in text


def test_two_readers_stand_beside_the_model_that_is_judged_by_them():
    readers = {"lumen": BetweenReaders(0.96, bland_altman([5.0, 6.0], [5.5, 6.0]), 12)}
    again = {"lumen": BetweenReaders(0.98, bland_altman([5.0, 6.0], [5.25, 6.0]), 9)}
    text = words(report_page(replace(STUDY, readers=readers, again=again)))
    assert "Two readers of one frame reach a Dice of 0.960 (lumen, 12 frames)." in text
    assert "One reader who reads a frame twice reaches 0.980 (lumen, 9 frames)." in text
    assert "sealed test subjects; two readers 0.960; one reader twice 0.980" in text
    assert "two readers of one frame 0.960 12 frames one reader twice of one frame 0.980 9 frames" in text


def test_the_promise_of_a_certificate_in_force_stands_in_the_headline():
    finishing: Any = SimpleNamespace(
        certificate=SimpleNamespace(certificate_id="c001", model_id="m002", sentence="the mean Dice error is at most 0.1"),
        is_in_force=True, stale=(), n_accepted=9, n_read=8, n_out=0, n_left=0, minutes=None, minutes_spent=None, n_timed=0,
    )  # fmt: skip
    lead = "Promised by certificate c001: the mean Dice error is at most 0.1."
    assert lead in words(report_page(replace(STUDY, finishing=finishing)))
    finishing.is_in_force = False
    assert lead not in words(report_page(replace(STUDY, finishing=finishing)))


def test_the_frames_left_have_an_expected_error_with_its_bound():
    text = words(report_page(STUDY))
    assert "is 0.120 on average; of other subjects like these it would hardly be more than 0.140." in text
    assert "12.5 % of them are expected below a Dice of 0.8" in text
    assert (
        "On 2 sealed test frames it was 0.060 too high on average." in text
    )  # 0.9 − 0.8, and 0.8 − 0.78 of the worse border


@pytest.mark.parametrize(("gain", "said"), [
    (0.0123, "8 labels more would likely add 0.0123 to the validation Dice: worth a round."),
    (0.0005, "hardly to be told from chance. Stop here."),
    (None, "cannot be said"),
])  # fmt: skip
def test_the_page_says_whether_to_go_on(gain, said):
    outlook = Outlook(160, 192, Measured(0.88, nan, nan), 0.125, 8, gain)
    text = words(report_page(replace(STUDY, outlook=outlook)))
    assert said in text
    assert "hardly be more" not in text  # with one subject there is no bound


def test_of_few_subjects_there_is_no_bound_and_no_band_and_the_page_says_so():
    few = words(report_page(replace(STUDY, splits=[SplitCount("train", 4, 6, 200, 8)])))
    assert "hardly be more" not in few
    assert "cannot be said of fewer than 5" in few
    assert "No bands: 2 test subjects, fewer than 5, tell too little of others." in few
    assert "0.88 to 0.92" not in few
    band = 'fill-opacity=".13"'
    assert band not in report_page(STUDY)
    enough = evaluation("m002", 0.9) | {"n_subjects": 5}
    text = words(report_page(replace(STUDY, evaluations={**STUDY.evaluations, "m002": enough})))
    assert "of 5 subjects." in text
    assert "Bands are 95 % intervals over test subjects." in text
    assert "Dice of lumen (0.88 to 0.92), sealed test subjects" in text
    assert band in report_page(replace(STUDY, evaluations={"m002": enough, "m001": enough}))


def test_a_refused_model_is_listed_and_stands_in_no_curve():
    text = report_page(STUDY)
    assert "refused" in text
    curve = re.search(r"<title>Dice by number.*?</svg>", text, flags=re.DOTALL)
    assert curve is not None
    assert (
        len(re.findall("<(?:circle|polygon)[^>]*currentColor", curve[0])) == 4 + 2
    )  # two curves of two models, two in the legend


def test_rounds_and_readers_say_what_came_back():
    text = words(report_page(STUDY))
    assert "8 1 unreadable, 2026-03-02 25 % – – 9 5 by 0.20 mm 0 0" in text
    assert "&lt;reader&gt; 1 8" in text
    assert "r002 train sqa m001 8 imported – – – – – – – –" in text


def test_a_pullback_has_its_figures_with_intervals_and_no_share_beyond_what_can_be():
    text = words(report_page(STUDY))
    assert "3.1 (2.5 to 3.8) MLA, mm²: frame 12, 6.0 mm, drawn by a person; 4 frames could hold it" in text
    assert "50 % (0 % to 90 %)" in text
    assert "1 4.0 8.5 3.1 62 % – –" in text
    assert "1 more pullback" in text
    assert "P2 S2 test 30 3 – –" in text


def test_text_from_outside_is_never_markup():
    text = report_page(replace(STUDY, name="<script>", failures=["<img onerror=x>"], next_step=("<b>", "<i>")))
    for one in ("<P1>", "<reader>", "frame <3>", "<script>", "<img onerror", "<b>&", "<i></i>mend"):
        assert one not in text


def test_the_page_needs_nothing_beside_it_and_runs_no_script():
    told = {"strategy": "sqa", "n_seeds": 2, "share_95": 0.05, "share_99": None, "gain_labels": [0.01, None, None]}
    curves = KeptSimulation("simulation", {"full_dice": 0.9, "strategies": [told]}, b"<svg/>")
    text = report_page(replace(STUDY, simulations=[curves]))
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(sources) > 5
    assert all(re.match(r"data:image/(jpeg|svg\+xml);base64,|#\w+$", one) for one in sources)
    assert not re.search(r"<script|@import|url\(", text)
    assert "5.0 % – 0.0100" in words(text)


def test_the_page_is_for_light_and_dark_and_paper_and_its_tables_scroll_by_themselves():
    text = report_page(STUDY)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert text.count("<table>") == text.count('<div class="wide"><table>') == 7


def test_every_section_that_is_linked_is_there():
    text = report_page(STUDY)
    anchors = re.findall(r'href="#(\w+)"', text)
    assert len(anchors) == 5
    assert all(f'id="{one}"' in text for one in anchors)


def test_a_new_study_says_what_comes_first():
    text = words(report_page(NEW))
    assert "Nothing is imported yet, so there is nothing to report." in text
    assert "Next: import pullbacks, with ivsqa import PATH" in text
    assert "Dice" not in text


def test_an_older_evaluation_is_named_for_what_it_is():
    text = words(report_page(replace(STUDY, evaluations={"m001": evaluation("m001", 0.8)})))
    assert "Model m001 draws lumen with a Dice of 0.800" in text
    assert "Model m002, now in use, was not measured yet." in text
    assert "it was not measured on sealed test subjects yet" in words(report_page(replace(STUDY, evaluations={})))


def test_thousands_of_pullbacks_make_a_table_of_about_a_megabyte():
    rows = [PullbackRow(f"S{n:05d}-P1", f"S{n:05d}", "train", 3000, 10, np.array([0.9, 0.7])) for n in range(5000)]
    assert len(report_page(replace(NEW, rest=rows))) < 1_200_000
