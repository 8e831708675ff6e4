import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.domain.acceptance.minutes import LONGEST, CostModel, FrameWork, TimedWork

WORK = st.builds(FrameWork, drawn=st.integers(0, 2), points=st.integers(0, 10), looks=st.just(1))


def test_a_pullback_by_hand_takes_hours_and_a_look_at_each_frame_minutes():
    # 100 frames with two borders each, and a look at each.
    by_hand = CostModel().minutes([FrameWork(drawn=2)] * 100)
    assert by_hand.expected == by_hand.high == pytest.approx(100 * 165 / 60)
    assert by_hand.low == pytest.approx(100 * 65 / 60)
    looks = CostModel().minutes([FrameWork(points=1.5)] * 100)
    assert looks.expected == looks.low == looks.high == pytest.approx(100 * 8 / 60)
    assert CostModel().minutes([]).expected == 0.0


def test_nothing_reported_leaves_the_model_as_it_is():
    assert CostModel().learned([]) == CostModel()


@given(st.lists(WORK, min_size=1, max_size=20))
def test_times_as_supposed_change_no_cost(frames):
    learned = CostModel().learned([TimedWork(work, CostModel().seconds(work)) for work in frames])
    assert (learned.drawn_s, learned.point_s, learned.look_s) == pytest.approx((80.0, 2.0, 5.0))


def test_many_reports_teach_what_each_kind_of_work_costs():
    rng = np.random.default_rng(0)
    true = CostModel(drawn_s=35.0, point_s=4.0, look_s=9.0)
    frames = [
        FrameWork(int(d), int(p)) for d, p in zip(rng.integers(0, 3, 3000), rng.integers(0, 9, 3000), strict=True)
    ]
    learned = CostModel().learned([TimedWork(work, true.seconds(work) * rng.gamma(20.0, 0.05)) for work in frames])
    assert learned.drawn_s == pytest.approx(35.0, rel=0.05)
    assert learned.point_s == pytest.approx(4.0, rel=0.3)
    assert learned.look_s == pytest.approx(9.0, rel=0.3)


def test_few_reports_move_a_cost_part_of_the_way_and_narrow_the_band():
    costs = [CostModel().learned([TimedWork(FrameWork(drawn=1), 45.0)] * n) for n in (0, 3, 30)]
    assert costs[0].drawn_s > costs[1].drawn_s > costs[2].drawn_s > 40.0
    widths = [(cost.drawn_high_s - cost.drawn_low_s) / cost.drawn_s for cost in costs]
    assert widths[0] > widths[1] > widths[2] > 0.0
    assert all(cost.drawn_low_s <= cost.drawn_s <= cost.drawn_high_s for cost in costs)


def test_a_reader_who_went_for_lunch_did_not_draw_all_that_time():
    one = FrameWork(drawn=1)
    usual = [TimedWork(one, 85.0)] * 19
    lunch, long = (CostModel().learned([*usual, TimedWork(one, last)]) for last in (3600.0, LONGEST * 85.0))
    assert lunch == long
    assert lunch.drawn_s < 100.0


def test_work_that_nobody_reported_costs_what_was_supposed():
    learned = CostModel().learned([TimedWork(FrameWork(looks=1), 10.0)] * 50)
    assert (learned.drawn_s, learned.point_s) == pytest.approx((80.0, 2.0))
    assert learned.look_s > 8.0
