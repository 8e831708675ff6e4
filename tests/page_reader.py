"""Someone who works in the page of a packet, with a real mouse and real keys."""

from pathlib import Path

import numpy as np

from tests.chromium import Tab


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
        """Open the page, again if need be."""
        self.tab.open(self.page, until="document.getElementById('name').textContent")

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

    def words(self) -> str:
        """Return what the page says below the frame."""
        return str(self.tab.evaluate("document.getElementById('words').textContent"))

    def at_frame(self, index: int) -> None:
        """Wait until a frame is shown."""
        self.tab.wait_for(f"document.getElementById('name').textContent.startsWith('{index + 1}. ')")

    def save(self) -> Path:
        """Press S, and return the file in a folder of its own."""
        target = self.downloads / "contours.json"
        self.tab.press("s")
        while not (target.is_file() and target.stat().st_size):
            self.tab.evaluate("new Promise((done) => setTimeout(done, 20))")
        taken = self.downloads.parent / f"taken-{len(list(self.downloads.parent.iterdir()))}" / "contours.json"
        taken.parent.mkdir()
        return target.rename(taken)
