import json
import math

import numpy as np
import pytest

from ivsqa.errors import IntegrityError, StateError
from ivsqa.workflow.evaluate import entropy, evaluate_model
from ivsqa.workflow.training_data import annotated_frames


def test_the_sealed_subjects_are_measured_and_a_report_is_written(trained):
    result = evaluate_model(trained, device="cpu")
    assert (result.model_id, result.split, result.n_frames, result.n_subjects) == ("m001", "test", 3, 1)
    assert {(pullback_id, index) for pullback_id, index, *_ in result.frames} == {
        frame.key for frame in annotated_frames(trained, "test")
    }
    plain = result.to_dict()
    assert set(plain["segmentation"]) == {"lumen", "eem"}
    keys = {"dice", "jaccard", "hd95_mm", "assd_mm", "pad", "hd95_px", "assd_px", "n_frames", "n_missing"}
    assert set(plain["segmentation"]["eem"]) == keys
    assert 0.5 < plain["segmentation"]["eem"]["dice"] <= 1.0
    assert plain["segmentation"]["eem"]["jaccard"] < plain["segmentation"]["eem"]["dice"]
    path = trained.layout.evaluation("m001", "test")
    assert json.loads(path.read_text()) == {"version": 1} | plain


def test_evaluating_again_gives_the_same_bytes(trained):
    evaluate_model(trained, device="cpu")
    path = trained.layout.evaluation("m001", "test")
    before = path.read_bytes()
    evaluate_model(trained, device="cpu")
    assert path.read_bytes() == before


def test_another_split_has_its_own_report(trained):
    assert evaluate_model(trained, split="validation", device="cpu").n_frames == 3
    assert trained.layout.evaluation("m001", "validation").is_file()


def test_what_cannot_be_said_is_null_never_a_number(trained):
    result = evaluate_model(trained, device="cpu")
    text = trained.layout.evaluation("m001", "test").read_text()
    assert "NaN" not in text
    for name, value in vars(result.sqa).items():
        assert (result.to_dict()["sqa"][name] is None) == math.isnan(value)


def test_nothing_to_measure_is_said_with_the_command(imported, trained):
    with pytest.raises(StateError, match="no model"):
        evaluate_model(imported)
    trained.layout.weights("m001").unlink()
    with pytest.raises(IntegrityError):
        evaluate_model(trained, device="cpu")


def test_a_split_nobody_annotated_is_said_with_the_command(trained):
    for pullback_id in {frame.key[0] for frame in annotated_frames(trained, "test")}:
        for path in sorted((trained.layout.annotations / pullback_id).iterdir()):
            path.unlink()
    with pytest.raises(StateError, match="no frame of a test subject") as caught:
        evaluate_model(trained, device="cpu")
    assert "--split test" in caught.value.hint


def test_entropy_is_one_bit_where_nothing_is_known_and_the_largest_over_structures():
    probabilities = np.array([[[0.5, 1.0]], [[0.0, 0.25]]], dtype=np.float32)
    by_hand = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))  # 0.8113
    np.testing.assert_allclose(entropy(probabilities), [[1.0, by_hand]], atol=1e-4)
