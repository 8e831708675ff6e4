"""The index of qualities says what the files of scores say, or nothing."""

from pathlib import Path

import numpy as np
import pytest

from ivsqa.domain.quality.frame_score import SIGNALS, FrameScore
from ivsqa.errors import IntegrityError
from ivsqa.io.ledger import doors
from ivsqa.io.project import quality_index
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.quality_index import QualityIndex
from ivsqa.io.project.scores import ScoreStore

HASHES = {"S01-P1": "a" * 64, "S02-P1": "b" * 64}
N_FRAMES = {"S01-P1": 3, "S02-P1": 2}


def write(store: ScoreStore, pullback_id: str, quality: list[float]) -> None:
    store.write_chunk(
        HASHES[pullback_id],
        [
            FrameScore(
                pullback_id=pullback_id,
                frame_index=index,
                quality=value,
                dice={"lumen": value, "eem": value},
                dice_lower={"lumen": None, "eem": None},
                expected_error_px=1.0,
                n_regions=0,
                signals=dict.fromkeys(SIGNALS),
                features=np.zeros(2, dtype=np.float32),
                contours={},
                error_maps=np.zeros((2, 4, 4), dtype=np.uint8),
            )
            for index, value in enumerate(quality)
        ],
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(quality_index, "FEWEST_CHUNKS", 2)
    project = create_project(tmp_path / "study", template="coronary-ivus")
    store = ScoreStore(project.layout, "m001", ("lumen", "eem"))
    write(store, "S01-P1", [0.5, 0.25, 0.75])
    write(store, "S02-P1", [0.125, 1.0])
    doors.end()  # while a command runs, what it wrote last is in doubt
    store.note_quality(HASHES)
    return project


def read(project: Project) -> list[list[float]]:
    """What a command that begins now reads."""
    columns = ScoreStore(project.layout, "m001", ("lumen", "eem")).columns(N_FRAMES, ["quality"])
    return [columns[name]["quality"].tolist() for name in N_FRAMES]


def rows_of(project: Project, pullback_id: str) -> Path:
    return project.layout.score_chunk("m001", pullback_id, 0, N_FRAMES[pullback_id] - 1)


def overwrite(path: Path, at: int) -> None:
    """Change a byte, and nothing else that a listing shows but the time."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_quality_is_read_from_the_index_and_no_chunk_is_opened(project):
    for name in N_FRAMES:
        rows = rows_of(project, name)
        rows.write_bytes(bytes(rows.stat().st_size))
    assert read(project) == [[0.5, 0.25, 0.75], [0.125, 1.0]]


def test_a_chunk_that_was_written_again_counts_as_it_is_now(project):
    write(ScoreStore(project.layout, "m001", ("lumen", "eem")), "S02-P1", [0.375, 0.625])
    assert read(project) == [[0.5, 0.25, 0.75], [0.375, 0.625]]


def test_a_chunk_that_was_cut_is_refused_as_without_an_index(project):
    path = rows_of(project, "S01-P1")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError):
        read(project)


def test_check_reads_the_chunks_themselves(project):
    overwrite(rows_of(project, "S01-P1"), -6)
    with doors.open_doors(), pytest.raises(IntegrityError):
        read(project)


def test_no_damaged_byte_of_the_index_changes_an_answer(project):
    path = project.layout.quality_index("m001")
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        overwrite(path, at)
        assert read(project) == [[0.5, 0.25, 0.75], [0.125, 1.0]], at
        path.write_bytes(whole)
    for n_bytes in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:n_bytes])
        assert read(project) == [[0.5, 0.25, 0.75], [0.125, 1.0]], n_bytes


def test_an_index_that_is_gone_is_made_again_to_the_same_bytes_and_then_left(project):
    path, store = project.layout.quality_index("m001"), ScoreStore(project.layout, "m001", ("lumen", "eem"))
    whole = path.read_bytes()
    path.unlink()
    assert read(project) == [[0.5, 0.25, 0.75], [0.125, 1.0]]
    store.note_quality(HASHES)
    assert path.read_bytes() == whole
    made = path.stat()
    ScoreStore(project.layout, "m001", ("lumen", "eem")).note_quality(HASHES)
    assert path.stat().st_ino == made.st_ino, "it was not written once more"


def test_what_was_changed_by_hand_is_never_noted(project):
    path = project.layout.quality_index("m001")
    path.unlink()
    overwrite(rows_of(project, "S01-P1"), 100)
    ScoreStore(project.layout, "m001", ("lumen", "eem")).note_quality(HASHES)
    noted = QualityIndex(path).find([rows_of(project, name) for name in N_FRAMES])
    assert [chunk.parent.name for chunk in noted] == ["S02-P1"]


def test_scores_of_other_frames_under_the_same_id_are_removed_as_without_an_index(project):
    store = ScoreStore(project.layout, "m001", ("lumen", "eem"))
    store.remove_useless(HASHES)
    assert all(rows_of(project, name).is_file() for name in N_FRAMES)
    store.remove_useless(HASHES | {"S01-P1": "c" * 64})
    assert [rows_of(project, name).is_file() for name in N_FRAMES] == [False, True]


def test_the_index_moves_with_its_project_to_another_place(project, tmp_path):
    moved = project.root.rename(tmp_path / "elsewhere")
    again = open_project(moved)
    rows = rows_of(again, "S01-P1")
    rows.write_bytes(bytes(rows.stat().st_size))
    assert read(again) == [[0.5, 0.25, 0.75], [0.125, 1.0]]


def test_a_study_of_few_chunks_leaves_no_index(project, monkeypatch):
    project.layout.quality_index("m001").unlink()
    monkeypatch.setattr(quality_index, "FEWEST_CHUNKS", 3)
    ScoreStore(project.layout, "m001", ("lumen", "eem")).note_quality(HASHES)
    assert not project.layout.quality_index("m001").is_file()
