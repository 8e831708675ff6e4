import base64
import re
from typing import Any

from markupsafe import Markup

from ivsqa.domain.agreement.reader_agreement import BetweenReaders, bland_altman
from ivsqa.domain.quality.judged_estimate import ReliabilityBin
from ivsqa.pages.evaluation import SurprisePicture, evaluation_page

MEASURES = ("dice", "jaccard", "hd95_px", "assd_px", "pad")
FIGURES = ("pearson", "spearman", "mae", "auroc", "auprc", "mended", "prr")


def review(**changes: Any) -> dict[str, Any]:
    shares = {"mean_dice": 0.9, "predicted": 0.25, "random": 0.5, "truth": 0.125, "ratio": 2.0}
    return {"goal": 0.95, **shares, "interval": dict.fromkeys(shares) | {"predicted": [0.2, 0.3]}} | changes


def answer(**changes: Any) -> dict[str, Any]:
    lumen = dict.fromkeys(MEASURES, 0.8) | {"hd95_mm": None, "assd_mm": None, "n_frames": 24, "n_missing": 1}
    nothing = dict.fromkeys((*MEASURES, "hd95_mm", "assd_mm"))
    estimate = [
        {"signal": signal, "scope": scope}
        | dict.fromkeys(FIGURES, 0.5)
        | {"interval": {key: [-0.25, 0.75] for key in FIGURES}}
        for signal in ("error_map", "entropy")
        for scope in ("lumen", "frame")
    ]
    gain = [
        {"over": "entropy", "scope": scope}
        | dict.fromkeys(FIGURES, 0.125)
        | {"interval": {key: [-0.0625, 0.25] for key in FIGURES}}
        for scope in ("lumen", "frame")
    ]
    stratum = {
        "kind": "console",
        "name": "A & B",
        "n_frames": 9,
        "n_subjects": 2,
        "n_missing": 1,
        "dice": {"lumen": 0.7},
    }
    return {
        "model_id": "m001",
        "split": "test",
        "n_frames": 25,
        "n_subjects": 5,
        "segmentation": {"lumen": lumen | {"interval": nothing | {"dice": [0.7, 0.9]}}},
        "plaque_burden_mae": None,
        "estimate": estimate,
        "gain": gain,
        "review": review(),
        "n_calibration_frames": 12,
        "strata": [stratum | {"mae": 0.1, "spearman": None}],
        "frames": [],
    } | changes


READERS = {"lumen": BetweenReaders(0.96, bland_altman([5.0, 6.0, 7.0], [5.5, 6.0, 6.5]), 3)}
AREAS = [{"area_mm2": {"lumen": [6.0 + 0.5 * n, 5.0 + n]}} for n in range(6)]
"""Drawn are 5 to 10 mm²; predicted 6 to 8.5: 1 and 0.5 too much in the smallest third, 0.25 too little on average."""


def page(
    colors: dict[str, str] | None = None,
    title: str = "S1-P1 frame 3",
    readers: dict[str, BetweenReaders] | None = None,
    again: dict[str, BetweenReaders] | None = None,
    **changes: Any,
) -> str:
    return evaluation_page(
        answer(**changes),
        scatter=Markup("<svg id='scatter'></svg>"),
        reliability=Markup("<svg id='reliability'></svg>"),
        reliability_bins={"lumen": [ReliabilityBin(0.05, 0.025, 12345)]},
        review=Markup("<svg id='review'></svg>"),
        pictures=[SurprisePicture(title, "lumen", 0.9, 0.25, (b"left", b"right"))],
        colors=colors or {"lumen": "#56b4e9"},
        readers=readers or {},
        again=again or {},
    )


def test_the_page_needs_nothing_beside_it_and_runs_no_script():
    text = page()
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "<script" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text


def test_the_headline_says_in_words_what_was_found():
    text = " ".join(page().split())
    assert "On 25 frames of 5 subjects the mean Dice of lumen is 0.800 (0.700 to 0.900)." in text
    assert "1 contour had no counterpart and stand in no mean" in text
    assert "entropy reaches 0.50 (−0.25 to 0.75)" in text


def test_how_much_there_is_to_mend_is_said_by_three_orders():
    text = " ".join(page().split())
    assert "<svg id='review'></svg>" in text
    assert (
        "To bring it to 0.95, people mend 25 % (20 to 30 %) of the frames by predicted quality, 50 % in random order "
        "and 12 % knowing the truth. So predicted quality asks for 2.0 times the least that would do." in text
    )
    assert "<td>50 %<small>−25 to 75 %</small></td>" in text  # of each signal, in the table


