"""Someone who works in the page of a packet, with a real mouse and real keys."""

import time
from pathlib import Path

import numpy as np

from tests.chromium import LONGEST_S, Tab


class Reader:
    """A reader with the page open.

    Args:
        tab: Where.
        page: The page.
        downloads: Where the browser puts what is saved.
    """

    def __init__(self, tab: Tab, page: Path, downloads: Path) -> None:
        self.tab, self.page, self.downloads = tab, page, downloads
        self.open()

    def open(self) -> None:
        """Open the page, again if need be, once all that was done before is on the disk."""
        self.tab.wait_for("typeof Session === 'undefined' || !Session.isWriting")
        self.tab.open(self.page, until="document.body.dataset.ready")
        # The guide shows itself once in a browser's life.
        self.tab.evaluate("document.getElementById('guide').close()")

    def seen(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Return where a point of the frame is seen in the window, once the page has laid itself out."""
        # New words can change the size of the stage; the page fits the frame into it a picture later.
        self.tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
        x, y = self.tab.evaluate(f"View.toScreen([{x_px}, {y_px}])")
        left, top = self.tab.evaluate("((box) => [box.left, box.top])(View.stage.getBoundingClientRect())")
        return x + left, y + top

    def shown(self, name: str) -> np.ndarray:
        """Return the border of a structure that is seen now, (n, 2) px of the frame."""
        return np.array(self.tab.evaluate(f"Tools.scene().contours['{name}']"))

    def text(self, element: str) -> str:
        """Return the words of an element, by its id."""
        return str(self.tab.evaluate(f"document.getElementById('{element}').textContent"))

    def words(self) -> str:
        """Return what the page says below the frame."""
        return self.text("words")

    def at_frame(self, index: int) -> None:
        """Wait until a frame is shown."""
        self.tab.wait_for(f"document.getElementById('name').textContent.startsWith('{index + 1}. ')")

    def save(self) -> Path:
        """Press S, and return the file in a folder of its own."""
        before = set(self.downloads.iterdir())
        self.tab.press("s")
        until = time.monotonic() + LONGEST_S
        while not (new := [path for path in set(self.downloads.glob("*.json")) - before if path.stat().st_size]):
            assert time.monotonic() < until, f"nothing was saved: {self.words()}"
            self.tab.evaluate("new Promise((done) => setTimeout(done, 20))")
        (target,) = new
        taken = self.downloads.parent / f"taken-{len(list(self.downloads.parent.iterdir()))}" / target.name
        taken.parent.mkdir()
        return target.rename(taken)
