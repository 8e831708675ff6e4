"""Runs ivsqa as people do: from the shell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

IVSQA = [sys.executable, "-c", "from ivsqa.cli.main import main; main()"]


def ivsqa(*arguments: object, project: Path | None = None) -> dict[str, Any]:
    """Run a command with --json and return its answer; a failure shows what it printed and stops the benchmark."""
    at = ["--project", str(project)] if project else []
    line = [*IVSQA, *(str(one) for one in arguments), *at, "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"ivsqa {' '.join(line[3:])} → {done.returncode}\n{done.stdout}\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
