import dataclasses

import numpy as np
import pytest
import torch

from ivsqa.errors import IvsqaError, StateError
from ivsqa.model.network import TwoBranchNetwork
from ivsqa.model.state import StepReport, TrainedModel, TrainingState
from ivsqa.model.training import learning_rate, train, validation_dice
from tests.model import configs

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(network, config, training, validation=None, *, stop_after=None, **more):
    """Train without an audience, asked to stop after some steps of this call; return the result and the states saved."""
    states: list[TrainingState] = []
    reports: list[StepReport] = []
    result = train(
        network,
        config,
        training,
        validation,
        device="cpu",
        save=states.append,
        should_stop=lambda: stop_after is not None and len(reports) >= stop_after,
        on_step=reports.append,
        **more,
    )
    return result, states


@pytest.mark.parametrize("stop_after", [0, 1, 3, 5])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_training_ends_on_the_same_bits(network_config, training_config, rings, stop_after, precision):
    config = dataclasses.replace(training_config, precision=precision)
    whole, _ = run(network_config, config, rings(6), rings(3, 1))
    half, states = run(network_config, config, rings(6), rings(3, 1), stop_after=stop_after)
    assert (half.finished, half.steps) == (False, stop_after)
    stored = TrainingState.from_bytes(states[-1].to_bytes())
    rest, _ = run(network_config, config, rings(6), rings(3, 1), state=stored)
    assert rest.model.to_bytes() == whole.model.to_bytes()
    assert (rest.history, rest.best_step, rest.finished) == (whole.history, whole.best_step, True)


def test_network_learns_rings_it_has_not_seen(rings, training_config):
    network = configs.network(2, 32, widths=(8, 16))
    config = dataclasses.replace(training_config, max_steps=80, batch_size=6, eval_every=40, learning_rate=0.01)
    result, _ = run(network, config, rings(12), rings(6, 1), unannotated=rings(12, 2).images)
    stages = [report.stage for report in result.history]
    assert result.validation_dice is not None
    assert result.validation_dice > 0.85
    assert (result.steps, stages.count("self-training")) == (160, 80)


def test_without_validation_the_last_mean_is_kept(network_config, training_config, rings):
    result, _ = run(network_config, training_config, rings(4), unannotated=rings(4, 1).images)
    assert (result.best_step, result.steps, result.validation_dice) == (12, 12, None)
    assert all(report.validation_dice is None for report in result.history)


def test_validation_without_any_structure_decides_nothing(network_config, training_config, rings):
    empty = dataclasses.replace(rings(2), labels=np.full((2, 32, 32), 255, np.uint8))
    result, _ = run(network_config, training_config, rings(4), empty)
    assert (result.best_step, result.validation_dice) == (6, None)


def test_start_is_kept_where_training_only_harms(network_config, training_config, rings):
    parent, _ = run(network_config, training_config, rings(4))
    harmful = dataclasses.replace(rings(4), labels=np.zeros((4, 32, 32), np.uint8))
    config = dataclasses.replace(training_config, learning_rate=0.05, max_steps=20, eval_every=5, average_decay=0.0)
    worse, _ = run(network_config, config, harmful, rings(4, 1), start=parent.model)
    assert worse.best_step == 0
    assert all(torch.equal(worse.model.weights[name], weight) for name, weight in parent.model.weights.items())


@pytest.mark.parametrize("without", [{"self_train": "none"}, {"self_share": 0.0}, {}], ids=str)
def test_self_training_needs_frames_and_steps(network_config, training_config, rings, without):
    config = dataclasses.replace(training_config, **without)
    result, _ = run(network_config, config, rings(4), unannotated=rings(4, 1).images if without else None)
    assert {report.stage for report in result.history} == {"annotations"}
    assert (result.finished, result.steps) == (True, 6)


def test_self_training_begins_with_the_best_weights_and_may_end_with_them(network_config, training_config, rings):
    config = dataclasses.replace(training_config, learning_rate=0.05)
    taught, _ = run(network_config, config, rings(4), rings(3, 1), unannotated=np.zeros((4, 32, 32), np.uint8))
    alone, _ = run(network_config, config, rings(4), rings(3, 1))
    assert taught.validation_dice >= alone.validation_dice
    assert taught.history[:6] == alone.history


