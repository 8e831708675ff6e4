"""The documentation site builds without a warning, leads to every page, and asks nothing of the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from ivsqa import Study
from tests.chromium import chromium, find_chromium


@pytest.fixture(scope="module")
def site(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: a broken link or a page outside the navigation is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_of_the_repository_is_in_the_site(repository: Path, site: Path) -> None:
    pages = {path.stem for path in (repository / "docs").glob("*.md")} | {"index", "contributing", "changelog"}
    assert pages == {path.stem for path in site.glob("*.html")} - {"404"}


def test_the_navigation_leads_to_every_page(site: Path) -> None:
    front = (site / "index.html").read_text(encoding="utf-8")
    navigation = front[front.index("md-nav--primary") : front.index("md-content")]
    missing = [
        page.name for page in site.glob("*.html") if page.stem != "404" and f'href="{page.name}' not in navigation
    ]
    assert missing in ([], ["index.html"])  # which is this page: its entry may be an anchor


def test_a_linked_file_of_the_code_is_a_page_that_shows_it(repository: Path, site: Path) -> None:
    page = (site / "source/ivsqa/errors.py.html").read_text(encoding="utf-8")
    assert "IvsqaError" in page
    assert "source/ivsqa/errors.py.html" in (site / "architecture.html").read_text(encoding="utf-8")


def test_pictures_are_in_the_site_and_shown(site: Path) -> None:
    for page in (site / "method.html", site / "evidence.html", site / "index.html"):
        sources = re.findall(r'<img[^>]* src="([^"]+)"', page.read_text(encoding="utf-8"))
        assert sources, page.name
        assert all((site / source).is_file() for source in sources), sources


def test_no_page_fetches_anything_from_the_network(site: Path) -> None:
    fetched = re.compile(
        r'<(?:script|img|iframe)[^>]* src="(?:https?:)?//|<link[^>]* href="(?:https?:)?//(?![^>]*canonical)'
    )
    assert [page.name for page in site.rglob("*.html") if fetched.search(page.read_text(encoding="utf-8"))] == []


@pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine")
def test_the_site_opened_from_disk_can_be_searched_and_asks_for_files_alone(site: Path, tmp_path: Path) -> None:
    found = "document.querySelector('.md-search-result__link[href*=\"concepts.html\"]')"
    with chromium(tmp_path) as tab:
        tab.open(site / "index.html", until="document.querySelector('.md-search__input')")
        field = "document.querySelector('.md-search__input')"
        tab.evaluate(f"{field}.focus(); {field}.value = 'adjudication'; {field}.dispatchEvent(new Event('keyup'))")
        tab.wait_for(found)
        asked = tab.requests()
    assert asked
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []


def test_the_reference_shows_types_with_their_docstrings(site: Path) -> None:
    page = (site / "reference.html").read_text(encoding="utf-8")
    assert 'id="ivsqa.domain.contour.Contour"' in page
    assert 'id="ivsqa.study.open"' in page
    assert "Raises" in page


def test_every_method_of_a_study_is_in_the_reference(repository: Path) -> None:
    page = (repository / "docs/reference.md").read_text(encoding="utf-8")
    methods = {name for name, value in vars(Study).items() if type(value).__name__ == "_UseCase"}
    assert len(methods) > 15
    assert {name for name in methods if f"`study.{name}(…)`" not in page} == set()
    for module, function in re.findall(r"^::: (ivsqa\.workflow\.[\w.]+)\.(\w+)$", page, flags=re.MULTILINE):
        assert callable(getattr(import_module(module), function))
