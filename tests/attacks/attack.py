"""Attacks on a study: a file is damaged, commands are run, and what they say is judged."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from ivsqa.cli.main import app
from ivsqa.errors import EXIT_FINDINGS, EXIT_USER_ERROR
from ivsqa.io.project.project import open_project
from tests.attacks.damages import OF_PERMISSION, WAYS
from tests.attacks.server import in_process
from tests.attacks.study_of_every_kind import linked_copy

CHECK = "check --json"
READING = (
    CHECK,
    "status --json",
    "why {frame} --json",
    "agreement --json",
    "adjudicate --dry-run --json",
    "undo {frame} --dry-run --json",
    "select -n 2 --dry-run --json",
    "audit -n 2 --dry-run --json",
    "accept --dry-run --json",
    "export-for-annotation --round r004 --reader carl --dry-run --json",
    "import-annotations {packet} --round r004 --reader anna --dry-run --json",
)
"""Commands that write nothing."""
WRITING = (
    "measure --json",
    "report --json",
    "export {out} --format nnunet --json",
    "evaluate --json",
    "score --top 3 --json",
)
VOLATILE = frozenset(
    {"seconds", "n_bytes", "created_at", "folder", "packet", "page", "path", "size_mb", "n_scored", "n_reused"}
)
"""Keys whose values follow the clock, the place, or what had to be made again."""


@dataclass(frozen=True)
class Said:
    """What a command said.

    Attributes:
        code: Its exit code.
        answer: The JSON object without what changes from run to run; None: it printed none.
        errors: Its messages.
        bug: The traceback, that it hung, or what ended its process; "": none of these.
        seconds: How long it took.
        more_mb: By how much the memory of its process grew.
    """

    code: int
    answer: Any
    errors: str
    bug: str = ""
    seconds: float = 0.0
    more_mb: float = 0.0


@dataclass(frozen=True)
class Attack:
    """One command after one damage.

    Attributes:
        kind: Of file.
        name: The file in the study.
        way: Of damage.
        line: The command.
        verdict: "same": the right answer; "said": refused in a line; "named": another answer, and check names the damage;
            "silent": another answer, and check is content; "traceback", or what ended its process; "hang".
        detail: What was said, for whoever mends it.
    """

    kind: str
    name: str
    way: str
    line: str
    verdict: str
    detail: str = ""


def run(line: str | Sequence[str], root: Path | None = None, *, deny: bool = False) -> Said:
    """Run a command line in a process of its own, in a study where one is named; see `in_process`."""
    ended = in_process(_words(line, root), deny=deny)
    bug = "hang" if ended.hung else f"signal {ended.signal} ended its process" if ended.signal else ended.bug
    return Said(ended.code, _answer(ended.out), ended.errors, bug, ended.seconds, ended.more_mb)


def run_here(line: str, root: Path) -> Said:
    """Run a command line in this process, which remembers what befell it."""
    ran = CliRunner().invoke(app, _words(line, root))
    is_bug = ran.exception is not None and not isinstance(ran.exception, SystemExit)
    return Said(ran.exit_code, _answer(ran.stdout), ran.stderr, repr(ran.exception) if is_bug else "")


def _words(line: str | Sequence[str], root: Path | None) -> list[str]:
    return [*(line.split() if isinstance(line, str) else line), *([] if root is None else ["--project", str(root)])]


def _answer(out: str) -> Any:
    try:
        return _lasting(json.loads(out))
    except ValueError:
        return None


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(part) for key, part in value.items() if key not in VOLATILE}
    return [_lasting(part) for part in value] if isinstance(value, list) else value


class Attacker:
    """Attacks one study again and again."""

    def __init__(self, study: Path, work: Path, lines: Sequence[str]) -> None:
        self._study, self._work = study, work
        self._root = work / "attacked"
        packet = next((study / "rounds" / "r004").glob("returns/*")).relative_to(study)
        frame = open_project(study).get_round("r004").frames[0].key
        names = {"frame": frame, "packet": self._root / packet, "out": work / "out"}
        self._lines = [line.format(**names) for line in lines]
        self._fresh()
        self.sound = {line: self._run(line) for line in self._lines}

    def _fresh(self) -> None:
        # Damaged folders may be closed.
        for path in (self._root, self._work / "out"):
            if path.exists():
                for folder in path.rglob("*"):
                    if folder.is_dir() and not folder.is_symlink():
                        folder.chmod(0o755)
                shutil.rmtree(path)
        linked_copy(self._study, self._root)

    def _run(self, line: str, *, deny: bool = False) -> Said:
        shutil.rmtree(self._work / "out", ignore_errors=True)
        return run(line, self._root, deny=deny)

    def attacks(self, kind: str, name: Path, way: str, rng: random.Random) -> Iterator[Attack]:
        """Yield the outcome of every command after a damage."""
        self._fresh()
        target = self._root / name
        WAYS[way](target, rng)
        deny = way in OF_PERMISSION
        try:
            for line in self._lines:
                said = self._run(line, deny=deny)
                shown = re.sub(r"/\S+/", "", line)
                verdict = self._verdict(line, said, deny=deny)
                yield Attack(kind, name.as_posix(), way, shown, verdict, said.bug or said.errors)
        finally:
            target.parent.chmod(0o755)

    def _verdict(self, line: str, said: Said, *, deny: bool) -> str:
        if said.bug:
            return "hang" if said.bug == "hang" else "traceback"
        sound = self.sound[line]
        if (said.code, said.answer) == (sound.code, sound.answer):
            return "same"
        if said.code == EXIT_USER_ERROR and "error: " in said.errors:
            return "said"
        if line == CHECK and said.code == EXIT_FINDINGS:
            return "said"
        return "named" if self._run(CHECK, deny=deny).code in (EXIT_FINDINGS, EXIT_USER_ERROR) else "silent"
