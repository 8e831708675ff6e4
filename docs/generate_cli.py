"""Writes docs/cli.md from the help of the commands: `make docs`. A test compares the two, so that neither drifts.

The tables are read from the commands themselves, not from the printed help: they do not depend on the width of a terminal.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

from typer.core import TyperArgument, TyperCommand, TyperOption

from ivsqa.cli.commands import GROUPS, LazyCommands

TARGET = Path(__file__).with_name("cli.md")

HEAD = """# Command line

This page is written by `make docs` from the help of the commands; edit their docstrings, not this file.

Answers go to stdout, messages and progress to stderr. `--json` prints one object; [its keys](json.md) are fixed.
`--dry-run` shows what would be done and writes nothing. The project is the current folder or one above, or `--project DIR`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a bug in ivsqa: please report the traceback |
| 2 | the command line was not understood |
| 3 | something you can mend: the message says what, where and how ([troubleshooting](troubleshooting.md)) |
| 4 | `check` found something |
| 130 | interrupted; the same command goes on |
| 141 | whoever reads the answer, such as `head`, left before its end |
"""


def cli_page() -> str:
    """Return the page: a table of the commands by group, then a section for each."""
    commands = LazyCommands()
    lines = [HEAD, "| | command | does |", "|---|---|---|"]
    for group, names in GROUPS.items():
        headings = [group, *[""] * (len(names) - 1)]
        lines += [
            f"| {heading} | [`{name}`](#{name}) | {_first_sentence(commands[name])} |".replace("|  |", "| |")
            for heading, name in zip(headings, names, strict=True)
        ]
    sections = ["\n".join(lines), *(_section(name, command) for name, command in commands.items())]
    return "\n\n".join(sections) + "\n"


def _section(name: str, command: TyperCommand) -> str:
    """Return the section of one command."""
    arguments = [one for one in command.params if isinstance(one, TyperArgument)]
    options = [one for one in command.params if isinstance(one, TyperOption) and not one.hidden]
    usage = " ".join(["ivsqa", name, *(_in_usage(one) for one in arguments), "[OPTIONS]"])
    parts = [f"## {name}", _text(inspect.cleandoc(command.help or "")), f"```\n{usage}\n```"]
    if arguments:
        parts.append(_table(("argument", "meaning", "default"), [(_in_usage(one), one) for one in arguments]))
    if options:
        parts.append(_table(("option", "meaning", "default"), [(_option_name(one), one) for one in options]))
    return "\n\n".join(parts)


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, TyperArgument | TyperOption]]) -> str:
    """Return a table of parameters."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for name, parameter in rows:
        cells = (f"`{name}`".replace("|", "\\|"), _text(parameter.help or ""), _default(parameter))
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(lines)


def _in_usage(argument: TyperArgument) -> str:
    """Return an argument as the usage line has it."""
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _option_name(option: TyperOption) -> str:
    """Return an option with what it takes."""
    return " ".join([", ".join(option.opts), *([option.metavar] if option.metavar else [])])


def _default(parameter: TyperArgument | TyperOption) -> str:
    """Return the default in words; nothing for a flag that is off."""
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return _text(parameter.show_default)
    if parameter.default is None or parameter.default is False:
        return ""
    return f"`{parameter.default}`"


def _first_sentence(command: TyperCommand) -> str:
    """Return what the list of commands says of one."""
    return _text(inspect.cleandoc(command.help or "")).partition(". ")[0].rstrip(".")


def _text(words: str) -> str:
    """Return help text as Markdown in one line."""
    one_line = " ".join(words.split())
    return one_line.replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    TARGET.write_text(cli_page(), encoding="utf-8", newline="\n")
