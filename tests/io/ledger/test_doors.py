"""Writes to a project are entered, and readers refuse what is not as it was written."""

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ivsqa.errors import IntegrityError
from ivsqa.io import atomic
from ivsqa.io.ledger import doors
from ivsqa.io.ledger.book import Book, hash_of
from ivsqa.io.ledger.inspect import acknowledge, differences, faults_of_the_ledger, remove_damaged
from ivsqa.io.leftovers import temporary_path
from ivsqa.io.outside import names_in
from ivsqa.io.project import layout
from ivsqa.io.project.layout import folders_with, next_id, numbered_folders
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.new_project import create_project

ROUND = "rounds/r001/round.yaml"
CHUNK = "scores/m001/S01-P1/frames-000000-000009.parquet"
MAPS = CHUNK.replace("frames-", "error-maps-")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = create_project(tmp_path / "study", template="coronary-ivus").root
    with doors.command("select"):
        atomic.write_text(root / ROUND, "state: selected\n")
    return root


def write(root: Path, name: str, text: str, command: str = "score") -> None:
    with doors.command(command):
        atomic.write_text(root / name, text)


def chapters(root: Path) -> dict[str, list[dict[str, str]]]:
    """Return the lines of each chapter by name, without times and processes."""
    return {
        path.name: [
            {key: value for key, value in json.loads(line).items() if key not in ("at", "process", "ivsqa", "bytes")}
            for line in path.read_text().splitlines()
        ]
        for path in sorted((root / "ledger").iterdir())
    }


def kinds(root: Path, *, deep: bool = True) -> dict[str, str]:
    """Return what differs, looked at by another process."""
    return {one.name: one.kind for one in differences(Book(root), deep=deep)}


def test_a_chapter_finds_a_free_number_though_the_listing_is_older_than_what_is_there(root, monkeypatch):
    stale = [*(root / "ledger").iterdir()]
    for number in range(3):
        write(root, ROUND, f"state: {number}\n")
    with monkeypatch.context() as shared_disk:
        shared_disk.setattr(Path, "iterdir", lambda _: iter(stale))
        write(root, ROUND, "state: exported\n")
    assert [*chapters(root)][-4:] == [f"0000{number}-score.jsonl" for number in (2, 3, 4, 5)]
    assert [*chapters(root).values()][-1][1]["wrote"] == ROUND
    assert list(faults_of_the_ledger(Book(root))) == []


def test_new_project_begins_its_ledger_and_each_command_writes_a_chapter(root):
    write(root, ROUND, "state: exported\n", command="export-for-annotation")
    found, first, second = chapters(root).values()
    assert [line.get("found") for line in found] == [None, "identity.yaml", "project.yaml", None]
    assert first[0] == {"begin": "select"}
    assert first[1]["wrote"] == ROUND
    assert "over" not in first[1]
    assert first[2] == {"end": "select"}
    assert second[1] == {"wrote": ROUND, "sha256": hash_of(root / ROUND), "over": first[1]["sha256"]}
    assert list(chapters(root)) == ["00000-found.jsonl", "00001-select.jsonl", "00002-export-for-annotation.jsonl"]
    assert kinds(root) == {}


def test_writing_the_same_again_and_reading_write_no_line(root):
    before = chapters(root)
    write(root, ROUND, "state: selected\n")
    doors.verify(root / ROUND)
    doors.written_in(root / "rounds", r"[^/]+/round\.yaml")
    assert chapters(root) == before


@pytest.mark.parametrize("name", ["rounds/r001/packet/worklist.csv", "notes.txt", "scores/m001/heatmaps/a.png"])
def test_what_people_work_in_and_pictures_are_not_entered(root, name):
    before = chapters(root)
    write(root, name, "x")
    (root / name).write_text("y")
    doors.verify(root / name)
    assert (chapters(root), kinds(root)) == (before, {})


