"""What a page shows around a frame."""

import numpy as np
import pytest

from ivsqa.io.packets.browser.surroundings import stored_neighbours
from ivsqa.workflow.rounds.surroundings import surroundings_of
from tests.io.packets.browser.page_frames import SHAPE, page_frame

CUT = np.zeros((4, 400), dtype=np.uint8)


class Pullback:
    """Twenty frames, each of its own grey."""

    n_frames = 20
    frames = np.arange(20, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), dtype=np.uint8)

    def __init__(self, step_mm: float | None) -> None:
        self._step_mm = step_mm

    def positions_mm(self) -> np.ndarray | None:
        return None if self._step_mm is None else np.arange(20) * self._step_mm


@pytest.mark.parametrize(
    ("step_mm", "frame_index", "offsets"),
    [
        (0.02, 10, [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]),
        (0.5, 10, [-2, -1, 1, 2]),  # a millimetre to each side
        (2.0, 10, []),
        (None, 10, [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]),
        (0.02, 1, [-1, 1, 2, 3, 4, 5]),
    ],
)
def test_neighbours_are_near_in_frames_and_along_the_vessel(
    step_mm: float | None, frame_index: int, offsets: list[int]
) -> None:
    around = surroundings_of(Pullback(step_mm), frame_index, CUT)  # type: ignore[arg-type]
    assert list(around.neighbours) == offsets
    assert all((image == frame_index + offset).all() for offset, image in around.neighbours.items())
    assert around.step_mm == (None if step_mm is None else pytest.approx(step_mm if offsets else 0.0))
    assert around.place == pytest.approx(frame_index / 19)


def test_the_square_holds_all_borders_and_lies_in_the_frame() -> None:
    frame = page_frame(0)
    assert frame.surroundings is not None
    stored = stored_neighbours(frame, frame.surroundings)
    left, top, side = (int(str(stored[key])) for key in ("left", "top", "side"))
    points = np.vstack([contour.points_px for contour in frame.contours.values()])
    assert (points >= (left, top)).all()
    assert (points <= (left + side, top + side)).all()
    assert left >= 0 <= top
    assert left + side <= SHAPE[1]
    assert top + side <= SHAPE[0]
    assert stored["offsets"] == [-2, -1, 0, 1]
