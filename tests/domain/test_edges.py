import numpy as np
import pytest

from ivsqa.domain.edges import Edges

SQUARE = np.array([[1.0, 1.0], [4.0, 1.0], [4.0, 4.0], [1.0, 4.0]])  # clockwise on the screen
TRIANGLE = np.array([[0.0, 0.0], [0.0, 6.0], [6.0, 0.0]])  # the other way round
BOTH = Edges.of([SQUARE, np.empty((0, 2)), TRIANGLE])


def shuffled(edges: Edges) -> Edges:
    order = np.random.default_rng(0).permutation(len(edges.line))
    return Edges(edges.start_px[order], edges.end_px[order], edges.line[order], edges.n_lines)


@pytest.mark.parametrize("edges", [BOTH, shuffled(BOTH)])
def test_area_and_centroid_of_each_line_by_hand_in_any_order_of_its_edges(edges: Edges) -> None:
    areas, centroids = edges.areas_and_centroids()
    np.testing.assert_allclose(areas, [9.0, 0.0, -18.0])
    np.testing.assert_allclose(centroids, [[2.5, 2.5], [np.nan, np.nan], [2.0, 2.0]])


@pytest.mark.parametrize("edges", [BOTH, shuffled(BOTH)])
def test_each_line_has_the_mask_of_its_own_pixels(edges: Edges) -> None:
    masks = edges.masks((5, 7))
    assert [int(mask.sum()) for mask in masks] == [9, 0, 20]  # half open; 6 + 5 + 4 + 3 + 2
    assert masks[0, 1:4, 1:4].all()
    assert masks[2, 0].tolist() == [True] * 6 + [False]


def test_each_line_encloses_its_own_point_or_not() -> None:
    assert BOTH.enclose(np.array([[2.0, 3.5], [2.0, 2.0], [5.0, 5.0]])).tolist() == [True, False, False]
    assert BOTH.enclose(np.array([[4.5, 2.0], [2.0, 2.0], [1.0, 1.0]])).tolist() == [False, False, True]


def test_no_line_at_all_has_nothing() -> None:
    none = Edges.of([])
    assert none.masks((3, 3)).shape == (0, 3, 3)
    assert [len(part) for part in none.areas_and_centroids()] == [0, 0]
