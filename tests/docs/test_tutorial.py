"""The tutorial and the walk to the end of a study do what they say: every command is run, in order, in one shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

MARK = "== command"
STABLE_WORD = re.compile(r"(?<![\w./-])[A-Za-z]{3,}(?![\w/-])")
"""What is the same in every run: not numbers, ids or paths."""


def console_steps(page: str) -> list[tuple[str, str]]:
    """Return the commands of a page's console blocks, each with the output shown for it."""
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", page, flags=re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            steps.append((command, shown))
    return steps


@pytest.mark.parametrize("page", ["tutorial", "finish"])
def test_every_command_runs_and_prints_what_is_shown(
    repository: Path, shell: Callable[..., CompletedProcess[str]], tmp_path: Path, page: str
) -> None:
    steps = console_steps((repository / f"docs/{page}.md").read_text(encoding="utf-8"))
    assert len(steps) > 15
    script = "".join(f"echo {shlex.quote(MARK)}\n{command} 2>&1\n" for command, _ in steps)
    result = shell(f"set -euo pipefail\n{script}", folder=tmp_path)
    outputs = result.stdout.split(f"{MARK}\n")[1:]
    assert result.returncode == 0, f"{steps[len(outputs) - 1][0]}: {outputs[-1]}"
    for (command, shown), output in zip(steps, outputs, strict=True):
        missing = set(STABLE_WORD.findall(shown)) - set(STABLE_WORD.findall(output))
        assert not missing, f"{command} did not print {sorted(missing)}:\n{output}"
