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
from ivsqa.io.project.annotation_records import PointerRecord, RevisionRecord
from ivsqa.io.project.audits import AuditRecord
from ivsqa.io.project.manifest import Section
from ivsqa.io.project.records import ModelRecord, PacketRecord, PullbackRecord, RoundRecord, ScoresRecord
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
    AuditRecord,
    PacketRecord,
    ScoresRecord,
]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchor_of(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    return {anchor_of(heading) for heading in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)}


def sections_of(page: str, *, level: int) -> dict[str, str]:
    """The text under each heading of a level, by the heading."""
    parts = re.split(rf"^{'#' * level} (.+)$", page, flags=re.MULTILINE)[1:]
    return {
        title: re.split(r"^#", text, flags=re.MULTILINE)[0] for title, text in zip(parts[::2], parts[1::2], strict=True)
    }


def prose_of(page: str) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)


def names_in(model: type[BaseModel]) -> set[str]:
    """Return the keys of a manifest that carry a value, with those of sections in it."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        inner = re.findall(r"ivsqa\.io(?:\.\w+)*\.(\w+)", str(field.annotation))
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
    assert "..." not in listed.partition("Study:")[2]


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
    page = prose_of(text_of("docs/files.md") + text_of("docs/settings.md"))
    explained = {part for name in re.findall(r"`([^`]+)`", page) for part in re.findall(r"\w+", name)}
    names = set().union(*(names_in(model) for model in MANIFESTS))
    assert {"image_sha256", "min_area_mm2", "corruption"} <= names  # keys of sections, and of sections in them
    assert names <= explained


def test_every_word_of_the_glossary_is_used_in_the_code() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \| [^|]+ \| ([^|]*) \|$", text_of("docs/concepts.md").partition("## Glossary")[2], re.MULTILINE
    )
    names = {name for _, cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert len(rows) > 60
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "ivsqa").rglob("*.py")))
    assert sorted(names - set(re.findall(r"\w+", code)) - {path.stem for path in (ROOT / "ivsqa").rglob("*.py")}) == []
    terms = [term for term, _ in rows if term != "term"]
    assert len(set(terms)) == len(terms)


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


def test_every_measured_claim_names_scripts_that_are_there_and_left_a_result() -> None:
    claims = sections_of(text_of("docs/measured.md"), level=3)
    assert len(claims) >= 18
    for title, text in claims.items():
        assert re.search(r"\d", text), f"{title}: no figure"
        scripts = re.findall(r"\[`benchmarks/(\w+)\.py`\]\(\.\./benchmarks/\1\.py\)", text)
        assert scripts, f"{title}: no script"
        for script in scripts:
            assert "__main__" in text_of(f"benchmarks/{script}.py"), f"{title}: benchmarks/{script}.py measures nothing"
            assert (ROOT / f"benchmarks/results/{script}.json").is_file(), f"{title}: {script} left no result"


def test_every_measuring_script_stands_behind_a_claim() -> None:
    page = text_of("docs/measured.md")
    scripts = [
        path.name for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")
    ]
    assert [name for name in scripts if f"benchmarks/{name}`" not in page] == ["house.py"]  # which measures the code


def test_the_readme_makes_eight_claims_of_a_line_each_with_its_figure() -> None:
    claims = re.findall(r"^\* \[.+\]\(docs/measured\.md#([\w-]+)\)$", text_of("README.md"), flags=re.MULTILINE)
    titles = {anchor_of(title) for title in sections_of(text_of("docs/measured.md"), level=3)}
    assert len(claims) == 8
    assert set(claims) <= titles


def test_the_readme_takes_two_screens() -> None:
    lines = re.sub(r"\]\([^)]*\)", "]", text_of("README.md")).splitlines()
    assert len(lines) <= 95
    assert max(map(len, lines)) <= 120


def test_commit_hooks_run_the_tools_of_the_virtual_environment() -> None:
    hooks = [hook for repo in yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]]
    assert {hook["id"] for hook in hooks} == {"ruff-check", "ruff-format", "mypy"}
    assert all(hook["language"] == "system" and hook["entry"].startswith(".venv/bin/") for hook in hooks)
