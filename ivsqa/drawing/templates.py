"""Pages, instructions and diagrams from templates: one environment for all, in which every value is escaped.

A template lies beside the module that fills it in, and is named by its path in the package. Text becomes part of a page as words;
only `Markup`, which comes from another template, goes in as it is. A name that a template was not given is an error, not a blank.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment


def fill(template: str, **values: object) -> Markup:
    """Return a template with its values filled in.

    Args:
        template: Its path in the package, such as "pages/demo.html.j2".
        values: What it names.

    Raises:
        jinja2.UndefinedError: the template names something that is not given.
    """
    return Markup(_environment().get_template(template).render(values))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    # Imported here because most commands write no page, and would wait for it at every start.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ivsqa", ""),
        # Always: chosen by the end of the name, nothing that ends in .j2 would be escaped.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "px": "{:.1f}".format,
        "g": "{:g}".format,
        "thousands": "{:,}".format,
        "number": number,
        "percent": percent,
        "count": count,
        "ends": ends,
        "in_words": in_words,
        "percents": percents,
        "source": source,
    }
    return environment


def number(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash where it is not known: None, NaN or infinite.

    Example:
        >>> number(-0.25, 2), number(-0.001, 2), number(None)
        ('−0.25', '0.00', '–')
    """
    if value is None or not isfinite(value):
        return "–"
    return f"{value:z.{digits}f}".replace("-", "−")  # z: what rounds to 0 has no sign


def percent(fraction: float | None, digits: int = 0) -> str:
    """Return a fraction as people read it, or a dash where it is not known.

    Example:
        >>> percent(0.125, 1), percent(None)
        ('12.5 %', '–')
    """
    return "–" if fraction is None else f"{number(100.0 * fraction, digits)} %"


def ends(interval: Sequence[float] | None, digits: int = 3) -> str:
    """Return both ends of an interval; nothing where there is none.

    Example:
        >>> ends([-0.25, 0.5], 2), ends(None)
        ('−0.25 to 0.50', '')
    """
    return "" if interval is None else f"{number(interval[0], digits)} to {number(interval[1], digits)}"


def in_words(interval: Sequence[float] | None, digits: int = 3) -> str:
    """Return an interval for a sentence, with a space before it; nothing where there is none.

    Example:
        >>> in_words([0.7, 0.9], 1), in_words(None)
        (' (0.7 to 0.9)', '')
    """
    return "" if interval is None else f" ({ends(interval, digits)})"


def percents(interval: Sequence[float] | None) -> str:
    """Return both ends of an interval of fractions as people read them; nothing where there is none.

    Example:
        >>> percents([-0.1, 0.25]), percents(None)
        ('−10 to 25 %', '')
    """
    return "" if interval is None else f"{number(100.0 * interval[0], 0)} to {percent(interval[1])}"


def count(n: int, noun: str) -> str:
    """Return a number with its noun.

    Example:
        >>> count(1, "frame"), count(1200, "frame")
        ('1 frame', '1,200 frames')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def source(picture: bytes, kind: str = "jpeg") -> str:
    """Return a picture as the source of an image, so that it lies inside the page; `kind` is "jpeg", "png" or "svg+xml"."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"
