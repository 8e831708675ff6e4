"""The spacing that only a file of another tool has is offered, and taken where the user asks for it."""

import json

import numpy as np
import pytest

from ivsqa.io.sources.find import find_sources

PIXELS = np.zeros((2, 40, 50), dtype=np.uint8)
XML = (
    "<AnalysisState><ImageState><Xdim>{width}</Xdim><Ydim>40</Ydim></ImageState><ImageCalibration>"
    "<XCalibration>{side}</XCalibration><YCalibration>{side}</YCalibration></ImageCalibration><FrameState/></AnalysisState>"
)


@pytest.fixture
def claims(write_dicom, tmp_path):
    """Return a maker of the claims on a file with texts beside it."""

    def make(beside, **tags):
        path = write_dicom("run.dcm", PIXELS, **tags)
        for name, text in beside.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        (source,), _ = find_sources(path)
        return source.claims()

    return make


def test_the_calibration_of_echoplaque_is_offered_and_taken_when_asked_for(claims):
    found = claims({"run_contours.xml": XML.format(width=50, side=0.25)})
    assert found.settled().spacing_mm is None
    assert "a file of echoPlaque says 0.25 mm per pixel" in found.settled().notes[0]
    assert "--spacing-from beside" in found.settled().notes[0]
    taken = found.settled(spacing_from_beside=True)
    assert (taken.spacing_mm, taken.spacing_source) == ((0.25, 0.25), "a file of echoPlaque")


def test_the_spacing_by_the_areas_of_aivus_is_offered(claims):
    square = [[[0.0, 10.0, 10.0, 0.0, 0.0]] * 2, [[0.0, 0.0, 10.0, 10.0, 0.0]] * 2]
    area_px2 = 157.0  # of the curve through the four corners, about that of the circle around them
    found = claims({"run_contours_1_1_1.json": json.dumps({"lumen": square, "lumen_area": [area_px2 * 0.0225] * 2})})
    spacing = found.settled(spacing_from_beside=True).spacing_mm
    assert spacing == pytest.approx((0.15, 0.15), rel=0.03)


def test_where_the_frames_say_otherwise_both_are_named_whoever_counts(claims):
    found = claims({"run_contours.xml": XML.format(width=50, side=0.25)}, PixelSpacing=[0.2, 0.2])
    own, beside = found.settled(), found.settled(spacing_from_beside=True)
    assert (own.spacing_mm, beside.spacing_mm) == ((0.2, 0.2), (0.25, 0.25))
    assert "echoPlaque says 0.25 mm" in own.notes[0]
    assert "PixelSpacing says 0.2 mm" in beside.notes[0]


@pytest.mark.parametrize("text", ["<AnalysisState", XML.format(width=99, side=0.25), XML.format(width=50, side="")])
def test_a_file_that_is_broken_or_of_another_run_offers_nothing(claims, text):
    assert claims({"run_contours.xml": text}).claims == ()
