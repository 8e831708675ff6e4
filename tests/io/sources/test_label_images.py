from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.errors import AnnotationError
from ivsqa.io.sources.archives.contour_format import Target
from ivsqa.io.sources.find import find_sources
from ivsqa.io.sources.label_images import read_label_folders

SHAPE = (40, 50)


def box(top, left, height, width, value=True, dtype=bool):
    image = np.zeros(SHAPE, dtype=dtype)
    image[top : top + height, left : left + width] = value
    return image


SMALL, LARGE = box(10, 10, 10, 10), box(5, 5, 20, 30)


def rings(lumen=1, wall=2):
    return np.where(SMALL, lumen, np.where(LARGE, wall, 0)).astype(np.uint8)


def area(side_1, side_2):
    """Return the area of a box of pixels, its four corners cut by half a pixel each way."""
    return side_1 * side_2 - 0.5


def save(path: Path, pixels, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def read(folder: Path, structures):
    frames = {"a": 0, "b": 1, "c": 2}
    return read_label_folders([folder], Target("run", 3, SHAPE, structures, index_by_stem=frames))


@pytest.mark.parametrize(
    "pixels",
    [
        SMALL,
        SMALL.astype(np.uint8),
        SMALL.astype(np.uint8) * 255,
        SMALL.astype(np.uint16) * 65535,
        np.dstack([SMALL.astype(np.uint8) * 255] * 3),
        np.dstack([SMALL.astype(np.uint8) * 255] * 3 + [np.zeros(SHAPE, dtype=np.uint8)]),
        np.dstack([SMALL.astype(np.uint8) * 255] * 4),
    ],
    ids=["bool", "0/1", "0/255", "16-bit", "rgb", "rgba", "paint on nothing"],
)
def test_a_mask_is_what_is_not_black(tmp_path, both, pixels):
    save(tmp_path / "Lumen" / "b.png", pixels)
    found = read(tmp_path / "Lumen", both)
    assert list(found.contours) == [1]
    assert found.contours[1]["lumen"].area_px2 == pytest.approx(area(10, 10))
    assert found.contours[1]["lumen"].centroid_px == pytest.approx([14.5, 14.5])
    assert found.notes == ()


WHITE_PAINT = np.dstack([np.full(SHAPE, 255, dtype=np.uint8)] * 3 + [SMALL.astype(np.uint8) * 255])


def test_a_mask_whose_colours_and_opacity_differ_is_asked_about(tmp_path, both):
    save(tmp_path / "lumen" / "b.png", WHITE_PAINT)
    with pytest.raises(AnnotationError, match="its colours and its opacity show different areas"):
        read(tmp_path / "lumen", both)


@pytest.mark.parametrize(("plane", "n_px2"), [(3, area(10, 10)), (0, None)])
def test_planes_csv_says_which_of_colours_and_opacity_is_the_mask(tmp_path, both, plane, n_px2):
    save(tmp_path / "lumen" / "b.png", WHITE_PAINT)
    (tmp_path / "planes.csv").write_text(f"plane,structure\n{plane},lumen\n")
    found = read(tmp_path / "lumen", both).contours[1]["lumen"].area_px2
    assert found == pytest.approx(n_px2 or SHAPE[0] * SHAPE[1], rel=0.01)


def test_a_palette_mask_goes_by_colour(tmp_path, both):
    picture = Image.fromarray(SMALL.astype(np.uint8), mode=None)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    (tmp_path / "lumen").mkdir()
    picture.save(tmp_path / "lumen" / "a.png")
    assert read(tmp_path / "lumen", both).contours[0]["lumen"].area_px2 == pytest.approx(area(10, 10))


def test_a_mask_with_a_soft_border_is_cut_half_way(tmp_path, both):
    soft = box(10, 10, 10, 10, 255, np.uint8)
    soft[9, 10:20], soft[20, 10:20] = 60, 200
    save(tmp_path / "lumen" / "a.png", soft)
    assert read(tmp_path / "lumen", both).contours[0]["lumen"].area_px2 == pytest.approx(area(10, 11))


def test_a_picture_is_no_mask(tmp_path, both):
    save(tmp_path / "lumen" / "a.png", np.arange(2000, dtype=np.uint16).reshape(SHAPE).astype(np.uint8))
    with pytest.raises(AnnotationError, match="is no mask: it has 256 grey values"):
        read(tmp_path / "lumen", both)


def test_an_empty_mask_is_no_contour(tmp_path, both):
    save(tmp_path / "lumen" / "a.png", box(0, 0, 0, 0))
    assert read(tmp_path / "lumen", both).contours == {}


def test_of_several_objects_the_largest_is_kept_and_noted(tmp_path, both):
    save(tmp_path / "lumen" / "b.png", SMALL | box(30, 40, 3, 3))
    found = read(tmp_path / "lumen", both)
    assert found.contours[1]["lumen"].area_px2 == pytest.approx(area(10, 10))
    assert "1 masks hold several objects" in found.notes[0]
    assert "frame 1" in found.notes[0]


def test_a_mask_without_a_frame_is_refused(tmp_path, both):
    save(tmp_path / "lumen" / "z.png", SMALL)
    with pytest.raises(AnnotationError, match="no frame of this name"):
        read(tmp_path / "lumen", both)


def test_a_mask_of_another_size_is_refused(tmp_path, both):
    for folder in ("lumen", "labels"):
        save(tmp_path / folder / "a.png", SMALL[:20].astype(np.uint8))
        with pytest.raises(AnnotationError, match="is 50 × 20 px, but its frame is 50 × 40 px"):
            read(tmp_path / folder, both)


def test_a_folder_that_is_no_structure_is_refused_with_a_guess(tmp_path, both):
    save(tmp_path / "lumne" / "a.png", SMALL)
    with pytest.raises(AnnotationError, match="Did you mean lumen") as caught:
        read(tmp_path / "lumne", both)
    assert caught.value.path == tmp_path / "lumne"


def test_folders_of_structures_may_lie_in_a_folder_of_masks(tmp_path, both):
    save(tmp_path / "masks" / "lumen" / "a.png", SMALL)
    save(tmp_path / "masks" / "eem" / "a.png", LARGE)
    found = read(tmp_path / "masks", both)
    assert found.contours[0]["eem"].area_px2 == pytest.approx(area(20, 30))
    assert found.contours[0]["lumen"].area_px2 == pytest.approx(area(10, 10))


def test_two_masks_of_one_structure_in_a_frame_are_refused(tmp_path, both):
    save(tmp_path / "masks" / "lumen" / "a.png", SMALL)
    save(tmp_path / "masks" / "a.png", rings())
    with pytest.raises(AnnotationError, match="lumen has another mask"):
        read(tmp_path / "masks", both)


def test_a_label_map_numbers_rings_from_the_inside(tmp_path, both):
    save(tmp_path / "labels" / "c.png", rings())
    found = read(tmp_path / "labels", both)
    assert found.contours[2]["lumen"].area_px2 == pytest.approx(area(10, 10))
    assert found.contours[2]["eem"].area_px2 == pytest.approx(area(20, 30))


@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA", "LA"])
def test_a_label_map_may_be_saved_in_other_modes(tmp_path, both, mode):
    if mode == "P":
        picture = Image.fromarray(rings())
        picture.putpalette([0, 0, 0, 200, 30, 40, 90, 90, 10])
        (tmp_path / "labels").mkdir()
        picture.save(tmp_path / "labels" / "a.png")
    else:
        save(tmp_path / "labels" / "a.png", rings(), mode)
    found = read(tmp_path / "labels", both)
    assert found.contours[0]["eem"].area_px2 == pytest.approx(area(20, 30))


def test_where_the_wall_is_not_drawn_there_is_no_eem(tmp_path, both):
    save(tmp_path / "labels" / "a.png", SMALL.astype(np.uint8))
    Image.fromarray(SMALL).save(tmp_path / "labels" / "b.png")
    found = read(tmp_path / "labels", both)
    assert [list(found.contours[index]) for index in (0, 1)] == [["lumen"], ["lumen"]]


def test_labels_numbered_from_the_outside_are_refused_not_swapped(tmp_path, both):
    save(tmp_path / "labels" / "a.png", rings(lumen=2, wall=1))
    with pytest.raises(AnnotationError, match="label 2 lies inside label 1") as caught:
        read(tmp_path / "labels", both)
    assert "labels.csv" in caught.value.hint


@pytest.mark.parametrize("place", ["labels.csv", "labels/labels.csv"])
def test_a_table_names_the_labels(tmp_path, both, place):
    save(tmp_path / "labels" / "a.png", rings(lumen=2, wall=1))
    (tmp_path / place).write_text("value,structure\n1,EEM\n2,lumen\n")
    found = read(tmp_path / "labels", both)
    assert found.contours[0]["lumen"].area_px2 == pytest.approx(area(10, 10))
    assert found.contours[0]["eem"].area_px2 == pytest.approx(area(20, 30))


def test_an_unknown_label_is_refused_unless_it_is_left_out_by_name(tmp_path, both):
    labels = rings()
    labels[30:35, 40:45] = 3
    save(tmp_path / "labels" / "a.png", labels)
    with pytest.raises(AnnotationError, match="label 3 has no name"):
        read(tmp_path / "labels", both)
    (tmp_path / "labels.csv").write_text("value,structure\n1,lumen\n2,eem\n3,\n")
    assert read(tmp_path / "labels", both).contours[0]["eem"].area_px2 == pytest.approx(area(20, 30))


def test_a_mask_of_255_among_label_maps_has_no_name(tmp_path, both):
    save(tmp_path / "labels" / "a.png", SMALL.astype(np.uint8) * 255)
    with pytest.raises(AnnotationError, match="label 255 has no name"):
        read(tmp_path / "labels", both)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("value;structure\n1;lumen\n", "no table of names"),
        ("value,structure\none,lumen\n", "no table of names"),
        ("value,name\n1,lumen\n", "no table of names"),
        ("value,structure\n1,lumin\n", "Did you mean lumen"),
        ("value,structure\n1,lumen\n1,eem\n", "1 is given twice"),
    ],
)
def test_a_broken_table_is_named_by_its_line(tmp_path, both, table, message):
    save(tmp_path / "labels" / "a.png", rings())
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(AnnotationError, match=message) as caught:
        read(tmp_path / "labels", both)
    assert caught.value.where in {"line 1", "line 2", "line 3"}


