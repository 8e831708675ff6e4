"""The YAML that ivsqa writes itself, read quickly: a study has thousands of manifests, and most commands read all of them.

Each line is a key and a value on it, or a key of a mapping that is set in by two more spaces. What is written in any other way
is for `strict_yaml`, which reads all of YAML and knows lines. What is read here is what it would read, in a third of the time.
"""

from __future__ import annotations

import re
from typing import Any

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


def _mapping(lines: list[str], level: int) -> dict[str, Any]:
    """Take the lines of a mapping and return it."""
    indent, mapping = 2 * level, dict[str, Any]()
    while lines:
        match = _LINE.fullmatch(lines[-1])
        if match is None or level > DEEPEST:
            raise _NotPlainError
        if len(match[1]) < indent and mapping:
            break
        key, value = match[2], match[3]
        if len(match[1]) != indent or key in mapping or key in _NAMED:
            raise _NotPlainError
        lines.pop()
        if value is None:
            mapping[key] = _mapping(lines, level + 1)
            if not mapping[key]:
                raise _NotPlainError
        elif value.startswith("["):
            mapping[key] = _list(value, lines, indent)
        else:
            mapping[key] = {} if value == "{}" else _scalar(value)
    return mapping


def _list(text: str, lines: list[str], indent: int) -> list[Any]:
    """Take the lines on which a list goes on and return it."""
    parts = [text]
    while not parts[-1].endswith("]"):
        if not lines or len(lines[-1]) - len(lines[-1].lstrip(" ")) <= indent:
            raise _NotPlainError
        parts.append(lines.pop().lstrip(" "))
    whole = " ".join(parts)
    if _LIST.fullmatch(whole) is None:
        raise _NotPlainError
    return [_scalar(item) for item in _ITEM.findall(whole[1:-1])]


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
