"""Pages for people: one frame and one look for all, in one file that opens anywhere, in light, in dark and on paper.

No script, no font, no file beside it. What comes from outside goes through `escape` before it becomes part of a page; the
functions here that take HTML say so.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1d232b; --faint: #5d6875; --page: #fff; --line: #d9dee4; --shade: #f3f5f7 }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6eaef; --faint: #9aa5b1; --page: #12161c; --line: #303843; --shade: #1b2129 } }
* { box-sizing: border-box }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 66rem; margin: 0 auto; padding: 1.2rem 1rem 4rem;
  color: var(--ink); background: var(--page) }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 1rem 0 .6rem } h2 { font-size: 1.2rem; margin: 2.6rem 0 .4rem }
.lead { font-size: 1.12rem; max-width: 48rem } .note, figcaption, small { color: var(--faint) } .note { max-width: 48rem }
.wide { overflow-x: auto } table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .6rem; text-align: right; border-bottom: 1px solid var(--line) } td { white-space: nowrap }
th { font-weight: 600; vertical-align: bottom; line-height: 1.25 }
th:first-child, td:first-child { text-align: left; padding-left: 0; position: sticky; left: 0; background: var(--page) }
td small { display: block; font-size: .8rem; line-height: 1.2 }
tbody.group tr:first-child td { border-top: 2px solid var(--line) }
.pair { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem; margin-top: 2rem }
.pair > * { flex: 1 1 20rem; min-width: 0; max-width: 30rem; margin: 0 } .pair p:first-child { margin-top: 0 }
svg { display: block; width: 100%; height: auto } svg text { font-family: system-ui, sans-serif }
.panels { display: flex; flex-wrap: wrap; gap: .5rem } .panels img { flex: 1 1 18rem; min-width: 0; max-width: 100%; height: auto;
  border-radius: 4px } figcaption { margin-bottom: .4rem }
.key { white-space: nowrap; margin-right: 1em }
.key i { display: inline-block; width: 1.7em; border-top: 3px solid; vertical-align: middle; margin-right: .4em }
.key .dashed { border-top-style: dashed }
code { background: var(--shade); padding: .1em .3em; border-radius: 3px; overflow-wrap: anywhere }
details { margin-top: .6rem } summary { cursor: pointer; color: var(--faint) }
@media print { html { font-size: 11px } body { max-width: none; padding: 0; font-size: 1rem } h2, summary { break-after: avoid }
  figure, tr { break-inside: avoid } .wide { overflow: visible } th, td { padding: .2rem .4rem }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact } }
"""


def page(title: str, body: str, *, style: str = "") -> str:
    """Return a whole page.

    Args:
        title: Of its tab.
        body: HTML.
        style: Rules of its own, after the common ones.
    """
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}{style}</style></head><body>
{body}
</body></html>
"""


def table(heads: Sequence[str], groups: Sequence[Sequence[Sequence[str]]]) -> str:
    """Return a table in a frame that scrolls sideways where it is too wide; heads and cells are HTML, rows come in groups."""
    head = "".join(f"<th>{one}</th>" for one in heads)
    bodies = "".join(
        '<tbody class="group">'
        + "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
        + "</tbody>"
        for rows in groups
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>{bodies}</table></div>'


def picture(jpeg: bytes, alt: str) -> str:
    """Return a JPEG that lies inside the page."""
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" alt="{escape(alt)}" loading="lazy">'


def color_keys(colors: Mapping[str, str]) -> str:
    """Return the colour of each structure."""
    return "".join(
        f'<span class="key"><i style="color: {escape(color)}"></i>{escape(name)}</span>\n'
        for name, color in colors.items()
    )


def number(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash where it is not known.

    Example:
        >>> number(-0.25, 2), number(None)
        ('−0.25', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def percent(fraction: float | None, digits: int = 0) -> str:
    """Return a fraction as people read it, or a dash where it is not known.

    Example:
        >>> percent(0.125, 1), percent(None)
        ('12.5 %', '–')
    """
    return "–" if fraction is None else f"{number(100.0 * fraction, digits)} %"


def measured(value: float | None, interval: Sequence[float] | None, digits: int = 3) -> str:
    """Return a measure with its interval beneath, HTML."""
    beneath = "" if interval is None else f"<small>{ends(interval, digits)}</small>"
    return number(value, digits) + beneath


def in_words(interval: Sequence[float] | None, digits: int = 3) -> str:
    """Return an interval for a sentence, with a space before it; nothing where there is none.

    Example:
        >>> in_words([0.7, 0.9], 1), in_words(None)
        (' (0.7 to 0.9)', '')
    """
    return "" if interval is None else f" ({ends(interval, digits)})"


def ends(interval: Sequence[float], digits: int) -> str:
    """Return both ends of an interval."""
    return " to ".join(number(end, digits) for end in interval)


def count(n: int, noun: str) -> str:
    """Return a number with its noun.

    Example:
        >>> count(1, "frame"), count(1200, "frame")
        ('1 frame', '1,200 frames')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
