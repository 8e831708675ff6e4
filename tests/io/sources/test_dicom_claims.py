from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from ivsqa.domain.contour import Contour
from ivsqa.io.formats.dicom_header import DicomHeader
from ivsqa.io.sources.dicom import DicomSource
from ivsqa.io.sources.dicom_claims import claims_from_headers
from ivsqa.io.sources.dicom_regions import pane_notes
from ivsqa.io.sources.dicom_runs import DicomRun

WHOLE = (0, 0, 99, 79)
"""The corners of a region over the whole 100 × 80 px image."""


def facts(made, n_frames=4):
    return claims_from_headers([DicomHeader.of(made, Path("a"))], n_frames=n_frames).settled()


def test_size_comes_from_the_header_and_the_rest_is_unknown(header):
    found = facts(header())
    assert (found.n_frames, found.height_px, found.width_px) == (4, 80, 100)
    assert found.spacing_mm is found.frame_time_s is found.pullback_speed_mm_s is None
    assert found.start_frame_index is found.stop_frame_index is None
    assert (found.manufacturer_model, found.notes) == ("", ())


def test_a_region_in_centimetres_gives_mm_per_pixel_in_x_and_y(header, region):
    found = facts(header([region(WHOLE, (0.002, 0.003))]))
    assert found.spacing_mm == pytest.approx((0.02, 0.03))
    assert found.spacing_source == "ultrasound region"


def test_the_sign_of_a_delta_is_a_direction_not_a_size(header, region):
    assert facts(header([region(WHOLE, (-0.002, 0.002))])).spacing_mm == pytest.approx((0.02, 0.02))


def test_regions_that_are_no_calibrated_picture_are_passed_over(header, region):
    screen, ecg = region(WHOLE, 1.0, kind=0, units=0), region((10, 60, 90, 79), 0.0045, kind=4, units=4)
    seconds, flat = region(WHOLE, 0.5, units=4), region(WHOLE, (0.0, 0.001))
    found = facts(header([screen, ecg, seconds, flat, region(WHOLE, 0.002)]))
    assert found.spacing_mm == pytest.approx((0.02, 0.02))


def test_of_two_regions_the_one_over_the_centre_counts(header, region):
    corner, centre = region((0, 0, 20, 20), 0.009), region((30, 20, 70, 60), 0.002)
    assert facts(header([corner, centre])).spacing_mm == pytest.approx((0.02, 0.02))


def test_corners_the_wrong_way_round_are_the_same_region(header, region):
    assert facts(header([region((99, 79, 0, 0), 0.002)])).spacing_mm == pytest.approx((0.02, 0.02))


def test_a_region_given_twice_is_no_contradiction_but_two_spacings_are(header, region):
    assert facts(header([region(WHOLE, 0.002)] * 2)).spacing_mm == pytest.approx((0.02, 0.02))
    found = facts(header([region(WHOLE, 0.002), region(WHOLE, 0.003)], PixelSpacing=[0.1, 0.1]))
    assert found.spacing_mm is None
    assert found.notes == (
        "the spacing is not known: ultrasound region says 0.02 mm per pixel, ultrasound region says 0.03 mm per pixel, "
        "PixelSpacing says 0.1 mm per pixel; give it with --spacing-mm",
    )


def test_a_region_larger_than_the_image_both_ways_was_resampled_and_is_not_trusted(header, region):
    found = facts(header([region((0, 0, 199, 159), 0.002)], PixelSpacing=[0.02, 0.02]))
    assert found.spacing_mm is None
    assert found.spacing_source == "unknown: the image was resampled"
    assert "0.02 mm" in found.notes[0]
    assert "--spacing-mm" in found.notes[0]


def test_the_note_names_both_values_where_pixels_are_not_square(header, region):
    assert "0.02 × 0.03 mm" in facts(header([region((0, 0, 199, 159), (0.002, 0.003))])).notes[0]


def test_a_region_larger_than_the_image_one_way_was_cropped_and_holds(header, region):
    found = facts(header([region((0, 0, 99, 159), 0.002)]))
    assert found.spacing_mm == pytest.approx((0.02, 0.02))
    assert "cropped" in found.notes[0]


def test_a_corner_counted_from_one_is_not_larger_than_the_image(header, region):
    assert "cropped" not in " ".join(facts(header([region((1, 1, 100, 80), 0.002)])).notes)


def test_a_region_beside_the_centre_gives_no_spacing_but_is_named(header, region):
    found = facts(header([region((0, 0, 20, 20), 0.009)]))
    assert found.spacing_mm is None
    assert "0.09 mm" in found.notes[0]