def test_training_stops_when_patience_runs_out(network_config, training_config, rings):
    harmful = dataclasses.replace(rings(4), labels=np.zeros((4, 32, 32), np.uint8))
    parent, _ = run(network_config, training_config, rings(4))
    config = dataclasses.replace(training_config, max_steps=50, eval_every=1, patience=2, learning_rate=0.05)
    result, _ = run(network_config, config, harmful, rings(4, 1), start=parent.model)
    assert result.finished
    assert result.steps < 50
    assert result.steps - result.best_step == 2


@pytest.mark.parametrize("stop_after", [4, 9])
def test_resumed_self_training_ends_on_the_same_bits(network_config, training_config, rings, stop_after):
    more = {"unannotated": rings(5, 3).images}
    whole, _ = run(network_config, training_config, rings(6), **more)
    _, states = run(network_config, training_config, rings(6), stop_after=stop_after, **more)
    rest, _ = run(network_config, training_config, rings(6), state=states[-1], **more)
    assert rest.model.to_bytes() == whole.model.to_bytes()
    with pytest.raises(StateError, match="other frames"):
        run(network_config, training_config, rings(6), state=states[-1], unannotated=rings(5, 4).images)


def test_state_of_another_training_is_refused(network_config, training_config, rings):
    _, states = run(network_config, training_config, rings(4), stop_after=1)
    for config, frames in [(dataclasses.replace(training_config, seed=1), rings(4)), (training_config, rings(4, 5))]:
        with pytest.raises(StateError, match="other frames or settings"):
            run(network_config, config, frames, state=states[0])


def test_start_with_another_network_is_refused(network_config, training_config, rings):
    other = TrainedModel(dataclasses.replace(network_config, dropout=0.5), {})
    with pytest.raises(StateError, match="another network"):
        run(network_config, training_config, rings(4), start=other)


def test_state_is_saved_as_time_passes(network_config, training_config, rings):
    _, states = run(network_config, training_config, rings(4), save_every_s=0.0)
    assert [state.step for state in states] == list(range(1, 7))


def test_breakdown_is_said_and_not_hidden(network_config, training_config, rings):
    parent, _ = run(network_config, training_config, rings(4))
    broken = {name: torch.full_like(weight, float("nan")) for name, weight in parent.model.weights.items()}
    with pytest.raises(IvsqaError, match="broke down at step 1"):
        run(network_config, training_config, rings(4), start=TrainedModel(network_config, broken))


def test_training_leaves_torch_as_it_was(network_config, training_config, rings):
    run(network_config, training_config, rings(4), stop_after=1)
    assert not torch.are_deterministic_algorithms_enabled()


def test_frames_of_another_size_are_refused(training_config, rings):
    with pytest.raises(ValueError, match="48 × 48"):
        run(configs.network(2, 48), training_config, rings(4))


def test_learning_rate_rises_then_falls_to_zero(training_config):
    config = dataclasses.replace(training_config, warmup=0.1, learning_rate=1.0)
    rates = [learning_rate(config, step, n_steps=100) for step in (0, 9, 55, 99)]
    assert rates == pytest.approx([0.1, 1.0, 0.5, 0.0], abs=1e-3)


def test_validation_dice_leaves_out_what_is_empty_in_both(network_config, rings):
    frames = rings(2)
    network = TwoBranchNetwork(network_config).requires_grad_(requires_grad=False)
    everything_innermost = torch.tensor([0.0, 9.0, 0.0])
    for branch in network.branches:
        branch.head.load_state_dict({"weight": torch.zeros(3, 8, 1, 1), "bias": everything_innermost})
    labels = np.zeros((2, 32, 32), np.uint8)
    labels[0, :16] = 1
    labels[1] = 255
    samples = dataclasses.replace(frames, labels=labels)
    # Frame 0: both structures cover the half that is known to be theirs: 2·512 / (1024 + 512). Frame 1: nothing known.
    assert validation_dice(network, samples, device=CPU, bf16=False) == pytest.approx(2 / 3)


def test_augmentation_can_be_switched_off(network_config, training_config, rings):
    still = configs.augmentation(rotation_deg=0.0, flip=False, shift=0.0, scale=0.0, grey=0.0, shadow=0.0)
    result, _ = run(network_config, dataclasses.replace(training_config, augmentation=still, max_steps=1), rings(4))
    assert result.finished
