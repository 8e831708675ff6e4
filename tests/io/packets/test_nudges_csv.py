from pathlib import Path

import pytest

from ivsqa.domain.geometry.refinement import Nudge
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.errors import AnnotationError
from ivsqa.io.packets import nudges_csv
from ivsqa.io.packets.nudges_csv import is_nudges_csv, read_nudges_csv

BOTH = StructureSet((Structure("lumen", "#00c8ff"), Structure("eem", "#ffb000")))
HEAD = "pullback_id,frame_index,structure,x_px,y_px"


def written(folder: Path, text: str) -> Path:
    path = folder / "points.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_points_are_read_by_frame(tmp_path: Path) -> None:
    text = f"\ufeff{HEAD}, Weight\n007,3,Lumen,10.5,20,\n\n007,3,eem,1,2,0.5\npb-2,0,eem, 5 ,6,1\n"
    assert read_nudges_csv(written(tmp_path, text), BOTH) == {
        ("007", 3): [Nudge("lumen", 10.5, 20.0, 1.0), Nudge("eem", 1.0, 2.0, 0.5)],
        ("pb-2", 0): [Nudge("eem", 5.0, 6.0, 1.0)],
    }


def test_a_table_without_weights_will_do(tmp_path: Path) -> None:
    assert read_nudges_csv(written(tmp_path, f"{HEAD}\na,1,eem,1,2\n"), BOTH) == {("a", 1): [Nudge("eem", 1.0, 2.0)]}


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        (f"{HEAD}\na,1,eem,1,2\na,x,eem,1,2\n", "line 3", "is not a point: invalid literal"),
        (f"{HEAD}\na,1,eem,nan,2\n", "line 2", "not a finite number"),
        (f"{HEAD}\na,1,eem,one,2\n", "line 2", "could not convert"),
        (f"{HEAD},weight\na,1,eem,1,2,7\n", "line 2", "above 0 and at most 1"),
        (f"{HEAD},weight\na,1,eem,1,2,0\n", "line 2", "above 0 and at most 1"),
        (f"{HEAD}\na,1,lumne,1,2\n", "line 2", "unknown label 'lumne'"),
        (f"{HEAD}\na,1,eem\n", "line 2", "could not convert"),
        ("pullback_id,frame_index\n", "line 1", "has no column structure, x_px, y_px"),
        (f"{HEAD}\n", "", "holds no points"),
        (f'{HEAD}\n"a,1', "", "not a table"),
    ],
)
def test_what_is_no_point_is_named_by_its_line(tmp_path: Path, text: str, where: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(AnnotationError) as caught:
        read_nudges_csv(path, BOTH)
    assert message in caught.value.message
    assert (caught.value.path, caught.value.where) == (path, where)


def test_another_encoding_and_a_huge_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "points.csv"
    path.write_bytes(HEAD.encode("utf-16"))
    with pytest.raises(AnnotationError, match="UTF-8"):
        read_nudges_csv(path, BOTH)
    monkeypatch.setattr(nudges_csv, "LARGEST_FILE_BYTES", 10)
    with pytest.raises(AnnotationError, match="is larger than"):
        read_nudges_csv(path, BOTH)


def test_a_table_of_points_is_told_from_contours_and_folders(tmp_path: Path) -> None:
    assert is_nudges_csv(written(tmp_path, HEAD + "\n"))
    assert not is_nudges_csv(written(tmp_path, "pullback_id,frame_index,structure,vertex,x_px,y_px\n"))
    assert not is_nudges_csv(tmp_path)
    assert not is_nudges_csv(tmp_path / "none.csv")