def test_pixel_spacing_is_rows_first_so_y_first(header):
    found = facts(header(PixelSpacing=[0.03, 0.02]))
    assert (found.spacing_mm, found.spacing_source) == ((0.02, 0.03), "PixelSpacing")


def test_nominal_spacing_is_the_last_resort(header):
    found = facts(header(PixelSpacing=[0, 0], NominalScannedPixelSpacing=[0.02, 0.02]))
    assert (found.spacing_mm, found.spacing_source) == ((0.02, 0.02), "NominalScannedPixelSpacing")


@pytest.mark.parametrize("values", [[0.0, 0.0], [-0.02, 0.02], [float("nan"), 0.02], [0.02]])
def test_nonsense_spacing_is_unknown(header, values):
    assert facts(header(PixelSpacing=values)).spacing_mm is None


def test_a_region_without_corners_is_passed_over(header, region):
    broken = region(WHOLE, 0.002)
    del broken.RegionLocationMaxX1
    assert facts(header([broken])).spacing_mm is None


def test_a_region_of_pixels_larger_than_any_number_gives_no_spacing(header, region):
    assert facts(header([region(WHOLE, 1e308)])).spacing_mm is None


@pytest.mark.parametrize("steps", [[0, 30, 40, 50], [30, 30, 40, 50], [30, 40, 50]])
def test_the_frame_time_vector_adds_up_from_the_first_frame(header, steps):
    found = facts(header(FrameTimeVector=steps, FrameTime=40))
    assert found.frame_time_s == pytest.approx((0.0, 0.03, 0.07, 0.12))
    assert found.frame_time_source == "FrameTimeVector"


@pytest.mark.parametrize(
    "steps", [[0, 30], [0, 30, -40, 50], [0, 0, 0, 0], [0, 30, 40, 50, 60], [0, 1e308, 1e308, 1e308]]
)
def test_a_frame_time_vector_that_does_not_fit_is_named_and_the_next_rule_counts(header, steps):
    found = facts(header(FrameTimeVector=steps, FrameTime=100))
    assert found.frame_time_s == pytest.approx((0.0, 0.1, 0.2, 0.3))
    assert found.frame_time_source == "FrameTime"
    assert "FrameTimeVector" in found.notes[0]


@pytest.mark.parametrize(
    ("tags", "source"),
    [
        ({"FrameTime": 50, "CineRate": 20}, "FrameTime"),
        ({"FrameTime": 0, "CineRate": 20}, "CineRate"),
        ({"CineRate": 0, "RecommendedDisplayFrameRate": 20}, "RecommendedDisplayFrameRate"),
    ],
)
def test_frame_time_comes_from_the_first_tag_that_makes_sense(header, tags, source):
    found = facts(header(**tags))
    assert (found.frame_time_s, found.frame_time_source) == (pytest.approx((0.0, 0.05, 0.1, 0.15)), source)


def test_without_any_rate_the_time_is_unknown_not_thirty_a_second(header):
    found = facts(header(FrameTime=-5))
    assert (found.frame_time_s, found.frame_time_source) == (None, "unknown")


def test_speed_comes_from_the_public_tag(header):
    found = facts(header(IVUSPullbackRate=0.5))
    assert (found.pullback_speed_mm_s, found.pullback_speed_source) == (0.5, "IVUSPullbackRate")


@pytest.mark.parametrize(
    ("vr", "value", "speed"),
    [
        ("UN", b"1.0 ", 1.0),
        ("UN", b"0.5\0", 0.5),
        ("DS", "0.5", 0.5),
        ("UN", b"\x00\xff\x13", None),
        ("UN", b"", None),
        ("LO", "12975", None),
        ("DS", "0", None),
        ("LO", "nan", None),
    ],
)
def test_the_private_speed_counts_only_where_it_reads_as_a_credible_number(header, vr, value, speed):
    made = header(IVUSPullbackRate=0)
    made[0x000B, 0x1001] = DataElement((0x000B, 0x1001), vr, value)
    assert facts(made).pullback_speed_mm_s == speed


def test_start_and_stop_count_from_one_in_dicom_and_from_zero_here(header):
    found = facts(header(IVUSPullbackStartFrameNumber=1, IVUSPullbackStopFrameNumber=4))
    assert (found.start_frame_index, found.stop_frame_index) == (0, 3)


@pytest.mark.parametrize(("start", "stop"), [(3, 2), (1, 5), (9, 0)])
def test_start_and_stop_outside_the_frames_are_unknown(header, start, stop):
    found = facts(header(IVUSPullbackStartFrameNumber=start, IVUSPullbackStopFrameNumber=stop))
    assert (found.start_frame_index, found.stop_frame_index) == (None, None)
    assert len(found.notes) == 1


