"""Finishing is replayed on discs whose costs and losses can be counted by hand."""

import dataclasses

import numpy as np
import pytest

from ivsqa.domain.acceptance.minutes import CostModel, FrameWork
from ivsqa.domain.acceptance.promise import Promise
from ivsqa.domain.contour import Contour
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.workflow.simulating.erring_reader import ErringReader, Readings
from ivsqa.workflow.simulating.finish_study import summaries_of
from ivsqa.workflow.simulating.finishing import ARMS, BY_HAND, Finished, FinishPlan, drawn_pool, finish
from ivsqa.workflow.simulating.seen_frames import SeenFrames

LUMEN = StructureSet((Structure("lumen", "#808080"),))
EXACT = ErringReader(differs=0.0, misses=0.0)
"""A reader who draws the reference."""
SIZE = 48


def circle(radius: float) -> Contour:
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    return Contour.from_points(24.0 + radius * np.column_stack([np.cos(angles), np.sin(angles)]))


def disc(radius: float) -> np.ndarray:
    y, x = np.indices((SIZE, SIZE)) - 24.0
    return np.asarray(1.0 / (1.0 + np.exp(np.hypot(x, y) - radius)))


def frames_of(drawn_px: list[float], quality: list[float], *, px_mm: float = 0.1) -> SeenFrames:
    """Lumens of radius 12 px that a model draws with other radii, 0: not at all; each frame a pullback and subject of its own."""
    n = len(drawn_px)
    names = np.array([f"S{number}" for number in range(n)])
    return SeenFrames(
        LUMEN,
        np.stack([disc(radius)[None] for radius in drawn_px]),
        [{"lumen": circle(radius)} if radius else {} for radius in drawn_px],
        [{"lumen": circle(12.0)}] * n,
        np.array(quality),
        names,
        names,
        np.zeros(n, dtype=np.intp),
        np.full(n, np.nan),
        np.full(n, px_mm),
    )


def in_one_pullback(frames: SeenFrames) -> SeenFrames:
    one = np.full(len(frames), "P")
    return dataclasses.replace(frames, pullback_ids=one, subject_ids=one, frame_index=np.arange(len(frames)))


def ways(frames: SeenFrames, **plan: object) -> dict[str, Finished]:
    done = finish(frames, FinishPlan(reader=EXACT, **plan), seed=0)  # type: ignore[arg-type]
    assert [way.arm for way in done] == list(ARMS)
    return {way.arm: way for way in done}


def test_by_hand_takes_a_look_and_a_contour_a_frame_and_an_exact_reader_loses_nothing():
    way = ways(frames_of([12.0] * 6, [0.9] * 6), n_audit=1)[BY_HAND]
    assert way.minutes.expected == pytest.approx(6 * 85 / 60)
    assert way.minutes.low == pytest.approx(6 * 35 / 60)
    assert (way.n_seen, way.n_accepted, way.is_kept) == (6, 0, None)
    assert way.loss < 0.005


def test_a_border_that_is_right_costs_a_look_and_one_that_was_missed_is_drawn():
    frames = frames_of([12.0, 0.0], [0.9, 0.9])
    readings = Readings(frames, EXACT, CostModel(), 0)
    assert readings.assisted(0).work == FrameWork()
    assert readings.assisted(1).work == FrameWork(drawn=1)
    assert readings.blind(0).work == FrameWork(drawn=1)


def test_points_put_a_border_right_unless_drawing_is_quicker():
    frames = frames_of([8.0], [0.9])
    pointed = Readings(frames, EXACT, CostModel(), 0).assisted(0)
    assert pointed.work.drawn == 0
    assert pointed.work.points >= 1
    assert 0.0 < pointed.loss < 1.0 / 12.0 + 0.02  # within a pixel of a radius of 12
    drawn = Readings(frames, EXACT, CostModel(drawn_s=1.0, point_s=2.0), 0).assisted(0)
    assert drawn.work == FrameWork(drawn=1)
    assert drawn.loss < pointed.loss


def test_a_carried_correction_spares_drawing():
    quick = CostModel(drawn_s=3.0)  # so that borders are drawn, not pointed at
    done = ways(in_one_pullback(frames_of([8.0] * 6, [0.9] * 6)), n_audit=1, cost=quick)
    assert done["assisted"].minutes.expected == pytest.approx(6 * 8 / 60)
    assert done["carried"].minutes.expected == pytest.approx(
        (8 + 5 * 5) / 60
    )  # the first is drawn, the others looked at
    # Where no frame has a neighbour nothing can be carried.
    alone = ways(frames_of([8.0] * 6, [0.9] * 6), n_audit=1, cost=quick)
    assert alone["carried"].minutes == alone["assisted"].minutes


def test_two_readers_of_the_same_seed_differ_from_the_reference_alike_and_others_otherwise():
    frames = frames_of([12.0, 12.0], [0.9, 0.9])
    one, same, other = (Readings(frames, ErringReader(), CostModel(), seed) for seed in (0, 0, 1))
    same.wanted(1)  # the order in which frames are read changes nothing
    np.testing.assert_array_equal(one.wanted(0)["lumen"].points_px, same.wanted(0)["lumen"].points_px)
    assert one.blind(0).loss > 0.0
    assert one.blind(0).loss != other.blind(0).loss
    assert one.blind(0).loss != one.blind(1).loss


