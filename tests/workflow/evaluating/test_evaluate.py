import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.quality.predicted_quality import ErrorCalibration
from ivsqa.domain.quality.review_curve import review_shares
from ivsqa.errors import IntegrityError, StateError
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.pullbacks import AnnotatedFrame
from ivsqa.workflow.evaluating.collector import Tally
from ivsqa.workflow.evaluating.evaluate import Evaluation, evaluate_model
from ivsqa.workflow.predicting.networks import load_predictor
from ivsqa.workflow.predicting.signals import ERROR_MAP, MC_DROPOUT, FrameSignals
from tests.conftest import copied


class Evaluated(NamedTuple):
    """A project with the evaluations of its model; for tests that only look."""

    project: Project
    test: Evaluation
    train: Evaluation


@pytest.fixture(scope="module")
def evaluated(trained_study, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    project = open_project(copied(trained_study, tmp_path_factory.mktemp("evaluated")))
    return Evaluated(project, *(evaluate_model(project, split=split, device="cpu") for split in ("test", "train")))


def test_the_sealed_subjects_are_measured_and_a_report_is_written(evaluated):
    trained, result = evaluated.project, evaluated.test
    assert (result.model_id, result.split, result.n_frames, result.n_subjects) == ("m001", "test", 3, 1)
    assert {frame.key for frame in result.frames} == {frame.key for frame in trained.annotated_frames("test")}
    plain = result.to_dict()
    assert set(plain["segmentation"]) == {"lumen", "eem"}
    keys = {
        "dice",
        "jaccard",
        "hd95_mm",
        "assd_mm",
        "pad",
        "hd95_px",
        "assd_px",
        "n_frames",
        "n_missing",
        "area_mm2",
        "interval",
    }
    assert set(plain["segmentation"]["eem"]) == keys
    assert 0.5 < plain["segmentation"]["eem"]["dice"] <= 1.0
    assert plain["segmentation"]["eem"]["jaccard"] < plain["segmentation"]["eem"]["dice"]
    assert [(one["pullback_id"], one["frame_index"]) for one in plain["frames"]] == [one.key for one in result.frames]
    assert all(set(one["dice"]) == {"lumen", "eem"} and 0.0 <= one["quality"] <= 1.0 for one in plain["frames"])
    path = trained.layout.evaluation("m001", "test")
    assert json.loads(path.read_text()) == {"version": 1} | plain


def test_evaluating_again_gives_the_same_bytes(trained):
    evaluate_model(trained, device="cpu")
    paths = trained.layout.evaluation("m001", "test"), trained.layout.evaluation_page("m001", "test")
    before = [path.read_bytes() for path in paths]
    evaluate_model(trained, device="cpu")
    assert [path.read_bytes() for path in paths] == before


def test_another_split_has_its_own_report(trained):
    assert evaluate_model(trained, split="validation", device="cpu").n_frames == 3
    assert trained.layout.evaluation("m001", "validation").is_file()


def test_what_cannot_be_said_is_null_never_a_number(evaluated):
    result = evaluated.test
    text = evaluated.project.layout.evaluation("m001", "test").read_text()
    assert "NaN" not in text
    for name, value in vars(result.sqa).items():
        assert (result.to_dict()["sqa"][name] is None) == math.isnan(value)


def test_nothing_to_measure_is_said_with_the_command(imported, trained):
    with pytest.raises(StateError, match="no model"):
        evaluate_model(imported)
    trained.layout.weights("m001").unlink()
    with pytest.raises(IntegrityError):
        evaluate_model(trained, device="cpu")


def test_a_split_nobody_annotated_is_said_with_the_command(trained, without_ledger):
    for pullback_id in {frame.key[0] for frame in trained.annotated_frames("test")}:
        for path in sorted((trained.layout.annotations / pullback_id).iterdir()):
            path.unlink()
    with pytest.raises(StateError, match="no frame of a test subject") as caught:
        evaluate_model(without_ledger(trained), device="cpu")
    assert "--split test" in caught.value.hint


def test_with_one_subject_there_is_no_interval(evaluated):
    plain = evaluated.test.to_dict()
    assert plain["n_subjects"] == 1
    assert set(plain["segmentation"]["lumen"]["interval"].values()) == {None}
    assert all(set(row["interval"].values()) == {None} for row in plain["estimate"])


def test_with_more_subjects_every_mean_lies_in_its_interval(evaluated):
    plain = evaluated.train.to_dict()
    assert plain["n_subjects"] > 2
    for name in ("lumen", "eem"):
        row = plain["segmentation"][name]
        for measure in ("dice", "jaccard", "hd95_mm", "assd_px", "pad"):
            low, high = row["interval"][measure]
            assert low <= row[measure] <= high
    for row in plain["estimate"]:
        low, high = row["interval"]["mae"]
        assert low <= row["mae"] <= high


def test_every_signal_is_judged_for_each_structure_and_for_the_frame(evaluated):
    plain = evaluated.test.to_dict()
    rows = {(row["signal"], row["scope"]): row for row in plain["estimate"]}
    assert set(rows) >= {(signal, scope) for signal in ("error_map", "entropy") for scope in ("lumen", "eem", "frame")}
    own = rows["error_map", "frame"]
    gains = {(row["over"], row["scope"]): row for row in plain["gain"]}
    assert set(gains) == {key for key in rows if key[0] != "error_map"}
    for (over, scope), gain in gains.items():
        assert gain["auprc"] == pytest.approx(rows["error_map", scope]["auprc"] - rows[over, scope]["auprc"], abs=2e-6)
    assert [own[key] for key in ("pearson", "spearman", "mae", "auroc")] == [
        plain["sqa"][key] for key in ("pearson", "spearman", "mae", "auroc")
    ]
    assert own["auprc"] == plain["sqa"]["error_map_auprc"]
    assert (plain["n_dropout_draws"] is None) == (("mc_dropout", "frame") not in rows)
    assert plain["n_calibration_frames"] == 3


def test_the_share_to_mend_is_that_of_the_frames_by_their_worst_structure(evaluated):
    plain = evaluated.train.to_dict()
    review = plain["review"]
    true = [min(frame["dice"].values()) for frame in plain["frames"]]
    shares = review_shares(true, [frame["quality"] for frame in plain["frames"]])
    assert review["mean_dice"] == pytest.approx(np.mean(true), abs=1e-5)
    assert [review[order] for order in ("predicted", "random", "truth")] == pytest.approx(shares, abs=1e-4)
    assert review["ratio"] == pytest.approx(shares.ratio, abs=1e-3)
    assert review["truth"] <= review["predicted"]
    low, high = review["interval"]["random"]
    assert low <= review["random"] <= high
    mended = {row["signal"]: row["mended"] for row in plain["estimate"] if row["scope"] == "frame"}
    assert mended["error_map"] == review["predicted"]
    assert all(share >= review["truth"] for share in mended.values())


def test_frames_are_told_apart_by_console_size_and_subject(evaluated):
    strata = evaluated.train.to_dict()["strata"]
    assert {one["kind"] for one in strata} >= {"lumen size", "subject"}
    assert all(one["n_frames"] >= 2 for one in strata)
    assert sum(one["n_frames"] for one in strata if one["kind"] == "lumen size") == 6
    assert all("mm²" in one["name"] for one in strata if one["kind"] == "lumen size")


def test_surprises_come_largest_first_and_are_drawn_on_the_page(evaluated):
    trained, result = evaluated.project, evaluated.test
    sizes = [one.size for one in result.surprises]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 3
    page = (trained.root / result.page).read_text(encoding="utf-8")
    assert trained.root / result.page == trained.layout.evaluation_page("m001", "test")
    assert page.count("data:image/jpeg") == 2 * 3
    assert page.count("<svg") == 3 + 2  # and areas of two structures
    assert all(f"{one['pullback_id']} frame {one['frame_index']}" in page for one in result.to_dict()["surprises"])


@pytest.fixture
def tally_of(trained) -> Callable[..., Tally]:
    """Return what is collected of the test frames with a third signal, each frame changed before."""

    def collected(change: Callable[[AnnotatedFrame], AnnotatedFrame]) -> Tally:
        frames = [change(frame) for frame in trained.annotated_frames("test")]
        signals = FrameSignals(trained, load_predictor(trained, trained.get_model(None), device="cpu"), None)
        same = ErrorCalibration.identity(trained.structures.names)
        tally = Tally(trained, {ERROR_MAP: same, MC_DROPOUT: same}, None, frames)
        for frame in frames:
            prediction, borders, maps = signals(frame)
            maps[MC_DROPOUT] = np.zeros_like(maps[ERROR_MAP])  # draws that never differ
            tally.add(frame, prediction.probabilities[0], borders, maps, prediction.features[0])
        return tally

    return collected


def test_a_signal_that_is_sure_of_everything_predicts_dice_1_and_tells_no_pixel_apart(tally_of):
    tally = tally_of(lambda frame: frame)
    assert {dice for frame in tally.frames for dice in frame.predicted[MC_DROPOUT].values()} == {1.0}
    sure = tally.estimates()[0][MC_DROPOUT, "lumen"]
    wrong, right = tally.counts[MC_DROPOUT, "lumen"].sum(axis=(0, 2))
    assert sure.auprc.value == pytest.approx(wrong / (wrong + right))
    assert math.isnan(sure.spearman.value)


def test_a_border_that_nobody_drew_counts_as_missing_and_in_no_pixel(tally_of):
    def without_lumen(frame: AnnotatedFrame) -> AnnotatedFrame:
        drawn = {frame.annotation.frame_index: {"eem": frame.annotation.contours["eem"]}}
        return replace(frame, annotation=replace(frame.annotation, _drawn=lambda: drawn))

    tally = tally_of(without_lumen)
    summary = tally.segmentation()["lumen"]
    assert (summary.n_frames, summary.n_missing) == (0, 3)
    assert tally.counts[ERROR_MAP, "lumen"].sum() == 0
    assert tally.burden_errors == []
    assert "lumen size" not in {one.kind for one in tally.strata()}


def test_areas_predicted_and_drawn_stand_beside_each_other_with_their_limits(evaluated):
    trained, answer = evaluated.project, evaluated.train.to_dict()
    pairs = np.array([frame["area_mm2"]["lumen"] for frame in answer["frames"]])
    limits = answer["segmentation"]["lumen"]["area_mm2"]
    assert limits["n"] == len(pairs) == answer["n_frames"]
    assert limits["bias"] == pytest.approx((pairs[:, 0] - pairs[:, 1]).mean(), abs=1e-5)
    assert limits["high"] - limits["low"] == pytest.approx(2 * 1.96 * (pairs[:, 0] - pairs[:, 1]).std(ddof=1), abs=1e-4)
    key = FrameKey(answer["frames"][0]["pullback_id"], answer["frames"][0]["frame_index"])
    pullback = trained.pullback(key.pullback_id)
    drawn = pullback.annotations[key.frame_index].contours["lumen"]
    assert pairs[0, 1] == pytest.approx(drawn.area_px2 * np.prod(pullback.spacing_mm), abs=1e-5)
    assert "Do areas agree with those of readers?" in (trained.root / answer["page"]).read_text(encoding="utf-8")