def test_a_start_of_zero_is_unknown(header):
    assert facts(header(IVUSPullbackStartFrameNumber=0)).start_frame_index is None


def test_the_console_is_named_and_text_in_the_frames_reported(header):
    found = facts(header(Manufacturer="Maker ", ManufacturerModelName="X1", BurnedInAnnotation="YES"))
    assert found.manufacturer_model == "Maker X1"
    assert "burned into the frames" in found.notes[0]
    assert facts(header(BurnedInAnnotation="NO")).notes == ()


@pytest.mark.parametrize(
    ("name", "spacing"),
    [
        ("pydicom_examples_palette", 0.2622878766196998),
        ("fodicom_DIRW0007_USMF_65f_FrameTimeVector_2regions", 0.5247813350662957),
        ("pydicomdata_gdcm-US-ALOKA-16_palette16", 0.3826530650258064),
        ("dcm4che_YBR_FULL-RLE_2regions", 0.0953678518063735),
        ("cornerstone_no-pixel-spacing_rle_3regions", 0.3305420890260027),
        ("pydicom_examples_ybr_color_USMF_30f_jpeg", None),
        ("pydicomdata_US1_J2KR", None),
    ],
)
def test_spacing_of_real_files(shared_data, name, spacing):
    path = shared_data / "us-dicom" / f"{name}.dcm"
    found = DicomSource(path, name, DicomRun.of_file(path)).facts()
    assert found.spacing_mm == (None if spacing is None else pytest.approx((spacing, spacing), rel=1e-9))


def test_real_frame_times_add_up(shared_data):
    path = shared_data / "us-dicom" / "fodicom_DIRW0007_USMF_65f_FrameTimeVector_2regions.dcm"
    found = DicomSource(path, "a", DicomRun.of_file(path)).facts()
    assert found.frame_time_s is not None
    assert len(found.frame_time_s) == 65
    assert found.frame_time_s[:3] == pytest.approx((0.0, 0.033333, 0.083333))


def test_r_waves_end_diastole_in_the_nearest_frames(header):
    waves = [10.0, 140.0, 500.0]  # the last beyond the fourth frame, at 150 ms
    found = facts(header(FrameTime=50.0, RWaveTimeVector=waves))
    assert (found.end_diastolic_frames, found.gating_source) == ((0, 3), "RWaveTimeVector")


@pytest.mark.parametrize(
    "tags", [{"RWaveTimeVector": [10.0]}, {"FrameTime": 50.0, "RWaveTimeVector": [900.0]}, {"FrameTime": 50.0}]
)
def test_without_times_or_waves_in_them_phases_are_unknown(header, tags):
    found = facts(header(**tags))
    assert (found.end_diastolic_frames, found.gating_source) == (None, "unknown")


@pytest.mark.parametrize("way", ["MANUAL_PULLBACK", "SELECTIVE", "GATED_PULLBACK"])
def test_a_speed_is_not_believed_where_no_motor_pulled(header, way):
    found = facts(header(IVUSPullbackRate=0.5, IVUSAcquisition=way))
    assert found.pullback_speed_mm_s is None
    assert f"0.5 mm/s, but IVUSAcquisition says {way}" in found.notes[0]
    assert facts(header(IVUSPullbackRate=0.5, IVUSAcquisition="MOTOR_PULLBACK")).pullback_speed_mm_s == 0.5


def test_the_pointer_decides_between_two_times_but_not_against_the_rate(header):
    times = {"FrameTime": 33.3, "FrameTimeVector": [0, 20, 20, 20]}
    for tag, step in ((0x00181063, 0.0333), (0x00181065, 0.02)):
        found = facts(header(**times, FrameIncrementPointer=tag))
        assert found.frame_time_s is not None
        assert found.frame_time_s[1] == pytest.approx(step)
        assert len(found.notes) == 1
    assert facts(header(**times)).frame_time_s is None
    assert facts(header(**times, FrameIncrementPointer=0x00181065, CineRate=30)).frame_time_s is None


def test_a_pointer_to_nothing_is_named(header):
    found = facts(header(FrameTime=33.3, FrameIncrementPointer=0x00181065))
    assert found.frame_time_source == "FrameTime"
    assert found.notes == ("FrameIncrementPointer names FrameTimeVector, which says nothing that fits",)


def test_how_a_run_should_be_shown_is_not_how_it_was_taken(header):
    found = facts(header(FrameTime=66.7, RecommendedDisplayFrameRate=30))
    assert found.frame_time_source == "FrameTime"
    assert found.notes == ("RecommendedDisplayFrameRate says 33.333 ms, but FrameTime says 66.7 ms, which counts",)


