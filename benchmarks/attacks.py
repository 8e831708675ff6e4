"""Attacks on a study and what is said of them: damaged files of every kind, kills, full disks, damaged inputs, poisoned packets.

Each kind of file of a small study is damaged in each of twelve ways, a copy of the study each time, and fifteen commands are run.
Where an answer differs from that of the sound study and no error is told, `check` has to name the damage. The attacks come in
random order, so that a run that is cut short by `--minutes` is a sample of all.

Twenty commands that write are killed before their last change on disk and before others, and given again. Each file of a folder
of pullbacks of every kind, and one of each kind of file of a return in each format, is damaged in six ways, and taken in.

    python benchmarks/attacks.py [--minutes 60] [--seed 1]
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import yaml
from report import WORK, print_table, write_json
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1]))  # the attack lists are the tests'

from ivsqa.cli.main import app
from ivsqa.io.project.project import open_project
from ivsqa.workflow.scoring.score import score_frames
from ivsqa.workflow.training.train import train_model
from tests.attacks.attack import READING, WRITING, Attack, Attacker, run, run_here
from tests.attacks.damages import WAYS
from tests.attacks.full_disk import NEEDING_ROOM, asked, full_disk
from tests.attacks.inputs import imports, returns
from tests.attacks.kills import KILLED, Killings
from tests.attacks.poisons import poisoned
from tests.attacks.study_of_every_kind import complete, files_by_kind, linked_copy
from tests.conftest import imported_in, phantoms_in, start
from tests.privacy.planted import planted_in

VERDICTS = ("same", "said", "named", "silent", "traceback", "hang")
EDITED = "settings"
"""What people edit may say anything that is no mistake: another answer is right there."""


def main() -> None:
    """Attack, and count what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="for damaged files of a study; the rest takes half an hour more"
    )
    parser.add_argument("--kills", type=int, default=10, help="of each command")
    parser.add_argument("--inputs", type=int, default=1, help="how often each file is damaged in each way")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    shutil.rmtree(WORK / "attacks", ignore_errors=True)
    study = made_study(WORK / "attacks")
    attacks, n_planned = damage(study, WORK / "attacks", options.minutes, random.Random(options.seed))
    by_kind = [(kind, Counter(one.verdict for one in attacks if one.kind == kind)) for kind in files_by_kind(study)]
    print_table(
        ("kind of file", *VERDICTS), [(kind, *(found[verdict] for verdict in VERDICTS)) for kind, found in by_kind]
    )
    n_files = len({(one.name, one.way) for one in attacks})
    others = {"full disk": full_disks(study, WORK / "attacks"), "packet": packets(study, WORK / "attacks")}
    others["settings"] = settings(study, WORK / "attacks")
    rng = random.Random(options.seed)
    others["kill"] = kills(study, WORK / "attacks", options.kills, rng)
    others |= inputs(study, WORK / "attacks", options.inputs, rng)
    print(f"{n_files} of {n_planned} damages, {len(attacks)} commands")
    print_table(
        ("attack", "commands", "in order", "tracebacks"),
        [(name, *row) for name, row in others.items()],
    )
    shutil.rmtree(WORK / "attacks")  # nobody should meet folders of the name of a file
    worst = [one for one in attacks if one.verdict in VERDICTS[3:] and one.kind != EDITED]
    for one in worst:
        print(f"{one.verdict}: {one.name} {one.way}: {one.line}")
    write_json(
        "attacks",
        {
            "seed": options.seed,
            "n_damages": n_files,
            "n_planned": n_planned,
            "n_commands": len(attacks),
            "by_kind": {kind: {verdict: found[verdict] for verdict in VERDICTS} for kind, found in by_kind},
            "others": {
                name: dict(zip(("n", "n_in_order", "n_tracebacks"), row, strict=True)) for name, row in others.items()
            },
            "worst": [[one.verdict, one.name, one.way, one.line] for one in worst],
        },
    )


def made_study(work: Path) -> Path:
    """Return a small study that is trained and scored, with every kind of file."""
    phantoms = phantoms_in(work / "phantoms")
    project = open_project(imported_in(work / "study", phantoms))
    start(project, phantoms)
    train_model(project, device="cpu")
    score_frames(project, device="cpu")
    complete(project, phantoms)
    return project.root


