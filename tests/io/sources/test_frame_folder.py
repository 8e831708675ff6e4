from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivsqa.errors import AnnotationError, SourceError
from ivsqa.io.sources.find import find_sources

HEAD = "pullback_id,frame_index,structure,vertex,x_px,y_px\n"


def save(path: Path, value: int = 40, size=(8, 6), mode="L", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new(mode, size, value)
    image.putpixel((0, 0), 0)
    image.putpixel((1, 0), 20)  # three grey values: a frame, no mask
    image.save(path, **options)
    return path


def the_source(path):
    (source,), errors = find_sources(path)
    assert errors == []
    return source


def levels(source):
    return [int(frame[-1, -1]) for frame in source.iter_frames()]


def test_frames_come_in_natural_order(tmp_path):
    for number in (10, 2, 1):
        save(tmp_path / "run" / "frames" / f"frame{number}.png", number + 30)
    source = the_source(tmp_path / "run")
    assert (source.relative, source.facts().n_frames, source.facts().frame_shape) == ("run", 3, (6, 8))
    assert levels(source) == [31, 32, 40]


@pytest.mark.parametrize("extension", [".png", ".tif", ".TIFF", ".jpg"])
def test_formats_and_modes_give_the_same_grey(tmp_path, extension):
    save(tmp_path / f"a{extension}", quality=100)
    assert levels(the_source(tmp_path)) == [40]


def test_spacing_is_unknown_even_where_the_picture_has_a_resolution(tmp_path):
    save(tmp_path / "a.png", dpi=(300, 300))
    facts = the_source(tmp_path).facts()
    assert (facts.spacing_mm, facts.frame_time_s) == (None, None)
    assert the_source(tmp_path).person().key is None


def test_a_tiff_of_several_pages_is_a_pullback(tmp_path):
    pages = [Image.fromarray(np.full((6, 8), level, dtype=np.uint8)) for level in (10, 20, 30)]
    pages[0].save(tmp_path / "run.tif", save_all=True, append_images=pages[1:])
    source = the_source(tmp_path)
    assert (source.relative, source.facts().n_frames) == ("run", 3)
    assert levels(source) == [10, 20, 30]


def test_sixteen_bit_frames_are_scaled_alike(tmp_path):
    for name, level in (("1", 1000), ("2", 4000)):
        Image.fromarray(np.array([[0, 5, level]], dtype=np.uint16)).save(tmp_path / f"{name}.png")
    assert levels(the_source(tmp_path)) == [62, 249]  # of 4095, the depth that holds both


def test_sixteen_bit_and_eight_bit_frames_may_be_mixed(tmp_path):
    save(tmp_path / "1.png", 77)
    Image.fromarray(np.full((6, 8), 255 * 257, dtype=np.uint16)).save(tmp_path / "2.png")
    assert levels(the_source(tmp_path)) == [77, 255]


def test_an_odd_size_names_the_frame(tmp_path):
    for name, size in (("1", (8, 6)), ("2", (8, 6)), ("3", (8, 7))):
        save(tmp_path / f"{name}.png", size=size)
    with pytest.raises(SourceError, match="is 8 × 7 px, but the first frame is 8 × 6 px") as caught:
        the_source(tmp_path).facts()
    assert (caught.value.path, caught.value.where) == (tmp_path / "3.png", "frame 2")


def test_a_floating_point_frame_says_why_it_cannot_be_used(tmp_path):
    Image.fromarray(np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)).save(tmp_path / "a.tif")
    with pytest.raises(SourceError, match="floating-point"):
        list(the_source(tmp_path).iter_frames())


def test_a_picture_cut_short_names_the_frame(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8)
    for name in ("1", "2"):
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    file = tmp_path / "2.png"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(SourceError, match="cut short") as caught:
        list(the_source(tmp_path).iter_frames())
    assert caught.value.where == "frame 1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"hello", "no PNG, JPEG or TIFF"),
    ],
)
def test_a_file_that_is_no_picture_says_what_it_is(tmp_path, content, message):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        the_source(tmp_path).facts()


def test_a_picture_far_larger_than_a_frame_is_refused(tmp_path, monkeypatch):
    save(tmp_path / "a.png", size=(400, 300))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(SourceError, match="far larger"):
        the_source(tmp_path).facts()


def test_a_frame_that_has_gone_is_an_error(tmp_path):
    source = the_source(save(tmp_path / "a.png").parent)
    (tmp_path / "a.png").unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        source.facts()