def test_a_pane_of_another_scale_leaves_the_spacing_unknown_and_a_small_inset_is_named(header, region):
    left, right, corner = region((0, 0, 39, 79), 0.004), region((40, 0, 99, 79), 0.01), region((0, 0, 9, 9), 0.004)
    torn = facts(header([left, right]))
    assert (torn.spacing_mm, len(torn.notes)) == (None, 1)
    inset = facts(header([right, corner]))
    assert inset.spacing_mm == pytest.approx((0.1, 0.1))
    assert "a smaller region beside the picture has another scale" in inset.notes[0]


def group(**tags):
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, [value] if isinstance(value, Dataset) else value)
    return made


def test_functional_groups_claim_spacing_and_times(header):
    size = group(PixelMeasuresSequence=group(PixelSpacing=[0.03, 0.02]))
    moments = [group(FrameContentSequence=group(FrameAcquisitionDateTime=f"20200101120000.{n:02}")) for n in range(4)]
    found = facts(header(SharedFunctionalGroupsSequence=[size], PerFrameFunctionalGroupsSequence=moments))
    assert (found.spacing_mm, found.spacing_source) == ((0.02, 0.03), "PixelMeasuresSequence")
    assert found.frame_time_s == pytest.approx((0.0, 0.01, 0.02, 0.03))
    assert found.frame_time_source == "FrameAcquisitionDateTime"


def test_a_zoom_that_changes_from_frame_to_frame_leaves_the_spacing_unknown(header):
    frames = [group(PixelMeasuresSequence=group(PixelSpacing=[side, side])) for side in (0.02, 0.02, 0.04, 0.04)]
    found = facts(header(PerFrameFunctionalGroupsSequence=frames))
    assert found.spacing_mm is None
    assert "0.02 mm per pixel" in found.notes[0]
    assert "0.04 mm per pixel" in found.notes[0]


def test_times_of_frames_that_do_not_rise_are_not_used_and_named(header):
    moments = [group(FrameContentSequence=group(FrameAcquisitionDateTime=f"202001011200{n:02}")) for n in (1, 3, 2, 4)]
    found = facts(header(PerFrameFunctionalGroupsSequence=moments, FrameTime=33.3))
    assert found.frame_time_source == "FrameTime"
    assert "FrameAcquisitionDateTime does not rise" in found.notes[0]


@pytest.mark.parametrize(
    ("keyword", "value", "wanted"),
    [
        ("PixelSpacing", [0.04, 0.04, 0.04], "two numbers"),
        ("ImagerPixelSpacing", [-0.04, 0.04], "two numbers"),
        ("FrameTime", -33.3, "a number"),
        ("IVUSPullbackRate", -0.5, "a number"),
    ],
)
def test_a_tag_that_holds_what_it_cannot_mean_is_named(header, keyword, value, wanted):
    assert f"{keyword} holds something else than {wanted} above 0: not used" in facts(header(**{keyword: value})).notes


def test_zero_means_that_nothing_is_known_and_needs_no_word(header):
    assert facts(header(PixelSpacing=[0, 0], FrameTime=0)).notes == ()


def test_the_duration_of_a_frame_is_held_against_the_time_between_frames(header):
    found = facts(header(FrameTime=33.3, ActualFrameDuration=100))
    assert found.frame_time_s is None
    assert "FrameTime says 33.3 ms, ActualFrameDuration says 100 ms" in found.notes[0]


@pytest.mark.parametrize(
    ("corner", "note"),
    [
        ((5.0, 20.0), "ultrasound region at x 0 to 49 says 0.02 mm per pixel: if that is the picture"),
        ((60.0, 20.0), "ultrasound region at x 50 to 99 says 0.05 mm per pixel"),
        ((40.0, 20.0), "its contours lie in no one region of one scale"),
    ],
)
def test_where_panes_differ_in_scale_contours_tell_which_of_them_is_the_picture(header, region, corner, note):
    tags = header([region((0, 0, 49, 79), 0.002), region((50, 0, 99, 79), 0.005)])
    square = np.array([(0.0, 0.0), (20.0, 0.0), (20.0, 20.0), (0.0, 20.0)]) + corner
    (found,) = pane_notes(tags, {0: {"lumen": Contour.from_points(square)}})
    assert note in found


def test_where_panes_agree_or_nothing_is_drawn_there_is_no_word_on_panes(header, region):
    square = Contour.from_points([(0.0, 0.0), (9.0, 0.0), (9.0, 9.0)])
    assert pane_notes(header([region(WHOLE, 0.002)]), {0: {"lumen": square}}) == ()
    assert pane_notes(header([region((0, 0, 49, 79), 0.002), region((50, 0, 99, 79), 0.005)]), {}) == ()