def test_files_outside_of_a_project_pass(tmp_path):
    (tmp_path / "project.yaml").write_text("name: of another program\n")
    write(tmp_path, "reports/a.html", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project.yaml", "reports"]


def test_changed_file_is_refused_by_readers_and_named(root):
    (root / ROUND).write_text("state: imported\n")
    with pytest.raises(IntegrityError, match=r"was changed since ivsqa wrote it \(00001-select") as caught:
        doors.verify(root / ROUND)
    assert caught.value.path == root / ROUND
    assert kinds(root) == {ROUND: "changed"}


def test_gone_file_is_missed_by_readers_and_named(root):
    (root / ROUND).unlink()
    with pytest.raises(IntegrityError, match=r"is gone: ivsqa wrote it \(00001-select"):
        doors.written_in(root / "rounds", r"[^/]+/round\.yaml")
    assert kinds(root) == {ROUND: "gone"}


def test_what_was_written_is_listed_whatever_a_shared_disk_says(root, monkeypatch):
    folder, names = (root / ROUND).parent, r"(round|packet)\.yaml"
    (folder / "packet.yaml").touch()  # nobody entered it, and it is there
    (folder / "notes.txt").touch()
    assert [path.name for path in doors.entries_of(folder, names)] == ["packet.yaml", "round.yaml"]
    with monkeypatch.context() as shared_disk:
        shared_disk.setattr(doors, "names_in", lambda _: [])  # a listing of a while ago
        assert [path.name for path in doors.entries_of(folder, names)] == ["round.yaml"]
    assert doors.entries_of(root / "rounds/r002", names) == []
    (root / ROUND).unlink()
    with pytest.raises(IntegrityError, match=r"is gone: ivsqa wrote it \(00001-select"):
        doors.entries_of(folder, names)
    with doors.open_doors():
        assert [path.name for path in doors.entries_of(folder, names)] == ["packet.yaml"]


def test_number_of_what_another_machine_made_is_not_given_twice(root, monkeypatch):
    seen = {folder: names_in(folder) for folder in (root / "rounds", root / "rounds/r001")}
    assert numbered_folders(root / "rounds", "round.yaml") == ["r001"]
    path = root / "rounds/r002/round.yaml"
    line = f"from pathlib import Path\nfrom ivsqa.io import atomic\natomic.write_text(Path({str(path)!r}), 'x')\n"
    line += "from ivsqa.io.ledger import doors\ndoors.end()"
    subprocess.run([sys.executable, "-c", line], check=True)
    monkeypatch.setattr(layout, "names_in", lambda folder: seen.get(folder, []))  # a listing of a while ago
    with project_lock(root / ".lock-rounds", purpose="opening a round", started_at="2026-01-01T00:00:00+00:00"):
        assert next_id("r", numbered_folders(root / "rounds", "round.yaml")) == "r003"
    path.unlink()
    with pytest.raises(IntegrityError, match="is gone"):
        folders_with(root / "rounds", "round.yaml")


def test_older_state_from_a_copy_is_no_state_of_now(root):
    before = (root / ROUND).read_bytes()
    write(root, ROUND, "state: exported\n")
    (root / ROUND).write_bytes(before)
    with pytest.raises(IntegrityError):
        doors.verify(root / ROUND)


def test_file_that_no_command_wrote_is_named_and_settings_are_edited(root):
    (root / "rounds/r001/selection.csv").write_text("rank\n")
    with (root / "project.yaml").open("a") as stream:
        stream.write("# mine\n")
    assert kinds(root) == {"rounds/r001/selection.csv": "unknown", "project.yaml": "edited"}
    doors.verify(root / "project.yaml")
    write(root, ROUND, "state: exported\n")
    assert kinds(root) == {"rounds/r001/selection.csv": "unknown"}, "the next command wrote down what it worked with"


def test_bulky_file_is_looked_at_by_size_and_deep_to_its_end(root):
    write(root, CHUNK, "abc")
    (root / CHUNK).write_text("abd")
    assert (kinds(root, deep=False), kinds(root)) == ({}, {CHUNK: "changed"})
    (root / CHUNK).write_text("ab")
    assert kinds(root, deep=False) == {CHUNK: "changed"}
    with pytest.raises(IntegrityError, match="was changed"):
        doors.verify(root / CHUNK)


def test_damaged_file_that_can_be_made_again_is_removed_with_its_partner_and_no_other_is(root):
    write(root, CHUNK, "rows")
    write(root, MAPS, "maps")
    (root / MAPS).write_text("mops")
    (root / ROUND).write_text("state: imported\n")
    assert remove_damaged(Book(root)) == [MAPS, CHUNK]
    assert not (root / CHUNK).exists()
    assert kinds(root) == {ROUND: "changed"}
    assert remove_damaged(Book(root)) == []


def test_loss_is_acknowledged_for_a_file_or_a_folder_and_then_it_is_none(root):
    write(root, "models/m001/model.yaml", "a")
    write(root, "models/m001/log.csv", "b")
    (root / "models/m001/model.yaml").unlink()
    (root / "models/m001/log.csv").write_text("c")
    (root / ROUND).unlink()
    assert acknowledge(Book(root), root / "models") == ["models/m001/log.csv", "models/m001/model.yaml"]
    assert acknowledge(Book(root), root / ROUND) == [ROUND]
    assert kinds(root) == {}
    assert acknowledge(Book(root), root / ROUND) == []


def test_folder_that_came_back_is_one_line_without_the_names_in_it(root):
    target = root / "rounds/r001/returns/abc"
    with atomic.staged_folder(temporary_path(target)) as folder:
        (folder / "Meier, Hans.json").write_text("{}")
        atomic.publish_folder(folder, target)
    doors.end()
    assert not any("Meier" in path.read_text() for path in (root / "ledger").iterdir())
    (target / "Meier, Hans.json").write_text("[]")
    assert kinds(root) == {"rounds/r001/returns/abc/": "changed"}


def test_folder_that_is_published_is_entered_file_by_file_but_for_its_frames(root):
    target = root / "pullbacks/S01-P1"
    with atomic.staged_folder(temporary_path(target)) as folder:
        (folder / "frames.npy").write_text("pixels")
        atomic.write_text(folder / "pullback.yaml", "a")
        atomic.publish_folder(folder, target)
    doors.end()
    (root / "pullbacks/S01-P1/frames.npy").write_text("others")
    assert kinds(root) == {}, "pullback.yaml has their hash"
    (root / "pullbacks/S01-P1/pullback.yaml").write_text("b")
    assert kinds(root) == {"pullbacks/S01-P1/pullback.yaml": "changed"}


def test_project_of_an_older_version_gets_a_ledger_with_what_is_there_at_the_first_write(root):
    for path in (root / "ledger").iterdir():
        path.unlink()
    (root / "ledger").rmdir()
    doors.verify(root / ROUND)
    assert (differences(Book(root), deep=True), list((root / "rounds/r001").iterdir())) == ([], [root / ROUND])
    doors._books.clear()
    write(root, CHUNK, "rows")
    found = chapters(root)["00000-found.jsonl"]
    assert [line.get("found") for line in found] == [None, "identity.yaml", "project.yaml", ROUND, None]
    (root / ROUND).unlink()
    assert kinds(root) == {ROUND: "gone"}


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
def test_key_of_pseudonyms_of_an_older_version_is_closed_at_the_first_write_and_may_be_opened_to_a_group(root):
    shutil.rmtree(root / "ledger")
    for mode, then in ((0o644, 0o600), (0o640, 0o640)):
        (root / "identity.yaml").chmod(mode)
        write(root, ROUND, f"state: of {mode}\n")
        assert stat.S_IMODE((root / "identity.yaml").stat().st_mode) == then


def test_failed_write_leaves_no_false_alarm(root, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "failed")

    with monkeypatch.context() as patched, doors.command("select"):
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="failed"):
            atomic.write_text(root / ROUND, "state: exported\n")
    assert kinds(root) == {}
    doors.verify(root / ROUND)