def damage(study: Path, work: Path, minutes: float, rng: random.Random) -> tuple[list[Attack], int]:
    """Return what came of damaging files for some minutes, and how many damages there are in all."""
    attacker, kinds = Attacker(study, work, [*READING, *WRITING]), files_by_kind(study)
    todo = [(kind, way) for kind in kinds for way in WAYS]
    rng.shuffle(todo)
    attacks: list[Attack] = []
    until = time.monotonic() + 60.0 * minutes
    for kind, way in todo:
        if time.monotonic() > until:
            break
        attacks += attacker.attacks(kind, rng.choice(kinds[kind]), way, rng)
    return attacks, len(todo)


def full_disks(study: Path, work: Path) -> tuple[int, int, int]:
    """Return how many commands met a full disk, ended in a line and went on, and were tracebacks."""
    n = n_good = n_bugs = 0
    for line in NEEDING_ROOM:
        for after in range(4):
            shutil.rmtree(work / "full", ignore_errors=True)
            root = linked_copy(study, work / "full")
            command = asked(line, root, work)
            with full_disk(after=after) as refused:
                said = run_here(command, root)
            if refused:
                again = run_here(command, root)
                n, n_bugs = n + 1, n_bugs + bool(said.bug or again.bug)
                n_good += said.code == 3 and "the disk is full" in said.errors and again.code == 0
    return n, n_good, n_bugs


def packets(study: Path, work: Path) -> tuple[int, int, int]:
    """Return the same of checks of packets whose record is poisoned; see `poisoned`."""
    packet = Path(shutil.copytree(study / "rounds" / "r006" / "packet", work / "packet"))
    record = packet / ".ivsqa" / "packet.yaml"
    codes = []
    for _, changed in poisoned(yaml.safe_load(record.read_text(encoding="utf-8"))):
        record.write_text(yaml.safe_dump(changed), encoding="utf-8")
        codes.append(CliRunner().invoke(app, ["check", str(packet)]).exit_code)
    return len(codes), sum(code in (0, 3) for code in codes), codes.count(1)


def settings(study: Path, work: Path) -> tuple[int, int, int]:
    """Return the same of `status` where `project.yaml` is poisoned."""
    root = linked_copy(study, work / "settings")
    path = root / "project.yaml"
    said = []
    for _, changed in poisoned(yaml.safe_load(path.read_text(encoding="utf-8"))):
        path.unlink()
        path.write_text(yaml.safe_dump(changed), encoding="utf-8")
        said.append(run("status", root))
    return len(said), sum(one.code in (0, 3) for one in said), sum(bool(one.bug) for one in said)


def kills(study: Path, work: Path, most: int, rng: random.Random) -> tuple[int, int, int]:
    """Return the same of kills; in order is what comes to the same end."""
    killings = Killings(study, work / "kills")
    found = [kill for line in KILLED for kill in killings.of(line, most, rng)]
    for kill in found:
        if kill.verdict != "same":
            print(f"killed before change {kill.n}: {kill.line}: {kill.verdict}")
    return len(found), sum(kill.verdict == "same" for kill in found), sum("Traceback" in kill.verdict for kill in found)


def inputs(study: Path, work: Path, n_each: int, rng: random.Random) -> dict[str, tuple[int, int, int]]:
    """Return the same of damaged inputs; in order is what takes at most 20 s and 1 GB, too."""
    given = planted_in(work / "given", phantoms_in(work / "more")).folder
    made = {
        "import": imports(given, work / "import", n_each, rng),
        "return": returns(study, work / "return", n_each, rng),
    }
    rows = {}
    for name, attacks in made.items():
        found = list(attacks)
        worst = [one for one in found if one.verdict != "in order"]
        for one in worst:
            print(f"{name} of {one.name} {one.way}: {one.verdict}")
        slowest, largest = max(one.seconds for one in found), max(one.more_mb for one in found)
        print(f"{name}: at most {slowest:.1f} s and {largest:.0f} MB more")
        rows[name] = len(found), len(found) - len(worst), sum("Traceback" in one.verdict for one in worst)
    return rows


if __name__ == "__main__":
    main()
