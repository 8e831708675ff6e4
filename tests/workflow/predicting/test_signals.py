from dataclasses import replace

import numpy as np
import pytest

from ivsqa.domain.quality.predicted_quality import ErrorCalibration
from ivsqa.workflow.context import silent_progress
from ivsqa.workflow.predicting.networks import load_predictor
from ivsqa.workflow.predicting.signals import (
    N_DRAWS,
    FrameSignals,
    reference_masks,
)


@pytest.fixture
def predictor(trained):
    return load_predictor(trained, trained.get_model(None), device="cpu")


def test_dropout_is_a_signal_like_the_others(trained, predictor):
    signals = FrameSignals(trained, predictor, None)
    _, _, maps = signals(trained.annotated_frames("test")[0])
    assert tuple(maps) == signals.names == ("error_map", "entropy", "mc_dropout")
    assert {one.shape for one in maps.values()} == {(2, 32, 32)}
    assert not np.array_equal(maps["mc_dropout"], maps["entropy"])


def test_a_network_without_dropout_has_no_such_signal(trained, predictor):
    predictor.network.first.dropout.p = 0.0
    signals = FrameSignals(trained, predictor, None)
    _, _, maps = signals(trained.annotated_frames("test")[0])
    assert tuple(maps) == signals.names == ("error_map", "entropy")


def test_every_signal_is_calibrated_and_the_own_one_keeps_its_calibration(trained, predictor):
    own = ErrorCalibration.identity(trained.structures.names)
    frames = trained.annotated_frames("validation")
    signals = FrameSignals(trained, predictor, None)
    with silent_progress("", 0, "") as advance:
        found = signals.calibrations(frames, own, advance)
        nothing = signals.calibrations([], own, advance)
    assert found["error_map"] is own
    assert found["entropy"].structures["lumen"] != found["mc_dropout"].structures["lumen"]
    assert nothing["entropy"].to_dict() == own.to_dict()  # without frames raw maps are believed
    assert N_DRAWS >= 2


def test_a_structure_that_nobody_drew_has_no_mask(trained):
    frame = trained.annotated_frames("test")[0]
    only_eem = {frame.annotation.frame_index: {"eem": frame.annotation.contours["eem"]}}
    masks = reference_masks(trained, replace(frame, annotation=replace(frame.annotation, _drawn=lambda: only_eem)))
    assert set(masks) == {"eem"}
    assert masks["eem"].shape == (32, 32)