def test_full_disk_stops_a_write_before_the_file_is_touched(root, monkeypatch):
    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    before = (root / ROUND).read_bytes()
    with monkeypatch.context() as patched, doors.command("select"):
        patched.setattr(os, "write", no_room)
        with pytest.raises(OSError, match="no room"):
            atomic.write_text(root / ROUND, "state: exported\n")
    assert (root / ROUND).read_bytes() == before
    write(root, ROUND, "state: exported\n")
    assert (kinds(root), list(faults_of_the_ledger(Book(root)))) == ({}, [])


KILLED = """
import os, pathlib, signal, sys
from ivsqa.io import atomic
from ivsqa.io.ledger import doors
moment, root = sys.argv[1], pathlib.Path(sys.argv[2])
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with doors.command("select"):
    atomic.write_text(root / "rounds/r001/selection.csv", "rank")
    if moment == "before":
        pathlib.Path.replace = kill
    atomic.write_text(root / "rounds/r001/round.yaml", "state: exported")
    kill()
"""


@pytest.mark.parametrize(("moment", "state"), [("before", "state: selected\n"), ("after", "state: exported")])
def test_kill_between_line_and_file_or_behind_both_leaves_no_false_alarm(root, moment, state):
    run = subprocess.run([sys.executable, "-c", KILLED, moment, str(root)], check=False)
    assert run.returncode == -signal.SIGKILL
    assert (root / ROUND).read_text() == state
    assert kinds(root) == {}
    write(root, ROUND, "state: imported\n")
    assert kinds(root) == {}
    (root / ROUND).unlink()
    assert kinds(root) == {ROUND: "gone"}


