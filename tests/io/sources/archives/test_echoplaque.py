import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from defusedxml.ElementTree import fromstring

from ivsqa.domain.contour import Contour
from ivsqa.errors import AnnotationError
from ivsqa.io.sources.archives.echoplaque import ECHOPLAQUE, echoplaque_text
from ivsqa.io.sources.archives.registry import format_of

LUMEN = [(20, 10), (30, 10), (30, 20), (20, 20)]
EEM = [(10, 5), (40, 5), (40, 30), (10, 30)]


def deep_ivus(frames, *, sides=(50, 40), calibration=0.02, n_frames=3, doctype=""):
    """Return a file as DeepIVUS writes it: constants and paths in its header, an Fm for each frame."""
    root = ET.Element("AnalysisState")
    ET.SubElement(root, "AnalyzedFileNameFullPath").text = r"D:\CASE0000\DOE^JOHN"
    ET.SubElement(ET.SubElement(root, "Demographics"), "PatientName").text = "DOE^JOHN"
    state = ET.SubElement(root, "ImageState")
    for tag, value in zip(("Xdim", "Ydim", "NumberOfFrames"), (*sides, n_frames), strict=True):
        ET.SubElement(state, tag).text = str(value)
    image = ET.SubElement(root, "ImageCalibration")
    for tag, value in {"XCalibration": calibration, "YCalibration": calibration, "AcqRateInFPS": 133.0}.items():
        ET.SubElement(image, tag).text = str(value)
    frame_state = ET.SubElement(root, "FrameState")
    for tag, value in {"ImageRelativePoints": "TRUE", "Xoffset": 109, "Yoffset": 3}.items():
        ET.SubElement(frame_state, tag).text = str(value)
    for number, contours in frames.items():
        frame = ET.SubElement(frame_state, "Fm")
        ET.SubElement(frame, "Num").text = str(number)
        for kind, points in contours:
            contour = ET.SubElement(frame, "Ctr")
            for tag, value in {"Npts": len(points), "Type": kind, "HandDrawn": "T"}.items():
                ET.SubElement(contour, tag).text = str(value)
            for x, y in points:
                ET.SubElement(contour, "p").text = f"{x},{y}"
    return doctype + ET.tostring(root, encoding="unicode")


def write(folder, text):
    path = folder / "run_contours.xml"
    path.write_text(text, encoding="utf-8")
    return path


def test_frames_count_from_zero_and_offsets_mean_nothing(tmp_path, target):
    path = write(tmp_path, deep_ivus({0: [], 1: [("L", LUMEN), ("V", EEM)], 2: [("L", [])]}))
    assert format_of(path, target) == ECHOPLAQUE
    found = ECHOPLAQUE.read([path], target)
    assert {index: set(drawn) for index, drawn in found.contours.items()} == {1: {"lumen", "eem"}}
    np.testing.assert_array_equal(found.contours[1]["lumen"].points_px, LUMEN)
    assert found.contours[1]["eem"].area_px2 == 30 * 25
    assert found.notes == ("run_contours.xml (echoPlaque): contours of 1 frame",)


def test_nothing_of_the_person_in_the_header_is_kept(tmp_path, target):
    found = ECHOPLAQUE.read([write(tmp_path, deep_ivus({1: [("L", LUMEN), ("S", EEM)]}))], target)
    assert "DOE" not in repr(found)
    assert "passed over 1 contour of stent" in found.notes[1]


def test_its_calibration_is_compared_with_that_of_the_pullback(tmp_path, target):
    path = write(tmp_path, deep_ivus({1: [("L", LUMEN)]}, calibration=0.025))
    assert "goes by 0.025 mm per pixel, but the pullback has 0.02" in ECHOPLAQUE.read([path], target).notes[1]
    unknown = ECHOPLAQUE.read([path], replace(target, spacing_mm=None))
    assert "goes by 0.025 mm per pixel; the frames say nothing" in unknown.notes[1]


def test_of_two_lines_of_a_kind_the_larger_counts(tmp_path, target):
    found = ECHOPLAQUE.read([write(tmp_path, deep_ivus({1: [("L", LUMEN), ("L", EEM), ("L", LUMEN)]}))], target)
    assert found.contours[1]["lumen"].area_px2 == 30 * 25
    assert "frame 1 has two lumen contours" in found.notes[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<AnalysisState><Fm>", "not valid XML"),
        (deep_ivus({}, doctype='<!DOCTYPE x [<!ENTITY a "b">]>'), "declares XML entities"),
        (deep_ivus({}, sides=(500, 480)), "drawn on images of 500 × 480 px, but the frames are 50 × 40 px"),
        (deep_ivus({"": [("L", LUMEN)]}), "a frame has no number"),
        (deep_ivus({7: [("L", LUMEN)]}), "there is no frame 7"),
        (deep_ivus({1: [("L", LUMEN)]}).replace("20,10", "20;10"), "point that is not x,y"),
    ],
)
def test_files_that_make_no_sense_are_refused_in_one_line(tmp_path, target, text, said):
    path = write(tmp_path, text)
    with pytest.raises(AnnotationError, match=said) as caught:
        ECHOPLAQUE.read([path], target)
    assert caught.value.path == path


def test_two_files_for_a_pullback_are_refused(tmp_path, target):
    paths = [tmp_path / "a.xml", tmp_path / "b.xml"]
    with pytest.raises(AnnotationError, match=r"is there besides a\.xml"):
        ECHOPLAQUE.read(paths, target)


def test_what_is_written_is_one_line_of_whole_pixels_and_reads_back(tmp_path, target):
    drawn = {1: {"lumen": Contour.from_points(np.array(LUMEN) + 0.3), "eem": Contour.from_points(EEM)}}
    said: dict[str, Any] = {"n_frames": 3, "shape": (40, 50), "spacing_mm": (0.02, 0.02), "speed_mm_s": 0.5}
    text = echoplaque_text("run", drawn, **said)
    assert "\n" not in text
    assert not text.startswith("<?xml")
    assert [frame.findtext("Num") for frame in fromstring(text).iter("Fm")] == ["0", "1", "2"]
    found = ECHOPLAQUE.read([write(tmp_path, text)], target)
    np.testing.assert_array_equal(found.contours[1]["lumen"].points_px, LUMEN)
    assert echoplaque_text("run", found.contours, **said) == text
    assert len(found.notes) == 1


def test_what_is_not_known_is_left_empty_and_a_line_of_no_pixels_out():
    tiny = {0: {"lumen": Contour.from_points([[1.1, 1.1], [1.2, 1.1], [1.2, 1.2]])}}
    text = echoplaque_text("a<b", tiny, n_frames=1, shape=(4, 4), spacing_mm=None, speed_mm_s=None)
    root = fromstring(text)
    assert (root.findtext("AnalyzedFileName"), root.findtext(".//XCalibration")) == ("a<b", "")
    assert not list(root.iter("Ctr"))