def test_a_goal_that_is_met_and_frames_without_truth_are_said_in_words():
    met = review(mean_dice=0.97, predicted=0.0, random=0.0, truth=0.0, ratio=None)
    assert "is 0.970: nobody has to mend any for 0.95" in " ".join(page(review=met).split())
    nothing = review(mean_dice=None, predicted=None, random=None, truth=None, ratio=None)
    assert "No frame has a contour to compare" in page(review=nothing)


def test_a_picture_is_inside_the_page_with_what_was_predicted_and_what_it_was():
    text = page()
    assert base64.b64encode(b"right").decode() in text
    assert "S1-P1 frame 3: Dice of lumen predicted 0.90, true 0.25" in text


def test_without_spacing_no_column_is_in_mm_and_what_is_unknown_is_a_dash():
    text = page()
    assert "HD95 mm" not in text
    assert "HD95 px" in text
    assert "<td>–</td>" in text  # the stratum's Spearman
    assert "Plaque burden" not in text
    assert "12.5 % of the vessel" in page(plaque_burden_mae=0.125)


def test_what_weakens_the_figures_is_said_before_them():
    assert "Test subjects are sealed" in page()
    assert "the figures flatter" in page(split="validation")
    assert "With one subject there is no interval" in page(n_subjects=1)
    assert "Of 4 subjects, fewer than 5, they are too narrow" in " ".join(page(n_subjects=4).split())
    assert "too narrow" not in page(n_subjects=5)
    assert "nothing is calibrated" in page(n_calibration_frames=0)


def test_text_from_outside_is_never_markup():
    text = page(model_id="<i>m001", colors={"<b>": '"><script>'}, title='S1" onerror="x')
    assert "A &amp; B" in text
    for hostile in ("<i>m001", "<b>", "<script>", 'onerror="x"'):
        assert hostile not in text


def test_signals_stand_in_groups_under_what_they_speak_of():
    text = " ".join(page().split())
    heads = re.findall(r'<tr class="head"><th>([^<]*)</th>', text)
    assert heads == ["worst structure of a frame", "lumen"]
    assert text.count("<td>error map (ours)</td>") == text.count("<td>gain over entropy</td>") == 2
    assert "frame, " not in re.sub(r"<p.*?</p>", "", text)


def test_areas_stand_beside_those_of_readers_and_two_readers_say_how_near_is_near_enough():
    text = " ".join(page(frames=AREAS, readers=READERS).split())
    assert "draws the lumen 0.25 mm² (3 %) smaller than readers on average" in text
    assert "and 0.75 mm² (14 %) larger in the third of frames where it is smallest" in text
    assert "Two readers of one frame differ by −0.98 to 0.98 mm²." in text  # ± 1.96 · 0.5
    assert "Two readers of one frame reach a Dice of 0.960 (lumen, 3 frames). That is what to judge it by." in text
    alone = " ".join(page(frames=AREAS).split())
    assert "How far two readers of one frame differ is not known here" in alone
    assert "ivsqa export-for-annotation --reader NAME" in alone


def test_one_reader_who_read_twice_stands_beside_two_readers_and_alone():
    again = {"lumen": BetweenReaders(0.98, bland_altman([5.0, 6.0, 7.0], [4.75, 6.0, 7.25]), 3)}
    text = " ".join(page(frames=AREAS, readers=READERS, again=again).split())
    assert "One reader who reads a frame twice reaches 0.980 (lumen, 3 frames). That is what" in text
    assert "One reader who reads a frame twice differs by −0.49 to 0.49 mm²." in text  # ± 1.96 · 0.25
    alone = " ".join(page(frames=AREAS, again=again).split())
    assert "One reader who reads a frame twice reaches a Dice of 0.980" in alone
    assert "Two readers of one frame reach" not in alone


def test_an_evaluation_of_before_areas_were_kept_has_no_section_of_them():
    assert "Do areas agree" not in page(frames=[{"quality": 0.9, "dice": {"lumen": 0.8}}], readers=READERS)
    assert "Do areas agree" not in page(frames=[{"area_mm2": {"lumen": [None, 5.0]}}] * 3)