def test_where_spacing_is_unknown_readers_differ_by_a_share_of_the_diameter():
    known, unknown = frames_of([12.0], [0.9]), frames_of([12.0], [0.9], px_mm=np.nan)
    # A radius of 12 px at 0.125 mm is a lumen of 3 mm.
    same = dataclasses.replace(known, px_mm=np.array([0.125]))
    pair = [Readings(frames, ErringReader(), CostModel(), 0).wanted(0)["lumen"].area_px2 for frames in (same, unknown)]
    assert pair[0] == pytest.approx(pair[1], rel=1e-3)


GOOD_AND_BAD = [12.0] * 30 + [6.0] * 10
"""Radii: three quarters are right; the others lose more than half."""


def test_what_is_predicted_well_is_accepted_and_a_random_number_lets_less_be():
    frames = frames_of(GOOD_AND_BAD, [0.99] * 30 + [0.5] * 10)
    done = ways(frames, n_audit=150, n_frames=3000, promise=Promise(0.05, 0.9))
    certified, chance, truth = done["certificate"], done["random score"], done["true loss"]
    for way in (certified, chance, truth):
        assert way.n_seen + way.n_accepted == way.n_frames == 3000
        assert way.is_kept
        assert way.promised is not None
        assert way.promised <= 0.05
    # About 70 % are right and unread, and of the rest a part of the lost ones may go with them.
    assert certified.n_accepted > 0.6 * 3000 > chance.n_accepted
    assert certified.minutes.expected < chance.minutes.expected
    assert certified.n_accepted == pytest.approx(truth.n_accepted, abs=60)


def test_a_promise_that_cannot_be_proved_lets_nothing_be_accepted_and_all_is_read():
    way = ways(frames_of([6.0] * 20, [0.9] * 20), n_audit=5, promise=Promise(0.01, 0.9))["certificate"]
    assert (way.n_accepted, way.n_seen, way.promised, way.is_kept) == (0, 20, 0.0, True)
    audit_min = 5 * 85 / 60
    assert way.minutes.low < way.minutes.expected
    assert way.minutes.expected > audit_min


def test_an_audit_is_read_by_hand_and_delivered_as_read():
    frames = frames_of([12.0] * 4, [0.99] * 4)
    done = ways(frames, n_audit=100, n_frames=2000)["certificate"]
    assert done.n_accepted == 1900
    assert done.minutes.expected == pytest.approx(100 * 85 / 60)


def test_a_frame_of_unknown_quality_is_never_accepted():
    frames = frames_of([12.0] * 4, [0.99, 0.99, 0.99, np.nan])
    rows, _ = drawn_pool(frames.subject_ids, 2000, np.random.default_rng([0, 0]))
    done = ways(frames, n_audit=100, n_frames=2000)["certificate"]
    assert 0 < done.n_accepted <= np.count_nonzero(rows != 3)


def test_a_drawn_study_has_whole_subjects_but_for_the_last():
    rows, copies = drawn_pool(np.array(["a", "a", "b", "b", "b"]), 104, np.random.default_rng(0))
    assert rows.shape == copies.shape == (104,)
    whole = {tuple(rows[copies == copy]) for copy in range(copies.max())}
    assert whole == {(0, 1), (2, 3, 4)}
    rows, copies = drawn_pool(np.array(["a", "a", "b"]), None, np.random.default_rng(0))
    assert (rows.tolist(), copies.tolist()) == ([0, 1, 2], [0, 0, 1])


def test_shares_are_means_over_seeds_and_kept_promises_are_counted():
    frames = frames_of(GOOD_AND_BAD, [0.99] * 30 + [0.5] * 10)
    both = [finish(frames, FinishPlan(n_audit=20, reader=EXACT), seed=seed) for seed in (0, 1)]
    by_arm = {summary.arm: summary for summary in summaries_of(both)}
    assert by_arm[BY_HAND].of_by_hand == 1.0
    assert (by_arm[BY_HAND].n_kept, by_arm["certificate"].n_kept) == (None, 2)
    ratio = np.mean([ways[1].minutes.expected / ways[0].minutes.expected for ways in both])
    assert by_arm["assisted"].of_by_hand == pytest.approx(float(ratio))


def test_readings_of_an_earlier_promise_change_nothing():
    frames, strict, loose = (
        in_one_pullback(frames_of([9.0, 12.0] * 4, [0.9] * 8)),
        FinishPlan(n_audit=3),
        FinishPlan(Promise(0.2, 0.9), n_audit=3),
    )
    readings = Readings(frames, strict.reader, strict.cost, 0)
    finish(frames, strict, seed=0, readings=readings)
    assert finish(frames, loose, seed=0, readings=readings) == finish(frames, loose, seed=0)
