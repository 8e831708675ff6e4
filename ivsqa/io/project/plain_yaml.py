"""The YAML that ivsqa writes itself, read quickly: a study has thousands of manifests, and most commands read all of them.

Each line is a key and a value on it, or a key of a mapping that is set in by two more spaces. What is written in any other way
is for `strict_yaml`, which reads all of YAML and knows lines. What is read here is what it would read, in a tenth of the time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

_WORD = r"[A-Za-z0-9_](?:[A-Za-z0-9_./+-]| (?=[A-Za-z0-9_]))*"
_SCALAR = rf"'[ -&(-~]*'|-?{_WORD}"
_LINE = re.compile(rf"( *)([A-Za-z_][A-Za-z0-9_-]*):(?: ({_SCALAR}|\[[ -~]*|\{{\}}))?")
_LIST = re.compile(rf"\[(?:(?:{_SCALAR})(?:, (?:{_SCALAR}))*)?\]")
_ITEM = re.compile(_SCALAR)
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(?:[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)")
_NAMED: dict[str, bool | None] = {"null": None, "true": True, "false": False}
DEEPEST = 10
"""Levels of mappings, which one function each reads."""


class _NotPlainError(Exception):
    """A line is not of the plain kind."""


def plain_mapping(text: str) -> dict[str, Any] | None:
    r"""Return the mapping that a text holds; None where it is not written plainly, or not YAML at all.

    Example:
        >>> plain_mapping("id: '007'\nn: 12\nof:\n  spacing_mm: [0.02, 0.02]\n")
        {'id': '007', 'n': 12, 'of': {'spacing_mm': [0.02, 0.02]}}
        >>> plain_mapping("n: 12  # frames") is None
        True
    """
    lines = text.removesuffix("\n").split("\n")
    lines.reverse()  # the next line is the last
    try:
        mapping = _mapping(lines, 0)
    except _NotPlainError:
        return None
    return None if lines else mapping


@dataclass(frozen=True)
class _Line:
    """A line, read for itself: how far its key is set in, and what kind of value stands behind it."""

    indent: int
    key: str
    kind: Literal["mapping", "empty mapping", "list", "begun list", "scalar"]
    value: Any = None


@lru_cache(maxsize=4096)
def _line(text: str) -> _Line:
    """Return what a line says; most lines stand in thousands of manifests."""
    match = _LINE.fullmatch(text)
    if match is None or match[2] in _NAMED:
        raise _NotPlainError
    indent, key, value = len(match[1]), match[2], match[3]
    if value is None:
        return _Line(indent, key, "mapping")
    if value == "{}":
        return _Line(indent, key, "empty mapping")
    if not value.startswith("["):
        return _Line(indent, key, "scalar", _scalar(value))
    return _Line(indent, key, "list", _items(value)) if value.endswith("]") else _Line(indent, key, "begun list", value)


def _mapping(lines: list[str], level: int) -> dict[str, Any]:
    """Take the lines of a mapping and return it."""
    indent, mapping = 2 * level, dict[str, Any]()
    if level > DEEPEST:
        raise _NotPlainError
    while lines:
        line = _line(lines[-1])
        if line.indent < indent and mapping:
            break
        if line.indent != indent or line.key in mapping:
            raise _NotPlainError
        lines.pop()
        if line.kind == "scalar":
            mapping[line.key] = line.value
        elif line.kind == "mapping":
            mapping[line.key] = _mapping(lines, level + 1)
            if not mapping[line.key]:
                raise _NotPlainError
        elif line.kind == "empty mapping":
            mapping[line.key] = {}
        else:
            items = line.value if line.kind == "list" else _list(line.value, lines, indent)
            mapping[line.key] = list(items)
    return mapping


def _list(text: str, lines: list[str], indent: int) -> tuple[Any, ...]:
    """Take the lines on which a list goes on and return its items."""
    parts = [text]
    while not parts[-1].endswith("]"):
        if not lines or len(lines[-1]) - len(lines[-1].lstrip(" ")) <= indent:
            raise _NotPlainError
        parts.append(lines.pop().lstrip(" "))
    return _items(" ".join(parts))


def _items(text: str) -> tuple[Any, ...]:
    """Return the items of a list on one line."""
    if _LIST.fullmatch(text) is None:
        raise _NotPlainError
    return tuple(_scalar(item) for item in _ITEM.findall(text[1:-1]))


def _scalar(text: str) -> Any:  # noqa: ANN401
    """Return a value as what it is written like."""
    if text.startswith("'"):
        return text[1:-1]
    if text in _NAMED:
        return _NAMED[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text.startswith("-") or text.isdecimal():
        raise _NotPlainError
    return text