def test_next_command_cleans_up_behind_one_that_was_killed(root):
    subprocess.run([sys.executable, "-c", KILLED, "before", str(root)], check=False)
    assert list(root.rglob(".tmp-*"))
    write(root, CHUNK, "rows")
    assert list(root.rglob(".tmp-*")) == []
    assert {"swept": "00002-select.jsonl"} in chapters(root)["00003-score.jsonl"]


def test_what_another_process_writes_meanwhile_is_no_change(root):
    doors.verify(root / ROUND)
    other = Book(root)
    script = f"from ivsqa.io import atomic; import pathlib; atomic.write_text(pathlib.Path({str(root / ROUND)!r}), 'x')"
    subprocess.run([sys.executable, "-c", script], check=True)
    doors.verify(root / ROUND)
    assert other.accepts(ROUND, hash_of(root / ROUND))


def test_damage_to_the_ledger_is_named(root):
    write(root, CHUNK, "rows")
    (root / "ledger/00001-select.jsonl").unlink()
    assert list(faults_of_the_ledger(Book(root))) == [
        ("ledger/00001-*", "is gone: chapters are numbered without a gap")
    ]
    assert kinds(root) == {ROUND: "unknown"}
    path = root / "ledger/00002-score.jsonl"
    path.write_text(path.read_text().replace('"wrote"', '"wr0te"'))
    assert ("ledger/00002-score.jsonl", "line 2 cannot be read") in faults_of_the_ledger(Book(root))
    assert kinds(root)[CHUNK] == "unknown"


@pytest.mark.parametrize("damage", [lambda text: text[: text.index('"wrote"') + 20], lambda _: "no line"])
def test_a_chapter_without_the_end_of_its_last_line_is_looked_at_once(root, damage):
    path = root / "ledger/00001-select.jsonl"
    path.write_text(damage(path.read_text()))
    assert kinds(root) == {ROUND: "unknown"}


def test_check_may_look_at_what_readers_refuse(root):
    (root / ROUND).unlink()
    with doors.open_doors():
        doors.written_in(root / "rounds", r"[^/]+/round\.yaml")
    with pytest.raises(IntegrityError):
        doors.written_in(root / "rounds", r"[^/]+/round\.yaml")


def test_who_reads_a_part_of_a_file_sees_its_size_and_check_its_bytes(root):
    write(root, CHUNK, "rows")
    (root / CHUNK).write_text("rovs")
    doors.verify(root / CHUNK, in_part=True)
    with pytest.raises(IntegrityError, match="was changed"):
        doors.verify(root / CHUNK)
    assert kinds(root)[CHUNK] == "changed"
    (root / CHUNK).write_text("more rows")
    with pytest.raises(IntegrityError, match="was changed"):
        doors.verify(root / CHUNK, in_part=True)


def test_a_command_that_writes_and_reads_in_turn_reads_the_ledger_once(root):
    with doors.command("import"):
        atomic.write_text(root / ROUND, "state: exported\n")
        seen = doors.book_of(root).view
        for number in range(2, 5):
            other = root / f"rounds/r00{number}/round.yaml"
            atomic.write_text(other, "state: selected\n")
            doors.verify(other)
            doors.written_in(root / "rounds", r"[^/]+/round\.yaml")
        assert doors.book_of(root).view is seen
    (root / "rounds/r004/round.yaml").write_text("state: imported\n")
    with pytest.raises(IntegrityError, match="was changed"):  # once the command ended, its own files are looked at too
        doors.verify(root / "rounds/r004/round.yaml")