def planes():
    image = np.zeros((*SHAPE, 4), dtype=np.uint8)
    image[LARGE, 0], image[SMALL, 3] = 255, 255
    return image


def test_overlapping_planes_without_names_are_refused(tmp_path, both):
    save(tmp_path / "mask" / "a.tiff", planes())
    with pytest.raises(AnnotationError, match="4 different channels") as caught:
        read(tmp_path / "mask", both)
    assert "planes.csv" in caught.value.hint


def test_planes_are_taken_by_name_alpha_too(tmp_path, both):
    save(tmp_path / "mask" / "a.tiff", planes())
    (tmp_path / "planes.csv").write_text("plane,structure\n0,eem\n3,lumen\n")
    found = read(tmp_path / "mask", both)
    assert found.contours[0]["eem"].area_px2 == pytest.approx(area(20, 30))
    assert found.contours[0]["lumen"].area_px2 == pytest.approx(area(10, 10))


def test_a_plane_that_is_drawn_but_not_named_is_refused_unless_left_out(tmp_path, both):
    save(tmp_path / "mask" / "a.tiff", planes())
    (tmp_path / "planes.csv").write_text("plane,structure\n0,eem\n")
    with pytest.raises(AnnotationError, match="channel 3 is not in planes"):
        read(tmp_path / "mask", both)
    (tmp_path / "planes.csv").write_text("plane,structure\n0,eem\n3,\n")
    assert list(read(tmp_path / "mask", both).contours[0]) == ["eem"]


