"""What the site adds to docs/: the pages that lie at the top of the repository, and a page for each file that is linked.

Pages are written to be read where they lie, so they link `../ivsqa/errors.py` or `docs/method.md`. MkDocs knows docs/ alone.
Here README.md, CONTRIBUTING.md and CHANGELOG.md become pages of the site, each linked file outside docs/ becomes a page or a
picture under `source/`, and the links are turned accordingly. A link that leads nowhere stays, and fails a strict build.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
TOP_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Where each page at the top of the repository lies in the site."""

PICTURES = {".svg", ".png", ".jpg"}
LANGUAGES = {".py": "python", ".sh": "bash", ".sbatch": "bash", ".json": "json", ".yaml": "yaml", ".yml": "yaml"}
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
FENCE = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the top and of every file that a page links."""
    for name, uri in TOP_PAGES.items():
        files.append(File.generated(config, uri, content=(ROOT / name).read_text(encoding="utf-8")))
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in [*(ROOT / "docs").glob("*.md"), *map(ROOT.joinpath, TOP_PAGES)]
    }
    linked = {
        (path.parent / target).resolve() for path, text in texts.items() for _, target, _, _ in LINK.findall(text)
    }
    for path in sorted(linked):
        if path.is_file() and uri_of(path).startswith("source/"):
            content = path.read_bytes() if path.suffix in PICTURES else source_page(path)
            files.append(File.generated(config, uri_of(path), content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links that lead out of docs/ to where the site has what they mean."""
    del config, files
    uri = page.file.src_uri
    if uri.startswith("source/"):
        return markdown
    written = next((name for name, site in TOP_PAGES.items() if site == uri), f"docs/{uri}")
    here = (ROOT / written).parent

    def turned(match: re.Match[str]) -> str:
        path = (here / match[2]).resolve()
        if re.match(r"[a-z]+:", match[2]) or not path.is_file():
            return match[0]
        target = os.path.relpath(uri_of(path), start=Path(uri).parent)
        return f"{match[1]}{Path(target).as_posix()}{match[3] or ''}{match[4]}"

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(turned, part) for part in parts)


def uri_of(path: Path) -> str:
    """Return where the site has a file of the repository."""
    name = path.relative_to(ROOT).as_posix()
    if name in TOP_PAGES:
        return TOP_PAGES[name]
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    return f"source/{name}" if path.suffix in PICTURES else f"source/{name}.md"


def source_page(path: Path) -> str:
    """Return a page that shows a file as it is; no search finds it, since it is no prose."""
    text = path.read_text(encoding="utf-8").rstrip("\n")
    name = path.relative_to(ROOT).as_posix()
    head = f"---\nhide: [navigation, toc]\nsearch: {{exclude: true}}\n---\n\n# {path.name}\n\n`{name}`\n\n"
    fence = "`" * 4
    return f"{head}{fence}{LANGUAGES.get(path.suffix, 'text')}\n{text}\n{fence}\n"
