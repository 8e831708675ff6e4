"""Rounds are replayed as they would have been run, on subjects of their own, and go on after a stop."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ivsqa.domain.quality.review_curve import review_shares
from ivsqa.domain.selection.pool import Allowed, Limits, Pool, Rows
from ivsqa.domain.selection.strategies import Choices
from ivsqa.domain.shards import Shard
from ivsqa.errors import StateError
from ivsqa.io.project.simulations import ArmStore
from ivsqa.model.inference import Prediction
from ivsqa.workflow.context import Context
from ivsqa.workflow.simulating.arm import ArmPlan, TrialRule, run_arm
from ivsqa.workflow.simulating.labelled_study import LabelledStudy, SimulatedReader, deal
from ivsqa.workflow.simulating.simulate import REFERENCE, Simulation, labelled_study, run_simulation, simulation_of
from ivsqa.workflow.simulating.summary import facts_of, summarize, write_results
from tests.model import configs


def disc(x: float, radius: float) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:32, :32]
    return np.asarray((rows - 16.0) ** 2 + (columns - x) ** 2 < radius**2)


@pytest.fixture(scope="module")
def study() -> LabelledStudy:
    """Six subjects of six frames: bright walls around dark lumens."""
    rng = np.random.default_rng(0)
    labels, images = [], []
    for _ in range(36):
        x, radius = rng.uniform(14, 18), rng.uniform(4, 7)
        label = np.where(disc(x, radius), 1, np.where(disc(x, radius + 4), 2, 0)).astype(np.uint8)
        labels.append(label)
        images.append(np.clip(np.array([60, 20, 180])[label] + rng.normal(0, 15, label.shape), 0, 255).astype(np.uint8))
    names = np.repeat([f"S{number}" for number in range(6)], 6)
    return LabelledStudy(
        ("lumen", "eem"),
        np.stack(images),
        np.stack(labels),
        names,
        names,
        np.tile(np.arange(6), 6),
        np.full(36, 0.1),
    )


PLAN = ArmPlan(
    strategy="sqa",
    seed=0,
    ladder=(3, 6),
    network=configs.network(2, 32, widths=(8, 8)),
    training=configs.training(max_steps=15, batch_size=4, eval_every=15, learning_rate=0.01, self_share=0.5),
    finetune_steps=10,
    limits=Limits(min_gap_frames=2),
)


def test_parts_share_no_subject_and_every_seed_deals_anew(study):
    parts = deal(study, 0)
    subjects = [set(study.subject_ids[rows]) for rows in (parts.pool, parts.calibration, parts.held_back)]
    assert [len(one) for one in subjects] == [3, 1, 2]
    assert not subjects[0] & subjects[1] | subjects[0] & subjects[2] | subjects[1] & subjects[2]
    assert len({tuple(deal(study, seed).held_back) for seed in range(8)}) > 3


@pytest.mark.parametrize("strategy", ["sqa", "stratified", "coreset", "bald", "deal-entropy"])
@pytest.mark.parametrize("mode", ["anew", "finetune"])
def test_an_arm_adds_frames_of_the_pool_and_counts_the_work(study, strategy, mode):
    parts = deal(study, 0)
    first, second = run_arm(study, dataclasses.replace(PLAN, strategy=strategy, mode=mode), device="cpu")
    assert (first.n_labels, second.n_labels) == (3, 6)
    assert set(second.rows) <= set(parts.pool)
    assert len(set(second.rows)) == 6
    np.testing.assert_array_equal(second.rows[:3], first.rows)
    np.testing.assert_array_equal(first.labels, study.labels[first.rows])  # drawn from nothing: as the reader would
    assert 0.0 < first.effort.length <= second.effort.length
    assert 0 < first.effort.clicks <= second.effort.clicks
    assert 0.0 < first.dice["lumen"] <= 1.0
    shares = second.mended
    assert shares is not None
    assert 0.0 <= shares.truth <= shares.random <= 1.0
    assert shares.truth <= shares.predicted


def test_of_a_pool_that_is_drawn_to_the_last_frame_nothing_is_left_to_mend(study):
    pool = len(deal(study, 0).pool)
    *_, last = run_arm(study, dataclasses.replace(PLAN, ladder=(pool - 1, pool), limits=Limits()), device="cpu")
    assert last.facts()["mended"] == {"predicted": None, "random": None, "truth": None}


def test_share_to_mend_is_that_of_the_frames_that_nobody_drew(study):
    (rung,) = run_arm(study, dataclasses.replace(PLAN, ladder=(3,)), device="cpu")
    rows = deal(study, 0).pool
    assert rung.pool is not None
    assert rung.pool.quality is not None
    left = [number for number, row in enumerate(rows) if row not in rung.rows]
    assert len(left) == len(rows) - 3
    assert rung.mended == review_shares(rung.pool.dice[left], rung.pool.quality[left])


def test_arms_of_a_seed_begin_alike(study):
    first = [next(run_arm(study, dataclasses.replace(PLAN, strategy=one), device="cpu")) for one in ("sqa", "random")]
    np.testing.assert_array_equal(first[0].rows, first[1].rows)
    assert first[0].dice == first[1].dice  # whether an error branch learns or not


def test_a_reader_who_minds_nothing_draws_nothing_more(study):
    plan = dataclasses.replace(PLAN, reader=SimulatedReader(tolerance_mm=100.0))
    first, second = run_arm(study, plan, device="cpu")
    assert second.effort == first.effort
    assert not np.array_equal(second.labels[3:], study.labels[second.rows[3:]])  # the network's own drawing is kept


def test_the_rest_of_a_pool_is_taken_even_where_frames_lie_close(study):
    pool = len(deal(study, 0).pool)
    plan = dataclasses.replace(PLAN, strategy="random", ladder=(3, pool), limits=Limits(min_gap_frames=4))
    assert [rung.n_labels for rung in run_arm(study, plan, device="cpu")] == [3, pool]


def largest_lumen(
    pool: Pool, n: int, allowed: Allowed, rng: np.random.Generator, taken: Rows, *, progress: float
) -> Choices:
    """Choose by the drawn area of the lumen, as a rule on trial; the reason says how far the rounds are."""
    assert pool.features_of is not None
    areas = pool.features_of(np.arange(len(pool)))[:, 0]
    for row in allowed.first_free(np.argsort(-areas)):
        if n == 0:
            return
        allowed.take(row)
        n -= 1
        PROGRESS.append(progress)
        yield row, "largest lumen"


PROGRESS: list[float] = []


def area(prediction: Prediction) -> NDArray[np.floating]:
    return np.asarray(prediction.probabilities[:, :1].sum((2, 3)))


ON_TRIAL = TrialRule("largest-lumen", largest_lumen, area)


def test_a_rule_on_trial_sees_what_it_asked_for_and_how_far_the_rounds_are(study):
    PROGRESS.clear()
    plan = dataclasses.replace(PLAN, strategy=ON_TRIAL, ladder=(3, 5, 7, 9))
    *_, last = run_arm(study, plan, device="cpu")
    assert PROGRESS == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    areas = (study.labels == 1).sum((1, 2))
    chosen, pool = last.rows[3:5], deal(study, 0).pool
    assert areas[chosen].mean() > areas[pool].mean()


def test_a_ladder_may_count_labels_instead_of_shares(study):
    simulation = Simulation(study, ("sqa",), (0,), (4, 0.5, 99), PLAN)  # 18 frames to choose from
    assert dict(simulation.arms())["sqa-0"].ladder == (4, 9, 18)


@pytest.fixture(scope="module")
def simulation(study) -> Simulation:
    return Simulation(study, (ON_TRIAL, "stratified"), (0, 1), (0.2, 0.4), PLAN)


@pytest.fixture(scope="module")
def run_whole(simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulation")
    run_simulation(simulation, folder, device="cpu")
    return folder


@pytest.fixture
def ran(run_whole, tmp_path) -> Path:
    """The folder of a simulation that has run to its end in one process."""
    return Path(shutil.copytree(run_whole, tmp_path / "ran"))


def test_a_simulation_goes_on_where_it_stopped_and_comes_to_the_same(simulation, ran, tmp_path):
    asked = iter([False, False, False, True])
    stopping = Context(should_stop=lambda: next(asked, True))
    run_simulation(simulation, tmp_path / "halves", device="cpu", context=stopping)
    with pytest.raises(StateError, match="no seed of this simulation is complete"):
        summarize(simulation, tmp_path / "halves")
    run_simulation(simulation, tmp_path / "halves", device="cpu")
    whole, halves = (summarize(simulation, folder) for folder in (ran, tmp_path / "halves"))
    assert facts_of(whole) == facts_of(halves)
    assert whole.n_missing == 0


def test_parts_of_the_work_add_up_and_processes_change_nothing(simulation, ran, tmp_path):
    run_simulation(simulation, tmp_path / "parts", device="cpu", shard=Shard(1, 2))
    run_simulation(simulation, tmp_path / "parts", device="cpu", shard=Shard(2, 2), n_jobs=2)
    assert facts_of(summarize(simulation, tmp_path / "parts")) == facts_of(summarize(simulation, ran))


def test_a_rung_that_was_half_written_is_run_again(simulation, ran):
    before = facts_of(summarize(simulation, ran))
    store = ArmStore(ran, "stratified-0")
    (ran / "arms" / "stratified-0" / "00007.json").unlink()
    assert store.last() is None  # arrays and record are of different rungs
    run_simulation(simulation, ran, device="cpu")
    assert facts_of(summarize(simulation, ran)) == before


def test_other_settings_are_not_mixed_in(simulation, tmp_path):
    run_simulation(simulation, tmp_path, device="cpu", shard=Shard(1, 3))
    other = dataclasses.replace(simulation, template=dataclasses.replace(PLAN, diversity=0.1))
    with pytest.raises(StateError, match="other settings"):
        run_simulation(other, tmp_path, device="cpu")


def test_results_are_a_table_a_record_and_a_figure(simulation, ran):
    summary = summarize(simulation, ran)
    assert [one.strategy for one in summary.strategies] == ["largest-lumen", "stratified"]
    write_results(simulation, ran, summary)
    rows = (ran / "rungs.csv").read_text().splitlines()
    columns = "strategy,seed,n_labels,share,effort,clicks,mean_dice,dice_lumen,dice_eem"
    assert rows[0] == f"{columns},mended_predicted,mended_random,mended_truth"
    assert len(rows) == 1 + 2 * (1 + 2 * 2)  # seeds × (reference + strategies × rungs)
    record = json.loads((ran / "simulation.json").read_text())
    own = next(one for one in record["strategies"] if one["strategy"] == "stratified")
    assert own["gain_labels"] == [0.0, 0.0, 0.0]
    figure = (ran / "learning-curves.svg").read_text()
    assert figure.count("<polyline") == 6
    assert "border drawn, mm" in figure
    assert "largest-lumen" in figure
    assert 0.0 <= own["mended_truth"] <= own["mended_random"]
    assert own["mended_truth"] <= own["mended_predicted"]
    left = (ran / "frames-to-mend.svg").read_text()
    assert left.count("<polyline") == 2 * 3  # of each strategy: by predicted quality, at random, knowing the truth
    assert "largest-lumen: labels, % of the pool" in left


def test_rungs_of_an_older_version_say_nothing_of_the_frames_to_mend(simulation, ran):
    for path in ran.glob("arms/*/0*.json"):
        facts = json.loads(path.read_text())
        del facts["mended"]
        path.write_text(json.dumps(facts))
    summary = summarize(simulation, ran)
    write_results(simulation, ran, summary)
    assert {one[f"mended_{order}"] for one in facts_of(summary)["strategies"] for order in ("predicted", "truth")} == {
        None
    }
    assert all(line.endswith(",,,") for line in (ran / "rungs.csv").read_text().splitlines()[1:])
    assert not (ran / "frames-to-mend.svg").exists()
    run_simulation(dataclasses.replace(simulation, ladder=(0.2, 0.4, 0.6)), ran, device="cpu")  # goes on with them
    assert summarize(simulation, ran).n_missing == 0


def test_test_subjects_stay_sealed(trained):
    study = labelled_study(trained)
    splits = {trained.pullback(pullback_id).split for pullback_id in study.pullback_ids}
    assert splits == {"train", "validation"}
    assert len(study) == 9
    simulation = simulation_of(trained, strategies=["sqa"], n_seeds=2, ladder=[0.5, 0.25], mode="anew", max_steps=5)
    assert simulation.ladder == (0.25, 0.5)
    assert [name for name, _ in simulation.arms()] == [f"{REFERENCE}-0", "sqa-0", f"{REFERENCE}-1", "sqa-1"]


def test_too_few_subjects_are_refused(imported):
    with pytest.raises(StateError, match="at least three"):
        labelled_study(imported)
