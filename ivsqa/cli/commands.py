"""The commands: in which order and under which heading the help lists them, and where each is.

A command lives in the module that is named as the command is typed, in a function of the same name: `import-annotations` is
`import_annotations` in `import_annotations.py`. Where Python keeps a word for itself, an underscore follows: `import_`.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import chain
from typing import Any

import typer
import typer.main

GROUPS = {
    "Study": ("init", "import", "amend", "status", "check", "why"),
    "Learning": ("train", "finetune", "evaluate", "score"),
    "Rounds": ("select", "export-for-annotation", "refine", "import-annotations", "simulate"),
    "Readers": ("agreement", "adjudicate", "undo"),
    "Accepting": ("audit", "accept"),
    "Results": ("measure", "report", "export"),
    "Cluster": ("slurm",),
    "Try it": ("phantom", "demo"),
}
"""Commands by heading, in the order in which a study needs them."""
SHARED_OUT = frozenset({"train", "finetune", "score"})
"""Commands that the processes of torchrun share out; any other is done by the first of them alone."""


class LazyCommands(Mapping[str, Any]):
    """The commands by name. Each is imported when it is asked for: `ivsqa status` does not wait for the options of all others."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401  typer's own type is private
        if name not in set(self):
            raise KeyError(name)
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(GROUPS.values())

    def __len__(self) -> int:
        return sum(len(names) for names in GROUPS.values())


@cache
def _command(name: str) -> Any:  # noqa: ANN401  typer's own type is private
    """Return a command, imported now."""
    module_name = name.replace("-", "_") + ("_" if keyword.iskeyword(name) else "")
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name)(getattr(import_module(f"ivsqa.cli.{module_name}"), module_name))
    return typer.main.get_command(alone)
