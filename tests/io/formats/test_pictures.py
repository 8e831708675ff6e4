"""Pictures stand as everything shows them that knows EXIF, and only what fits a frame is decoded."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from ivsqa.errors import SourceError
from ivsqa.io.formats.pictures import Picture, look_at_each, opened, turn_of, turned, upright_size
from ivsqa.io.sources.find import find_sources

STORED = np.kron(np.array([[10, 60, 110], [160, 210, 250]], dtype=np.uint8), np.ones((8, 8), dtype=np.uint8))


def save(path, turn, pixels=STORED):
    exif = Image.Exif()
    exif[0x112] = turn
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, exif=exif, quality=98)
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_frame_of_any_format_stands_upright_by_its_exif(tmp_path, suffix, turn):
    save(tmp_path / "run" / f"0{suffix}", turn)
    truth = np.asarray(ImageOps.exif_transpose(Image.open(save(tmp_path / "truth.png", turn))))
    (source,), errors = find_sources(tmp_path / "run")
    (frame,) = source.iter_frames()
    assert errors == []
    assert frame.shape == truth.shape == source.facts().frame_shape
    assert np.abs(frame.astype(int) - truth).max() <= 3  # JPEG is not exact
    assert source.facts().notes == (
        ("1 frames are turned as their EXIF says",) if turn > 1 and suffix != ".tif" else ()
    )


def test_a_turn_that_is_none_or_cannot_be_read_is_no_turn(tmp_path):
    for turn in (0, 9, 1000):
        with opened(Picture(save(tmp_path / "a.png", turn))) as image:
            assert (turn_of(image), upright_size(image)) == (1, (24, 16))


def test_turning_works_for_channels_too():
    stored = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    assert turned(stored, 6).shape == (3, 2, 3)
    assert (turned(stored, 6)[0, 0] == stored[1, 0]).all()


def test_a_look_at_many_pictures_names_the_one_that_is_broken(tmp_path):
    (tmp_path / "b.png").write_bytes(save(tmp_path / "a.png", 1).read_bytes()[:60])
    pictures = [Picture(tmp_path / "a.png"), Picture(tmp_path / "b.png")]
    with pytest.raises(SourceError, match=r"b\.png, frame 1: the picture is cut short or broken"):
        list(look_at_each(pictures, np.asarray))


HEAD = "pullback_id,frame_index,structure,vertex,x_px,y_px\n"


def contours(*points):
    return HEAD + "".join(f"run,0,lumen,{number},{x},{y}\n" for number, (x, y) in enumerate(points))


def test_contours_on_a_turned_frame_are_taken_where_they_fit_it_alone_and_asked_about_else(tmp_path, both):
    """Stored 24 × 16 px, upright 16 × 24."""
    save(tmp_path / "run" / "0.png", 6)
    table = tmp_path / "run" / "contours.csv"
    table.write_text(contours((2, 2), (12, 2), (6, 20)))
    (source,), _ = find_sources(tmp_path / "run")
    assert list(source.read_annotations(both).contours) == [0]
    table.write_text(contours((2, 2), (12, 2), (6, 12)))
    with pytest.raises(Exception, match="nothing tells whether the contours were drawn on the turned one"):
        source.read_annotations(both)


@pytest.mark.parametrize("is_mask_turned", [True, False])
def test_a_mask_is_turned_with_its_frame_where_its_size_says_so(tmp_path, both, is_mask_turned):
    save(tmp_path / "run" / "frames" / "0.png", 6)
    mask = np.zeros((16, 24), np.uint8)
    mask[2:6, 4:20] = 255  # near the upper edge as stored, near the right one upright
    (tmp_path / "run" / "lumen").mkdir()
    Image.fromarray(np.rot90(mask, -1) if is_mask_turned else mask).save(tmp_path / "run" / "lumen" / "0.png")
    (source,), _ = find_sources(tmp_path / "run")
    lumen = source.read_annotations(both).contours[0]["lumen"]
    assert lumen.centroid_px == pytest.approx([16 - 1 - 3.5, 11.5])


@pytest.mark.parametrize(("turn", "pixels"), [(3, STORED), (6, STORED[:, :16])])
def test_a_mask_that_fits_both_views_is_asked_about_unless_it_says_itself(tmp_path, both, turn, pixels):
    save(tmp_path / "run" / "frames" / "0.png", turn, pixels)
    mask = np.zeros(pixels.shape, np.uint8)
    mask[2:6, 4:12] = 255
    path = save(tmp_path / "run" / "lumen" / "0.png", 1, mask)
    (source,), _ = find_sources(tmp_path / "run")
    with pytest.raises(Exception, match="nothing tells whether the mask is"):
        source.read_annotations(both)
    save(path, turn, mask)
    assert list(source.read_annotations(both).contours) == [0]


def test_a_sixteen_bit_tiff_whose_least_is_white_is_turned_around(tmp_path, both):
    values = (np.arange(384, dtype=np.uint16).reshape(16, 24) * 10) + np.uint16(100)
    (tmp_path / "run").mkdir()
    for name, pixels, photometric in (("0.tif", values, 1), ("1.tif", 4095 - values, 0)):
        Image.fromarray(pixels).save(tmp_path / "run" / name, tiffinfo={262: photometric})
    (source,), _ = find_sources(tmp_path / "run")
    plain, turned_around = source.iter_frames()
    assert np.abs(plain.astype(int) - turned_around).max() <= 1


def test_values_beyond_sixteen_bits_have_no_white(tmp_path):
    (tmp_path / "run").mkdir()
    Image.fromarray(np.arange(384, dtype=np.int32).reshape(16, 24) * 1000).save(tmp_path / "run" / "0.tif")
    (source,), _ = find_sources(tmp_path / "run")
    with pytest.raises(SourceError, match="values up to 383000, for which no white is defined"):
        list(source.iter_frames())
