"""Structures nest, and label maps number the rings from the inside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.contour import Contour
from ivsqa.domain.structures import IGNORE_LABEL, Structure, StructureSet, masks_of_rings, training_labels

BOTH = StructureSet((Structure("lumen", "#00c8ff"), Structure("eem", "#ffb000")))
THREE = StructureSet((Structure("lumen", "#000000"), Structure("stent", "#111111"), Structure("eem", "#222222")))
SHAPE = (12, 12)


def square(x: float, y: float, side: float) -> Contour:
    return Contour.from_points([[x, y], [x + side, y], [x + side, y + side], [x, y + side]])


LUMEN, STENT, EEM = square(4, 4, 2), square(3, 3, 4), square(1, 1, 8)


def counts(labels):
    return {int(label): int((labels == label).sum()) for label in np.unique(labels)}


def test_structures_are_named_and_nested_from_the_inside():
    assert THREE.names == ("lumen", "stent", "eem")
    assert THREE.outermost == "eem"
    assert len(THREE) == 3
    assert BOTH.color_of("eem") == "#ffb000"


def test_color_of_an_unknown_structure_is_refused():
    with pytest.raises(ValueError, match="media"):
        BOTH.color_of("media")


def test_no_structure_and_repeated_names_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        StructureSet(())
    with pytest.raises(ValueError, match="repeat"):
        StructureSet((Structure("lumen", "#000000"), Structure("lumen", "#111111")))


def test_label_map_holds_the_rings():
    assert counts(BOTH.label_map({"lumen": LUMEN, "eem": EEM}, SHAPE)) == {0: 80, 1: 4, 2: 60}


def test_lumen_wins_where_it_leaves_the_eem():
    assert counts(BOTH.label_map({"lumen": square(0, 4, 2), "eem": EEM}, SHAPE)) == {0: 78, 1: 4, 2: 62}


@given(st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=16)
def test_masks_come_back_from_the_label_map_of_nested_contours(x, y):
    contours = {"lumen": square(2 + x, 2 + y, 3), "eem": EEM}
    masks = BOTH.masks_from_label_map(BOTH.label_map(contours, SHAPE))
    assert all((masks[name] == contours[name].mask(SHAPE)).all() for name in BOTH.names)


def test_ignored_pixels_belong_to_no_structure():
    masks = BOTH.masks_from_label_map(np.full(SHAPE, IGNORE_LABEL))
    assert not any(mask.any() for mask in masks.values())


def test_empty_frame_trains_as_background():
    assert counts(training_labels(BOTH, {}, SHAPE)) == {0: 144}


def test_full_chain_trains_as_it_is_drawn():
    contours = {"lumen": LUMEN, "eem": EEM}
    assert (training_labels(BOTH, contours, SHAPE) == BOTH.label_map(contours, SHAPE)).all()


def test_missing_border_leaves_the_rings_beside_it_unknown():
    assert counts(training_labels(BOTH, {"lumen": LUMEN}, SHAPE)) == {1: 4, IGNORE_LABEL: 140}
    assert counts(training_labels(BOTH, {"eem": EEM}, SHAPE)) == {0: 80, IGNORE_LABEL: 64}
    assert counts(training_labels(THREE, {"lumen": LUMEN, "eem": EEM}, SHAPE)) == {0: 80, 1: 4, IGNORE_LABEL: 60}


def test_masks_of_many_frames_are_those_of_each():
    labels = np.array([[[0, 1, 2, IGNORE_LABEL]], [[2, 2, 1, 0]]], dtype=np.uint8)
    inner, outer = masks_of_rings(labels, 2)
    assert inner[:, 0].tolist() == [[False, True, False, False], [False, False, True, False]]
    assert outer[:, 0].tolist() == [[False, True, True, False], [True, True, True, False]]
