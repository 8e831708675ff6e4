"""The surfaces against every possibility tried, and against an integer programme."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, sparse

from ivsqa.domain.geometry.closed_surfaces import closed_curves, closed_surfaces


def cost_of(costs: NDArray[np.float64], rows: NDArray[np.intp]) -> float:
    return float(np.take_along_axis(costs, rows[..., None], axis=2).sum())


def least_by_trying(costs: NDArray[np.float64], max_step: int, min_gap: int) -> float:
    """Return the least cost over all closed surfaces, infinite where there are none."""
    n_surfaces, n_columns, n_rows = costs.shape
    closed = [
        path
        for path in itertools.product(range(n_rows), repeat=n_columns)
        if all(abs(path[at] - path[at - 1]) <= max_step for at in range(n_columns))
    ]
    best = np.inf
    for paths in itertools.product(closed, repeat=n_surfaces):
        rows = np.array(paths)
        if (np.diff(rows, axis=0) >= min_gap).all():
            best = min(best, cost_of(costs, rows))
    return best


def least_by_integer_programme(costs: NDArray[np.float64], max_step: int, min_gap: int) -> float:
    """Return the least cost: one cell a column and surface; no two cells that exclude each other."""
    number = np.arange(costs.size).reshape(costs.shape)
    n_surfaces, n_columns, n_rows = costs.shape
    ones, pairs = number.reshape(-1, n_rows), []
    for surface, column, row, other in itertools.product(*map(range, (n_surfaces, n_columns, n_rows, n_rows))):
        if abs(row - other) > max_step:
            pairs.append((number[surface, column - 1, row], number[surface, column, other]))
        if surface and other - row < min_gap:
            pairs.append((number[surface - 1, column, row], number[surface, column, other]))
    each = sparse.csr_array((np.ones(ones.size), (np.repeat(np.arange(len(ones)), n_rows), ones.ravel())))
    exclude = sparse.csr_array((np.ones(2 * len(pairs)), (np.repeat(np.arange(len(pairs)), 2), np.ravel(pairs))))
    found = optimize.milp(
        costs.ravel(),
        integrality=np.ones(costs.size, dtype=np.int64),
        bounds=optimize.Bounds(0, 1),
        constraints=[optimize.LinearConstraint(each, 1, 1), optimize.LinearConstraint(exclude, -np.inf, 1)],
    )
    assert found.fun is not None
    return float(found.fun)


def least_by_first_row(costs: NDArray[np.float64], max_step: int) -> float:
    """Return the least cost over all closed curves in a field, (columns, rows), of the best for each row of the first column."""
    n_rows, least = costs.shape[1], np.inf
    near = np.abs(np.subtract.outer(np.arange(n_rows), np.arange(n_rows))) <= max_step
    for first in range(n_rows):
        reached = np.where(np.arange(n_rows) == first, costs[0], np.inf)
        for column in costs[1:]:
            reached = np.where(near, reached, np.inf).min(axis=1) + column
        least = min(least, reached[near[first]].min())
    return float(least)


@pytest.mark.parametrize("seed", range(40))
def test_surfaces_cost_as_little_as_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_surfaces, n_columns, n_rows = int(rng.integers(1, 3)), int(rng.integers(3, 5)), int(rng.integers(2, 5))
    max_step, min_gap = int(rng.integers(0, 3)), int(rng.integers(0, 2))
    costs = rng.normal(size=(n_surfaces, n_columns, n_rows))
    rows = closed_surfaces(costs, max_step=max_step, min_gap=min_gap)
    assert cost_of(costs, rows) == pytest.approx(least_by_trying(costs, max_step, min_gap))
    assert (np.abs(rows - np.roll(rows, 1, axis=1)) <= max_step).all()
    assert (np.diff(rows, axis=0) >= min_gap).all()


@pytest.mark.parametrize(("n_surfaces", "seed"), [(1, 0), (2, 1), (2, 2), (2, 3), (3, 4), (3, 5)])
def test_surfaces_cost_as_little_as_the_integer_programme_finds(n_surfaces: int, seed: int) -> None:
    costs = np.random.default_rng(seed).normal(size=(n_surfaces, 8, 9))
    rows = closed_surfaces(costs, max_step=2, min_gap=2)
    assert cost_of(costs, rows) == pytest.approx(least_by_integer_programme(costs, 2, 2))


def test_a_spiral_is_not_a_border() -> None:
    # The cheapest path climbs a row a column and ends five rows above its start.
    costs = np.full((1, 6, 6), 1.0)
    costs[0, np.arange(6), np.arange(6)] = 0.0
    rows = closed_surfaces(costs, max_step=1, min_gap=0)
    assert cost_of(costs, rows) == least_by_trying(costs, 1, 0) == 2.0  # up to row 3 and down again


def test_without_a_step_the_surface_is_a_circle() -> None:
    costs = np.array([[[0.0, 2.0, 1.0], [5.0, 2.0, 1.0], [0.0, 2.0, 2.5]]])
    assert closed_surfaces(costs, max_step=0, min_gap=0).tolist() == [[2, 2, 2]]  # 4.5, and 5 and 6 elsewhere


def test_a_column_with_one_open_cell_is_passed_there() -> None:
    costs = np.zeros((1, 8, 9))
    costs[0, :, 1:] = 1.0
    costs[0, 3, :] = np.inf
    costs[0, 3, 4] = 1.0
    assert closed_surfaces(costs, max_step=2, min_gap=0).tolist() == [[0, 0, 2, 4, 2, 0, 0, 0]]


def test_what_cannot_be_kept_is_refused() -> None:
    costs = np.full((1, 4, 9), np.inf)
    costs[0, :, 0] = 0.0
    costs[0, 2, :] = np.inf
    costs[0, 2, 8] = 0.0
    with pytest.raises(ValueError, match="no closed borders keep"):
        closed_surfaces(costs, max_step=2, min_gap=0)
    with pytest.raises(ValueError, match="no closed borders keep"):
        closed_surfaces(np.full((1, 4, 4), np.inf), max_step=1, min_gap=0)
    with pytest.raises(ValueError, match="no closed borders keep"):
        closed_surfaces(np.zeros((2, 4, 3)), max_step=1, min_gap=3)


def test_more_than_memory_holds_is_refused_and_apart_is_no_matter() -> None:
    apart = np.ones((4, 4, 64))
    apart[range(4), :, [5, 15, 25, 35]] = 0.0
    assert closed_surfaces(apart, max_step=1, min_gap=3)[:, 0].tolist() == [5, 15, 25, 35]
    with pytest.raises(ValueError, match="4 borders over 64 radii are too many"):
        closed_surfaces(np.zeros((4, 4, 64)), max_step=1, min_gap=3)


def test_curves_of_many_fields_are_those_of_each() -> None:
    rng = np.random.default_rng(7)
    costs = np.cumsum(rng.normal(size=(3, 8, 6, 9)), axis=-1)
    costs[0, 0] = np.abs(np.arange(9) - 4.0)  # a circle, found at once
    curves = closed_curves(costs, max_step=1)
    for field in np.ndindex(3, 8):
        assert curves[field].tolist() == closed_surfaces(costs[field][None], max_step=1, min_gap=0)[0].tolist()


@pytest.mark.parametrize("n_torn", [1, 3, 20])
def test_a_curve_torn_in_a_few_columns_costs_as_little_as_the_best_of_all(n_torn: int) -> None:
    rng = np.random.default_rng(n_torn)
    border = 8.0 + 3.0 * np.sin(np.arange(24) * (np.pi / 12.0) + rng.uniform(0.0, 6.0, (30, 1)))
    for field in border:
        field[rng.integers(24, size=n_torn)] = rng.integers(1, 15, n_torn)
    costs = 0.1 * (np.arange(16) - border[..., None]) ** 2 + 0.3 * rng.random((30, 24, 16))
    for field, rows in zip(costs, closed_curves(costs, max_step=2), strict=True):
        assert (np.abs(rows - np.roll(rows, 1)) <= 2).all()
        assert cost_of(field[None], rows[None]) == pytest.approx(least_by_first_row(field, 2))


def test_a_curve_leaves_the_best_rows_as_far_as_it_must() -> None:
    # One column is cheap nine rows off alone, and elsewhere a row costs 1: up and down again in nine steps each.
    costs = np.tile(np.arange(10.0), (40, 1))
    costs[0] = 100.0
    costs[0, 9] = 0.0
    rows = closed_curves(costs, max_step=1)
    assert rows.tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1, *[0] * 23, 1, 2, 3, 4, 5, 6, 7, 8]