def test_the_fingerprint_is_of_the_frames_not_of_the_masks(tmp_path):
    save(tmp_path / "run" / "frames" / "1.png")
    before = the_source(tmp_path).fingerprint()
    save(tmp_path / "run" / "lumen" / "1.png")
    assert the_source(tmp_path).fingerprint() == before
    save(tmp_path / "run" / "frames" / "1.png", 41)
    assert the_source(tmp_path).fingerprint() != before


def test_contours_in_a_table_count_more_than_masks(tmp_path, both):
    for name in ("1", "2"):
        save(tmp_path / "frames" / f"{name}.png")
        mask = np.zeros((6, 8), dtype=bool)
        mask[1:4, 1:4] = True
        (tmp_path / "lumen").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "lumen" / f"{name}.png")
    (tmp_path / "contours.csv").write_text(
        HEAD + "".join(f"pb,1,Lumen,{i},{x},{y}\n" for i, (x, y) in enumerate([(0, 0), (6, 0), (0, 4)]))
    )
    found = the_source(tmp_path).read_annotations(both).contours
    assert found[0]["lumen"].area_px2 == pytest.approx(8.5)  # nine pixels, the corners cut by the half-way line
    assert found[1]["lumen"].area_px2 == 12.0


def test_a_table_of_several_pullbacks_is_taken_by_name(tmp_path, both):
    save(tmp_path / "b" / "1.png")
    rows = "".join(
        f"{name},0,lumen,{i},{x},{y}\n"
        for name, side in (("a", 2), ("b", 4))
        for i, (x, y) in enumerate([(0, 0), (side, 0), (0, side)])
    )
    (tmp_path / "b" / "contours.csv").write_text(HEAD + rows)
    assert the_source(tmp_path).read_annotations(both).contours[0]["lumen"].area_px2 == 8.0
    (tmp_path / "b").rename(tmp_path / "c")
    with pytest.raises(AnnotationError, match="holds 2 pullbacks"):
        the_source(tmp_path).read_annotations(both)


def test_an_empty_table_holds_nothing(tmp_path, both):
    save(tmp_path / "1.png")
    (tmp_path / "contours.csv").write_text(HEAD)
    assert the_source(tmp_path).read_annotations(both).contours == {}


def test_a_misspelt_structure_in_a_table_is_guessed(tmp_path, both):
    save(tmp_path / "1.png")
    (tmp_path / "contours.csv").write_text(HEAD + "pb,0,lumne,0,0,0\npb,0,lumne,1,3,0\npb,0,lumne,2,0,3\n")
    with pytest.raises(AnnotationError, match="Did you mean lumen"):
        the_source(tmp_path).read_annotations(both)


def test_real_carotid_frames_and_masks_are_found(shared_data, both):
    sources, errors = find_sources(shared_data / "carotid")
    assert (len(sources), errors) == (19, [])
    assert sum(source.facts().n_frames for source in sources) == 580
    found = sources[2].read_annotations(both).contours
    masks = [Image.open(file) for file in sorted((sources[2].path / "lumen").iterdir())]
    assert [found[index]["lumen"].area_px2 for index in sorted(found)] == pytest.approx(
        [np.count_nonzero(np.asarray(mask)) for mask in masks], rel=0.01
    )


@pytest.mark.parametrize(
    "description",
    [
        "ImageJ=1.54f\nimages=200\nframes=200\n",
        '{"shape": [200, 6, 8]}',
        '{"shape": [200, 6, 8, 3]}',
        '<?xml version="1.0"?><OME><Image><Pixels SizeX="8" SizeY="6" SizeZ="1" SizeT="200" SizeC="1"/></Image></OME>',
    ],
)
def test_a_tiff_that_promises_more_pictures_than_can_be_read_is_refused(tmp_path, description):
    pages = [Image.fromarray(np.full((6, 8), index, dtype=np.uint8)) for index in range(2)]
    pages[0].save(tmp_path / "run.tif", save_all=True, append_images=pages[1:], description=description)
    sources, (error,) = find_sources(tmp_path)
    assert (sources, error.message) == ([], "says that it holds 200 pictures, of which 2 can be read")
    pages[0].save(
        tmp_path / "run.tif", save_all=True, append_images=pages[1:], description=description.replace("200", "2")
    )
    assert the_source(tmp_path).facts().n_frames == 2


def test_an_animated_png_is_refused_as_it_is_no_frame(tmp_path):
    first, second = (Image.fromarray(np.full((8, 8), grey, dtype=np.uint8)) for grey in (10, 90))
    first.save(tmp_path / "a.png", save_all=True, append_images=[second])
    second.save(tmp_path / "b.png")
    (source,), _ = find_sources(tmp_path)
    with pytest.raises(SourceError, match="is an animation of 2 pictures"):
        source.claims()
