"""docs/architecture.md is a true map: every room is on it, every stop of a journey is there, and no journey is long."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

MOST_STOPS = 8
STOP = re.compile(r"^\| (\d+)\. \[`(\w+)`\]\(\.\./([^)]+)\) \| (.+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs/architecture.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def journeys(page: str) -> dict[str, str]:
    """The text of each journey, by its heading."""
    chapter = page.partition("\n## Four journeys\n")[2].partition("\n## ")[0]
    parts = re.split(r"^### (.+)$", chapter, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_there_are_four_journeys_of_at_most_eight_stops(journeys: dict[str, str]) -> None:
    assert len(journeys) == 4
    for title, text in journeys.items():
        numbers = [int(number) for number, _, _, _ in STOP.findall(text)]
        assert numbers == list(range(1, len(numbers) + 1)), title
        assert 3 <= len(numbers) <= MOST_STOPS, title


def test_every_stop_of_a_journey_is_defined_in_the_file_that_it_links(
    repository: Path, journeys: dict[str, str]
) -> None:
    for _, name, path, _ in (stop for text in journeys.values() for stop in STOP.findall(text)):
        code = (repository / path).read_text(encoding="utf-8")
        assert re.search(rf"^(?:def|class) {name}\b", code, flags=re.MULTILINE), f"{path} has no {name}"


def test_the_drawing_of_a_journey_shows_its_stops(journeys: dict[str, str]) -> None:
    for title, text in journeys.items():
        drawing = re.findall(r"^```\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
        assert len(drawing) == 1, title
        assert [name for _, name, _, _ in STOP.findall(text) if name not in drawing[0]] == [], title
        assert max(map(len, drawing[0].splitlines())) <= 90, f"{title}: wider than the page"


def test_every_room_of_the_package_is_on_the_map(repository: Path, page: str) -> None:
    package = repository / "ivsqa"
    folders = {path.parent.relative_to(package).as_posix() for path in package.rglob("*.py")} - {"."}
    assert sorted(folder for folder in folders if f"`{folder}/`" not in page) == []
    named = set(re.findall(r"^\| `([\w/]+)/` \|", page, flags=re.MULTILINE))
    assert named <= folders


def test_every_name_to_add_to_is_in_the_code(repository: Path, page: str) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((repository / "ivsqa").rglob("*.py")))
    chapter = page.partition("\n## Where to add\n")[2]
    names = set(re.findall(r"`([A-Z]\w+|_\w+)`", chapter))
    assert len(names) > 8
    assert names <= set(re.findall(r"\w+", code))
