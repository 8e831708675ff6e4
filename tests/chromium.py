"""A headless Chromium for tests, spoken to over a pipe in its DevTools protocol: no port, no driver, no dependency.

Source: https://chromedevtools.github.io/devtools-protocol/ and Chromium's switch --remote-debugging-pipe: messages are JSON, each
ended by a zero byte; the browser reads file descriptor 3 and writes 4.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_AT_3_AND_4 = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]  # out of the way of 3 and 4 themselves
for wanted, end in zip((3, 4), ends):
    os.dup2(end, wanted)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Starts a browser with the pipe's two ends where it looks for them."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LONGEST_S = 60.0


def find_chromium() -> str | None:
    """Return the browser on this machine, None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class BrowserError(AssertionError):
    """The browser could not do what it was asked for."""


class Pipe:
    """The way to a browser and back, which its tabs share: what one of them reads may hold the beginning of another's message."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer = b""
        self._number = 0

    def write(self, message: dict[str, Any]) -> int:
        """Send a message, and return the number that its answer has."""
        self._number += 1
        os.write(self._to, json.dumps({"id": self._number, **message}).encode() + b"\0")
        return self._number

    def read(self) -> dict[str, Any]:
        """Return the next message."""
        until = time.monotonic() + LONGEST_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(until - time.monotonic(), 0.0))
            assert ready, "the browser does not answer"
            more = os.read(self._from, 1 << 20)
            assert more, "the browser is gone"
            self._buffer += more
        text, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(text))


class Tab:
    """One page, and the hand on it."""

    process: subprocess.Popen[bytes] | None = None
    """The browser."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask, and return the answer; what happens meanwhile goes to `events`."""
        message: dict[str, Any] = {"method": method, "params": parameters}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        number = self._pipe.write(message)
        while True:
            answer = self._pipe.read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(method, answer["error"])
                return dict(answer["result"])
            self.events.append(answer)

    def open(
        self, path: Path, *, width: int = 1400, height: int = 900, until: str = "true", dark: bool = False
    ) -> None:
        """Open a file, and wait until an expression holds."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=path.as_uri())
        self.wait_for(f"document.readyState === 'complete' && {until}")

    def evaluate(self, expression: str) -> Any:
        """Return what an expression of the page's own says; promises are waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression holds; one that cannot be evaluated yet, or whose page is just loaded anew, does not."""
        until = time.monotonic() + LONGEST_S
        while not self._holds(expression):
            assert time.monotonic() < until, f"never held: {expression}"
            time.sleep(0.02)

    def _holds(self, expression: str) -> bool:
        try:
            return bool(
                self.evaluate(f"(() => {{ try {{ return Boolean({expression}) }} catch {{ return false }} }})()")
            )
        except BrowserError as error:
            if "navigated" in str(error):
                return False
            raise

    def mouse(self, kind: str, x: float, y: float, *, shift: bool = False) -> None:
        """Move, press or release the left button at a point of the window."""
        held = {"mousePressed": 1, "mouseReleased": 0}.get(kind, self._held)
        self._held = held
        self.send(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button="left" if kind != "mouseMoved" or held else "none",
            buttons=held,
            clickCount=0 if kind == "mouseMoved" else 1,
            modifiers=8 if shift else 0,
        )

    _held = 0

    def drag(self, start: tuple[float, float], end: tuple[float, float], *, steps: int = 6) -> None:
        """Take hold at one point of the window and let go at another."""
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start)
        for step in range(1, steps + 1):
            self.mouse("mouseMoved", *(a + (b - a) * step / steps for a, b in zip(start, end, strict=True)))
        self.mouse("mouseReleased", *end)

    def stroke(self, places: Sequence[tuple[float, float]]) -> None:
        """Draw through points of the window with the button held."""
        self.mouse("mouseMoved", *places[0])
        self.mouse("mousePressed", *places[0])
        for place in places[1:]:
            self.mouse("mouseMoved", *place)
        self.mouse("mouseReleased", *places[-1])

    def wheel(self, x: float, y: float, *, down: float, control: bool = False) -> None:
        """Turn the wheel at a point of the window; 120 is a notch."""
        self.send(
            "Input.dispatchMouseEvent",
            type="mouseWheel",
            x=x,
            y=y,
            deltaX=0,
            deltaY=down,
            modifiers=2 if control else 0,
        )

    def click(self, x: float, y: float, *, shift: bool = False) -> None:
        """Click at a point of the window."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, shift=shift)

    def touch(self, start: list[tuple[float, float]], end: list[tuple[float, float]], *, steps: int = 6) -> None:
        """Put fingers down, move them, and lift them."""
        self._fingers("touchStart", start)
        for step in range(1, steps + 1):
            way = [
                tuple(a + (b - a) * step / steps for a, b in zip(*one, strict=True))
                for one in zip(start, end, strict=True)
            ]
            self._fingers("touchMove", way)
        self._fingers("touchEnd", [])

    def _fingers(self, kind: str, places: Sequence[Sequence[float]]) -> None:
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
        self.send("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def press(self, key: str, *, control: bool = False) -> None:
        """Press a key, such as "s", " " or "ArrowRight"."""
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, modifiers=2 if control else 0)

    @contextmanager
    def another(self) -> Iterator["Tab"]:
        """Open another tab of the same browser for a while."""
        tab = Tab(self._pipe)
        yield tab
        tab.send("Page.close")
        self.events.clear()

    def kill_browser(self) -> None:
        """End the browser as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def complaints(self) -> list[dict[str, Any]]:
        """Return errors since `events` was cleared; breaches of a page's policy are among them."""
        return [one for one in self.events if one["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since `events` was cleared."""
        return [one["params"]["request"]["url"] for one in self.events if one["method"] == "Network.requestWillBeSent"]

    def screenshot(self, path: Path) -> None:
        """Write what is seen as PNG."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def chromium(folder: Path) -> Iterator[Tab]:
    """Start a browser with a profile and downloads of its own, and give a tab of it; it ends with the block."""
    browser = find_chromium()
    assert browser is not None
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    (browser_in, to_browser), (from_browser, browser_out) = os.pipe(), os.pipe()
    arguments = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        f"--user-data-dir={folder / 'profile'}",
        "--remote-debugging-pipe",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", _AT_3_AND_4, str(browser_in), str(browser_out), *arguments],
        pass_fds=(browser_in, browser_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(browser_in)
    os.close(browser_out)
    try:
        tab = Tab(Pipe(to_browser, from_browser))
        tab.process = process
        tab.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
        yield tab
        if process.poll() is None:
            tab.send("Browser.close")
            process.wait(timeout=LONGEST_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(to_browser)
        os.close(from_browser)
