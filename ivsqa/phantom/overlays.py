"""What lies over the picture of any console: rulers, text, boxes, measurements, a chemogram ring, a longitudinal view.

Each function takes a frame, uint8 (height, width), and two sources of numbers, and returns a new frame. The first source starts
anew for every frame of a pullback, so what it decides stays in place; the second is the frame's own. None of them draws a
contour of lumen or EEM: that would tell the network the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Frame = NDArray[np.uint8]
Rng = np.random.Generator

WORDS = (
    "IVUS", "Mode: B", "Gain 48", "DR 55 dB", "40 MHz", "20 MHz", "60 MHz", "1 mm", "Live", "Review", "LAD prox", "RCA mid",
    "LCX", "Pullback 0.5 mm/s", "D 3.4 mm", "A 9.12 mm2", "Bookmark 2", "PAUSE", "Run 3", "Ref dist", "12/03/2011", "14:22:05",
)  # fmt: skip
"""What consoles write, in words that are no one's name."""


def ruler(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame with marks of distance: dots or ticks on the axes, on an edge, or on circles."""
    height, width = frame.shape
    step, grey, size = (
        width / rng.uniform(8.0, 16.0),
        int(rng.integers(110, 256)),
        int(rng.integers(1, 2 + width // 128)),
    )
    kind = rng.choice(["axes", "edge", "circles"])
    edge = float(rng.uniform(0.01, 0.06) * width)
    middle = np.array([(width - 1) / 2.0, (height - 1) / 2.0])
    steps = np.arange(-8, 9) * step
    if kind == "axes":
        zero = np.zeros_like(steps)
        places = middle + np.concatenate([np.column_stack([steps, zero]), np.column_stack([zero, steps])])
    elif kind == "edge":
        places = np.column_stack([np.full_like(steps, edge), middle[1] + steps])
    else:
        angles = np.linspace(0.0, 2.0 * np.pi, int(rng.integers(24, 72)), endpoint=False)
        radii = step * np.arange(2, int(rng.integers(3, 7)))
        circles = radii[:, None, None] * np.column_stack([np.cos(angles), np.sin(angles)])
        places = middle + circles.reshape(-1, 2)

    def dots(draw: ImageDraw.ImageDraw) -> None:
        for x, y in places:
            draw.rectangle((x, y, x + (size - 1), y + (size - 1)), fill=grey)

    return _drawn(frame, dots)


def cut_plane(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame with the line along which the longitudinal view is cut, whole or dashed."""
    height, width = frame.shape
    angle, grey = rng.uniform(0.0, np.pi), int(rng.integers(120, 256))
    middle, reach = np.array([width, height]) / 2.0, width * np.array([np.cos(angle), np.sin(angle)])
    n_dashes = int(rng.choice([1, 24, 48]))

    def line(draw: ImageDraw.ImageDraw) -> None:
        for k in range(n_dashes):
            start, end = (middle + reach * (2.0 * (k + part) / n_dashes - 1.0) for part in (0.0, 0.55))
            draw.line((*start, *(end if n_dashes > 1 else middle + reach)), fill=grey)

    return _drawn(frame, line)


def text(frame: Frame, rng: Rng, jitter: Rng) -> Frame:
    """Return a frame with lines of text in some corners, or a banner at its top; a number may run with the frames."""
    height, width = frame.shape
    font, grey = _font(max(7, int(rng.uniform(0.035, 0.065) * width))), int(rng.integers(120, 256))
    corners = [corner for corner in ("la", "ra", "ld", "rd") if rng.uniform() < 0.45] or ["la"]
    banner = int(rng.integers(20, 90)) if rng.uniform() < 0.25 else None
    lines = {corner: "\n".join(rng.choice(WORDS, size=int(rng.integers(1, 4)))) for corner in corners}
    running = f"\n{jitter.integers(1, 4000)}" if rng.uniform() < 0.5 else ""

    def write(draw: ImageDraw.ImageDraw) -> None:
        if banner is not None:
            draw.rectangle((0, 0, width, height * 0.07), fill=banner)
        for corner, words in lines.items():
            left, _, right, bottom = draw.multiline_textbbox((0, 0), words + running, font=font)
            x = 2 if corner[0] == "l" else width - 2 - (right - left)
            y = 1 if corner[1] == "a" else height - 3 - bottom
            draw.multiline_text((x, y), words + running, font=font, fill=grey)

    return _drawn(frame, write)


def boxes(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame with buttons or panels near its edges, filled or outlined."""
    height, width = frame.shape
    fills = [None, None, *(int(grey) for grey in rng.integers(0, 200, size=2))]
    panels = []
    for _ in range(int(rng.integers(1, 4))):
        size = rng.uniform(0.04, 0.2, size=2) * (width, height)
        at = rng.uniform(size=2) * (np.array([width, height]) - size)
        axis = int(rng.integers(2))
        at[axis] = (0.0, (width, height)[axis] - size[axis] - 1.0)[int(rng.integers(2))]
        panels.append((*at, *(at + size), fills[int(rng.integers(4))], int(rng.integers(90, 256))))

    def panel(draw: ImageDraw.ImageDraw) -> None:
        for left, top, right, bottom, fill, outline in panels:
            draw.rectangle((left, top, right, bottom), fill=fill, outline=outline)

    return _drawn(frame, panel)


def measured(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame with one or two callipers: crosses joined by a line, at places of no meaning."""
    ends = rng.uniform(0.2, 0.8, size=(int(rng.integers(1, 3)), 2, 2)) * frame.shape[::-1]
    grey, arm, joined = int(rng.integers(150, 256)), frame.shape[1] / 60.0, rng.uniform() < 0.7

    def callipers(draw: ImageDraw.ImageDraw) -> None:
        for pair in ends:
            for x, y in pair:
                draw.line((x - arm, y, x + arm, y), fill=grey)
                draw.line((x, y - arm, x, y + arm), fill=grey)
            if joined:
                draw.line((*pair[0], *pair[1]), fill=grey)

    return _drawn(frame, callipers)


def dotted_ellipse(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame with a dotted ellipse somewhere: not around the lumen or the EEM but by chance."""
    middle = rng.uniform(0.2, 0.8, size=2) * frame.shape[::-1]
    axes, grey = rng.uniform(0.05, 0.35, size=2) * frame.shape[::-1], int(rng.integers(140, 256))
    angles = np.linspace(0.0, 2.0 * np.pi, int(rng.integers(12, 60)), endpoint=False)
    dots = middle + axes * np.column_stack([np.cos(angles), np.sin(angles)])
    return _drawn(frame, lambda draw: draw.point([(float(x), float(y)) for x, y in dots], fill=grey))


def chemogram(frame: Frame, rng: Rng, jitter: Rng) -> Frame:
    """Return a frame with a near-infrared ring around the field, its colours turned into greys, often the disc's too."""
    radius, angle = polar(frame.shape)
    half = min(frame.shape) / 2.0
    outer, width = rng.uniform(0.9, 1.0) * half, rng.uniform(0.04, 0.1) * half
    orders = np.arange(1, 7)[:, None]
    phase = rng.uniform(0.0, 2.0 * np.pi, size=(6, 1)) + jitter.normal(0.0, 0.1, size=(6, 1))
    turn = np.linspace(-np.pi, np.pi, 181)
    waves = (rng.standard_normal((6, 1)) / np.sqrt(orders) * np.cos(orders * turn + phase)).sum(axis=0)
    greys = rng.uniform(60.0, 140.0) + rng.uniform(30.0, 110.0) * np.tanh(waves)
    shown = frame.copy()
    ring = np.abs(radius - outer + width / 2.0) < width / 2.0
    shown[ring] = np.interp(angle[ring], turn, greys.clip(0.0, 255.0)).astype(np.uint8)
    if rng.uniform() < 0.5:
        shown[radius < rng.uniform(0.06, 0.1) * half] = int(rng.integers(40, 200))
    return shown


def longitudinal(frame: Frame, rng: Rng, jitter: Rng) -> Frame:
    """Return a frame with a longitudinal view along its bottom: streaks along the vessel, a dark lumen, a line at this frame."""
    height, width = frame.shape
    rows = int(rng.uniform(0.08, 0.17) * height)
    streaks = scipy.ndimage.uniform_filter1d(rng.standard_normal((rows, width)), int(rng.integers(3, 12)), axis=1)
    depth = np.linspace(-1.0, 1.0, rows)[:, None]
    lumen = 0.45 + 0.15 * np.sin(np.arange(width) * rng.uniform(0.02, 0.08) + rng.uniform(0.0, 6.0))
    wall = 0.5 + 0.5 * np.tanh((np.abs(depth) - lumen) * 8.0)
    grey = rng.uniform(10.0, 40.0) + wall * rng.uniform(60.0, 120.0) + 60.0 * streaks
    shown = frame.copy()
    shown[-rows:] = np.clip(grey, 0.0, 255.0).astype(np.uint8)
    shown[-rows] = int(rng.integers(0, 200))
    shown[-rows:, int(jitter.integers(width))] = 220
    return shown


def masked(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame with everything beyond a circle in one grey: an export that crops to the field."""
    shown = frame.copy()
    shown[polar(frame.shape)[0] > rng.uniform(0.88, 1.05) * min(frame.shape) / 2.0] = int(
        rng.choice([0, 0, 0, 20, 255])
    )
    return shown


def letterbox(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame with bars over two opposite edges, or over one."""
    shown = frame.copy()
    along = shown if rng.uniform() < 0.5 else shown.T
    bars = (rng.uniform(0.01, 0.08, size=2) * len(along)).astype(int) + 1
    grey = int(rng.choice([0, 0, 16, 128, 255]))
    along[: bars[0]] = grey
    if rng.uniform() < 0.7:
        along[-bars[1] :] = grey
    return shown


@lru_cache(maxsize=4)
def polar(shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return radius (px) and angle (rad) of every pixel around the middle, each (height, width)."""
    y, x = (np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2.0) for size in shape)
    return np.hypot(x[None, :], y[:, None]), np.arctan2(y[:, None], x[None, :])


@lru_cache(maxsize=32)
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def _drawn(frame: Frame, draw: Callable[[ImageDraw.ImageDraw], None]) -> Frame:
    image = Image.fromarray(frame)
    draw(ImageDraw.Draw(image))
    return np.array(image)
