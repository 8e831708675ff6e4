"""A headless Firefox, spoken to in WebDriver BiDi: no driver, no dependency, and the same gestures as `tests.chromium` has.

Source: https://w3c.github.io/webdriver-bidi/ over a WebSocket (RFC 6455), of which short texts are all that is needed.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("firefox", "firefox-esr")
KEYS = {"ArrowRight": "\ue014"}
LONGEST_S = 60.0
MASK = 0x55
PREFERENCES = """
user_pref("browser.download.folderList", 2);
user_pref("browser.download.dir", "{downloads}");
user_pref("browser.download.useDownloadDir", true);
user_pref("browser.download.alwaysOpenPanel", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
"""


def find_firefox() -> str | None:
    """Return the browser on this machine, None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Socket:
    """A WebSocket to this machine that sends and receives whole texts."""

    def __init__(self, port: int, path: str) -> None:
        self._stream = socket.create_connection(("127.0.0.1", port), timeout=LONGEST_S)
        lines = (
            f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13", "", "",
        )  # fmt: skip
        self._stream.sendall("\r\n".join(lines).encode())
        self._read = self._stream.makefile("rb")
        assert b" 101 " in self._read.readline()
        while self._read.readline() != b"\r\n":
            pass

    def send(self, text: str) -> None:
        """Send a text in one frame, masked as whoever sends to a server has to; Firefox takes no mask of zeros."""
        data = bytes(byte ^ MASK for byte in text.encode())
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self._stream.sendall(b"\x81" + size + bytes([MASK] * 4) + data)

    def receive(self) -> str:
        """Return the next text."""
        text = b""
        while True:
            first, size = self._read.read(2)
            if size >= 126:
                wide = size == 127
                (size,) = struct.unpack(">Q" if wide else ">H", self._read.read(8 if wide else 2))
            data = self._read.read(size)
            if first & 0x0F in (0, 1):  # a text, or more of one
                text += data
                if first & 0x80:
                    return text.decode()


class Window:
    """One page, and the hand on it."""

    def __init__(self, port: int) -> None:
        self._socket, self._number = Socket(port, "/session"), 0
        self.version = str(self._ask("session.new", capabilities={})["capabilities"]["browserVersion"])
        self._context = self._ask("browsingContext.getTree")["contexts"][0]["context"]

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.receive())).get("id") != self._number:
            pass
        assert answer["type"] == "success", (method, answer)
        return dict(answer["result"])

    def open(self, path: Path, *, until: str = "true") -> None:
        """Open a file, and wait until an expression holds."""
        self._ask("browsingContext.setViewport", context=self._context, viewport={"width": 1400, "height": 900})
        self._ask("browsingContext.navigate", context=self._context, url=path.as_uri(), wait="complete")
        self.wait_for(until)

    def evaluate(self, expression: str) -> Any:
        """Return what an expression of the page's own says; promises are waited for."""
        answer = self._ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})) ?? 'null')()",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def wait_for(self, expression: str) -> None:
        """Wait until an expression holds; one that cannot be evaluated yet does not."""
        until = time.monotonic() + LONGEST_S
        while not self.evaluate(f"(() => {{ try {{ return Boolean({expression}) }} catch {{ return false }} }})()"):
            assert time.monotonic() < until, f"never held: {expression}"
            time.sleep(0.02)

    def drag(self, start: tuple[float, float], end: tuple[float, float], *, steps: int = 6) -> None:
        """Take hold at one point of the window and let go at another."""
        ways = [tuple(a + (b - a) * step / steps for a, b in zip(start, end, strict=True)) for step in range(steps + 1)]
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y)} for x, y in ways]
        down, up = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self._do("pointer", [moves[0], down, *moves[1:], up])

    def press(self, key: str) -> None:
        """Press a key, such as "s", " " or "ArrowRight"."""
        self._do("key", [{"type": kind, "value": KEYS.get(key, key)} for kind in ("keyDown", "keyUp")])

    def _do(self, kind: str, actions: list[dict[str, Any]]) -> None:
        hand = {"type": kind, "id": kind, "actions": actions}
        self._ask("input.performActions", context=self._context, actions=[hand])


@contextmanager
def firefox(folder: Path) -> Iterator[Window]:
    """Start a browser with a profile and downloads of its own, and give its window; it ends with the block."""
    browser, profile, downloads = find_firefox(), folder / "profile", folder / "downloads"
    assert browser is not None
    for made in (profile, downloads):
        made.mkdir(parents=True)
    (profile / "user.js").write_text(PREFERENCES.format(downloads=downloads), encoding="utf-8")
    process = subprocess.Popen(
        [browser, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        # It takes any port that is free, and says which.
        ports = (re.search(r"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)", line) for line in process.stderr)
        found = next((port for port in ports if port), None)
        assert found is not None, "Firefox ended before it listened"
        yield Window(int(found[1]))
    finally:
        process.terminate()
        process.wait()
