"""The few shapes that diagrams are drawn of, as SVG in the colour of the page's text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

MARKER = 4.5
MARKERS = ("circle", "square", "triangle", "diamond")


def marker(index: int, x: float, y: float, color: str) -> str:
    """Return the marker of the series `index`, outlined in the colour of the page's text."""
    style = f'fill="{escape(color)}" fill-opacity=".85" stroke="currentColor" stroke-width=".8"'
    r = MARKER
    shape = MARKERS[index % len(MARKERS)]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" {style}/>'
    corners = {
        "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        "triangle": ((0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
        "diamond": ((0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)),
    }[shape]
    points = " ".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" {style}/>'


def line(x1: float, y1: float, x2: float, y2: float, *, opacity: float, extra: str = "") -> str:
    """Return a thin line in the page's colour."""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="currentColor" stroke-opacity="{opacity:g}"{extra}/>'


def text(x: float, y: float, words: str, *, anchor: str) -> str:
    """Return words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{escape(words)}</text>'


def document(width: float, height: float, title: str, body: Iterable[str]) -> str:
    """Return the whole diagram, as wide as its place."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" font-size="14" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>\n" + "\n".join(body) + "\n</svg>"
    )
