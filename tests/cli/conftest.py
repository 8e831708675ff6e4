"""Runs command lines as a user would type them."""

import json
import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ivsqa.cli.main import app


@dataclass(frozen=True)
class Ran:
    """What a command line left: its exit code, and what it wrote to each stream."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object on stdout."""
        found = json.loads(self.out)
        assert found["version"] == 1
        return dict(found)


Run = Callable[..., Ran]


@pytest.fixture
def run() -> Run:
    """Run `ivsqa` with a command line, given as one text or as parts; an unexpected exception is raised."""

    def ran(*parts: str | Path) -> Ran:
        arguments = (
            shlex.split(parts[0]) if len(parts) == 1 and isinstance(parts[0], str) else [str(part) for part in parts]
        )
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        return Ran(result.exit_code, result.stdout, result.stderr)

    return ran


@pytest.fixture
def inside() -> Iterator[Callable[[Path], None]]:
    """Return a function that enters a folder for the rest of the test."""
    before = Path.cwd()
    yield os.chdir
    os.chdir(before)