def test_two_planes_of_one_structure_are_joined(tmp_path, both):
    save(tmp_path / "mask" / "a.tiff", planes())
    (tmp_path / "planes.csv").write_text("plane,structure\n0,eem\n3,eem\n")
    assert read(tmp_path / "mask", both).contours[0]["eem"].area_px2 == pytest.approx(area(20, 30))


def test_real_optical_coherence_masks_need_names_and_then_fit(shared_data, tmp_path):
    lumen_only = StructureSet((Structure("lumen", "#00c8ff"),))
    for folder in ("img", "mask"):
        (tmp_path / "oct" / folder).mkdir(parents=True)
        for file in sorted((shared_data / "oct" / folder).iterdir()):
            (tmp_path / "oct" / folder / file.name).write_bytes(file.read_bytes())
    (source,), errors = find_sources(tmp_path / "oct")
    assert (errors, source.facts().n_frames, source.facts().frame_shape) == ([], 10, (750, 750))
    with pytest.raises(AnnotationError, match="channels, which have no names"):
        source.read_annotations(lumen_only)
    (tmp_path / "oct" / "planes.csv").write_text("plane,structure\n0,lumen\n1,\n2,\n3,\n")
    found = source.read_annotations(lumen_only).contours
    for index, path in enumerate(sorted((tmp_path / "oct" / "mask").iterdir())):
        lumen = np.asarray(Image.open(path))[..., 0]
        assert found[index]["lumen"].area_px2 == pytest.approx(np.count_nonzero(lumen), rel=0.005)
