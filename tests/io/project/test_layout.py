import inspect
from pathlib import Path

from ivsqa.io.project.layout import ProjectLayout, frame_name

ROOT = Path("study")
ARGUMENTS = {"pullback_id": "S01-P1", "revision_id": "rev-1", "model_id": "m001", "first": 0, "last": 255}
ARGUMENTS |= {
    "certificate_id": "c001",
    "round_id": "r001",
    "split": "test",
    "purpose": "train",
    "frame_index": 7,
    "name": "simulation",
}
ARGUMENTS |= {"amendment_id": "a001", "pointer_id": "ptr-1", "reader": "anna", "certificate_id": "c001"}


def every_path() -> dict[str, Path]:
    paths = {}
    for name, member in inspect.getmembers(ProjectLayout):
        if isinstance(member, property):
            paths[name] = getattr(ProjectLayout(ROOT), name)
        elif inspect.isfunction(member) and inspect.signature(member).return_annotation == "Path":
            wanted = list(inspect.signature(member).parameters)[1:]
            paths[name] = getattr(ProjectLayout(ROOT), name)(*(ARGUMENTS[key] for key in wanted))
    return paths


def test_every_path_lies_in_the_project_and_no_two_are_the_same():
    paths = every_path()
    assert len(paths) > 25
    assert all(path.is_relative_to(ROOT) and path != ROOT and ".." not in path.parts for path in paths.values())
    assert len(set(paths.values())) == len(paths)


def test_the_project_folder_looks_as_documented():
    layout = ProjectLayout(ROOT)
    assert layout.settings == ROOT / "project.yaml"
    assert layout.frames("S01-P1") == ROOT / "pullbacks/S01-P1/frames.npy"
    assert layout.revision_contours("S01-P1", "rev-1") == ROOT / "annotations/S01-P1/rev-1.contours.csv"
    assert layout.weights("m001") == ROOT / "models/m001/weights.safetensors"
    assert layout.score_chunk("m001", "S01-P1", 256, 511) == ROOT / "scores/m001/S01-P1/frames-000256-000511.parquet"
    assert layout.packet("r001") == ROOT / "rounds/r001/packet"
    assert layout.packet("r001", "anna") == ROOT / "rounds/r001/packet-anna"
    assert layout.packet_record("r001", "anna") == ROOT / "rounds/r001/packet-anna.yaml"
    assert layout.packet_zip("r001") == ROOT / "rounds/r001/packet-r001.zip"
    assert layout.evaluation("m001", "test") == ROOT / "reports/evaluation-m001-test.json"
    assert layout.evaluation_page("m001", "test") == ROOT / "reports/evaluation-m001-test/index.html"


def test_frame_names_sort_like_frames():
    assert sorted(frame_name("pb", index) for index in (10, 9, 100)) == ["pb_f00009", "pb_f00010", "pb_f00100"]
