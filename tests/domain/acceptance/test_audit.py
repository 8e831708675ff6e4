import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.domain.acceptance.audit import (
    Audit,
    FramePool,
    draw_frames,
    draw_visits,
    draw_whole_subjects,
    shares_of_visits,
)

SUBJECTS = st.lists(st.integers(0, 4), min_size=1, max_size=30).map(np.array)


def pool_of(subjects) -> FramePool:
    return FramePool(np.linspace(0.0, 1.0, len(subjects)), np.asarray(subjects))


def drawn(frames, visits=None, **more) -> Audit:
    frames = np.asarray(frames, dtype=np.intp)
    return Audit(frames, np.zeros(len(frames)), None if visits is None else np.asarray(visits, dtype=np.intp), **more)


@given(st.integers(1, 30), st.integers(0, 40), st.integers(0, 9))
def test_no_frame_is_drawn_twice_and_a_longer_audit_begins_as_the_shorter_one(n_frames, n, seed):
    frames = draw_frames(n_frames, n, np.random.default_rng(seed))
    assert len(np.unique(frames)) == len(frames) == min(n, n_frames)
    more = draw_frames(n_frames, n + 3, np.random.default_rng(seed))
    assert more[: len(frames)].tolist() == frames.tolist()


@given(SUBJECTS, st.integers(0, 8), st.integers(1, 4), st.integers(0, 9))
def test_a_visit_draws_frames_of_one_subject(subjects, n_visits, per_visit, seed):
    frames, visits = draw_visits(subjects, n_visits, per_visit, np.random.default_rng(seed))
    audit = drawn(frames, visits)
    assert audit.n_units == n_visits
    for visit in range(n_visits):
        (subject,) = set(subjects[frames[visits == visit]])
        assert np.count_nonzero(visits == visit) == min(per_visit, np.count_nonzero(subjects == subject))
    assert shares_of_visits(pool_of(subjects), audit).tolist() == [0.0] * n_visits


@given(SUBJECTS, st.integers(0, 9), st.integers(0, 9))
def test_whole_subjects_take_their_share_of_the_pool_with_them(subjects, n_subjects, seed):
    frames, visits = draw_whole_subjects(subjects, n_subjects, np.random.default_rng(seed))
    audit = drawn(frames, visits, is_whole=True)
    assert audit.n_units == min(n_subjects, len(np.unique(subjects)))
    assert shares_of_visits(pool_of(subjects), audit).sum() == pytest.approx(len(frames) / len(subjects))


def test_subjects_are_drawn_by_the_number_of_their_frames():
    # Of five frames four are the first subject's.
    subjects, rng = np.array([0, 0, 0, 0, 1]), np.random.default_rng(0)
    for draw in (lambda: draw_visits(subjects, 1, 1, rng), lambda: draw_whole_subjects(subjects, 1, rng)):
        first = [subjects[draw()[0][0]] == 0 for _ in range(2000)]
        assert np.mean(first) == pytest.approx(0.8, abs=0.03)


def test_a_frame_may_come_again_in_another_visit_but_not_in_a_draw_that_puts_none_back():
    assert drawn([3, 3], [0, 1]).n_units == 2
    for again in (([3, 3],), ([3, 3], [0, 0])):
        with pytest.raises(ValueError, match="drawn twice"):
            drawn(*again)
    with pytest.raises(ValueError, match="drawn twice"):
        drawn([3, 3], [0, 1], is_whole=True)


def test_audits_that_are_not_what_they_say_are_refused():
    pool = pool_of([0, 0, 1])
    with pytest.raises(ValueError, match="more than one subject"):
        shares_of_visits(pool, drawn([0, 2], [0, 0]))
    with pytest.raises(ValueError, match="not read as a whole"):
        shares_of_visits(pool, drawn([0, 2], [0, 1], is_whole=True))
    with pytest.raises(ValueError, match="not visits"):
        shares_of_visits(pool, drawn([0]))
    with pytest.raises(ValueError, match="drew no frame"):
        drawn([0], [1])
    with pytest.raises(ValueError, match="not in"):
        Audit(np.array([0]), np.array([-0.1]))
    with pytest.raises(ValueError, match="not in"):
        FramePool(np.array([1.5]), np.array([0]))


def test_each_draw_says_what_must_be_true_of_it():
    audits = (drawn([0]), drawn([0], [0]), drawn([0], [0], is_whole=True))
    assert len({audit.assumption for audit in audits}) == 3
