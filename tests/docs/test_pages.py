"""What the pages say is there: commands, error classes, keys, links; and nothing of the machine they were written on."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path

import pytest
import typer.main
import yaml
from pydantic import BaseModel
from typer.core import TyperOption
from typer.testing import CliRunner

from ivsqa import errors
from ivsqa.cli.main import app
from ivsqa.io.project.manifest import Section
from ivsqa.io.project.records import (
    ModelRecord,
    PacketRecord,
    PointerRecord,
    PullbackRecord,
    RevisionRecord,
    RoundRecord,
    ScoresRecord,
)
from ivsqa.io.project.settings import PACKET_FORMATS, ProjectSettings

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = sorted(typer.main.get_group(app).commands)
MANIFESTS: list[type[BaseModel]] = [
    ProjectSettings,
    PullbackRecord,
    RevisionRecord,
    PointerRecord,
    ModelRecord,
    RoundRecord,
    PacketRecord,
    ScoresRecord,
]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def prose_of(page: str) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)


def names_in(model: type[BaseModel]) -> set[str]:
    """Return the keys of a manifest that carry a value, with those of sections in it."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        inner = re.findall(r"ivsqa\.io\.\w+\.(\w+)", str(field.annotation))
        sections = [one for one in Section.__subclasses__() if one.__name__ in inner]
        names |= set().union(*(names_in(one) for one in sections)) if sections else {name}
    return names


def test_the_page_of_commands_is_what_the_help_says() -> None:
    page = runpy.run_path(str(ROOT / "docs/generate_cli.py"))["cli_page"]()
    assert page == text_of("docs/cli.md"), "write it anew with: make docs"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_has_a_section(command: str) -> None:
    assert re.search(rf"\b{command}\b", text_of("README.md"))
    assert f"\n## {command}\n" in text_of("docs/cli.md")


def test_the_list_of_commands_is_not_cut_at_80_columns() -> None:
    listed = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["--help"]).stdout
    assert "..." not in listed.partition("Commands:")[2]


def test_every_option_with_a_value_says_what_it_takes() -> None:
    bare = [
        f"{name} {option.opts[0]}"
        for name, command in typer.main.get_group(app).commands.items()
        for option in command.params
        if isinstance(option, TyperOption) and not option.is_flag and not option.metavar
    ]
    assert not bare


def test_every_error_has_an_entry_with_its_mend() -> None:
    page = text_of("docs/troubleshooting.md")
    classes = {
        name
        for name, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, errors.IvsqaError) and one is not errors.IvsqaError
    }
    entries = dict(re.findall(r"^## (\w+Error)\n(.*?)(?=^## |\Z)", page, flags=re.DOTALL | re.MULTILINE))
    assert set(entries) == classes
    assert [
        name for name, entry in entries.items() if not all(f"**{word}**" in entry for word in ("Says", "Why", "Mend"))
    ] == []


def test_every_key_of_a_manifest_is_explained() -> None:
    page = prose_of(text_of("docs/files.md"))
    explained = {part for name in re.findall(r"`([^`]+)`", page) for part in re.findall(r"\w+", name)}
    assert set().union(*(names_in(model) for model in MANIFESTS)) <= explained


def test_every_packet_format_is_described() -> None:
    page = text_of("docs/formats.md")
    assert [name for name in PACKET_FORMATS if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors_of(linked), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_folder_of_the_machine_it_was_written_on(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(tmp|home|root|work|Users|usr|opt|mnt)/", text)
    assert str(Path.home()) + "/" not in text


def test_every_option_that_a_page_or_script_uses_exists() -> None:
    group = typer.main.get_group(app)
    texts = [path.read_text(encoding="utf-8") for path in [*PAGES, *sorted((ROOT / "examples").glob("*.sh"))]]
    used = [found for text in texts for found in re.findall(r"ivsqa ([a-z]+(?:-[a-z]+)*)([^`\n#]*)", text)]
    assert len(used) > 50
    for command, rest in used:
        if command in group.commands:
            known = {name for one in group.commands[command].params for name in one.opts}
            assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest)) <= known, f"ivsqa {command}{rest}"


def test_every_figure_names_a_script_that_is_there() -> None:
    rows = re.findall(r"^\| .+ \| `(benchmarks/[^`]+)` \|$", text_of("README.md"), flags=re.MULTILINE)
    assert rows
    assert [row for row in rows if not (ROOT / row).is_file()] == []


def test_commit_hooks_run_the_tools_of_the_virtual_environment() -> None:
    hooks = [hook for repo in yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]]
    assert {hook["id"] for hook in hooks} == {"ruff-check", "ruff-format", "mypy"}
    assert all(hook["language"] == "system" and hook["entry"].startswith(".venv/bin/") for hook in hooks)
