"""What was laid on the working grid comes out in pixels of the frame, frame by frame."""

import numpy as np

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.laid_borders import LaidBorders
from ivsqa.domain.grid import working_grid
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.workflow.predicting.prediction import contours_on_frame, contours_on_frames

BOTH = StructureSet((Structure("lumen", "#00c8ff"), Structure("eem", "#ffb000")))
GRID = working_grid((40, 60), size_px=30)  # 2 frame pixels each way; its rows begin 10 px above the frame


def box(x: float, y: float, width: float, height: float) -> Contour:
    return Contour.from_points([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def laid(*contours: Contour | None) -> LaidBorders:
    return LaidBorders(contours, (True,) * len(contours), np.zeros((len(contours), 30, 30), dtype=bool))


def test_contours_of_frames_are_cut_at_the_frame_and_those_beyond_it_are_absent():
    inside, over_the_top, above = box(10, 10, 6, 6), box(5, 2, 20, 20), box(10, 0, 5, 3)
    borders = [laid(inside, over_the_top), laid(None, inside), laid(above, over_the_top), laid(None, None)]
    on_frames = contours_on_frames(BOTH, GRID, borders)
    assert [list(contours) for contours in on_frames] == [["lumen", "eem"], ["eem"], ["eem"], []]
    lumen, eem = (on_frames[0][name].points_px for name in BOTH.names)
    assert (lumen.min(axis=0).tolist(), lumen.max(axis=0).tolist()) == ([20.5, 10.5], [32.5, 22.5])
    assert (eem.min(axis=0).tolist(), eem.max(axis=0).tolist()) == ([10.5, -0.5], [50.5, 34.5])
    for contours, of_frame in zip(on_frames, borders, strict=True):
        alone = contours_on_frame(BOTH, GRID, of_frame)
        assert {name: line.points_px.tolist() for name, line in alone.items()} == {
            name: line.points_px.tolist() for name, line in contours.items()
        }
