"""YAML without surprises: duplicate keys refused, and nothing but plain numbers, true, false and null becomes other than text.

Common YAML turns the identifier `007` into 7, `12:30` into 750, `no` into False and `2024-01-01` into a date. Here all stay
text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ivsqa.errors import ManifestError

DEEPEST = 50
"""Levels of nesting; manifests have six."""
_IN_LINE = re.compile(r"[-?:][ \t]+[-?][ \t]")
_INDENTED = re.compile(rf"^ {{{DEEPEST},}}", re.MULTILINE)

_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BaseDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Loader(_BaseLoader):  # type: ignore[misc]
    """The safe loader with YAML 1.2's few scalar types."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # replaced as a whole: the 1.1 resolvers are the trap

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Return the mapping, refusing keys that are not text or stand twice."""
        seen: set[str] = set()
        if not isinstance(node, yaml.MappingNode):
            raise _misfit(node)
        for key_node, _ in node.value:
            key = key_node.value
            if key_node.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is not text; put it in quotes", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


# What a file may ask for by tag is no more than what it can say without one: no dates, sets or binary data.
_Loader.yaml_constructors = {
    tag: construct
    for tag, construct in _BaseLoader.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in {"null", "bool", "str", "seq", "map"}
}
_PLAIN: dict[str, Callable[[str], object]] = {
    "float": float,
    "int": int,
    "bool": {"true": True, "false": False}.__getitem__,
}


def _misfit(node: yaml.Node) -> yaml.constructor.ConstructorError:
    """Return the error of a value that is not what its tag says."""
    kind = node.tag.rpartition(":")[2]
    return yaml.constructor.ConstructorError(None, None, f"this is no {kind}", node.start_mark)


def _add_plain(kind: str, parsed: Callable[[str], object]) -> None:
    def construct(_loader: Any, node: yaml.Node) -> object:  # noqa: ANN401
        try:
            return parsed(node.value)
        except (ValueError, TypeError, KeyError):
            raise _misfit(node) from None

    _Loader.add_constructor(f"tag:yaml.org,2002:{kind}", construct)


for _kind, _parsed in _PLAIN.items():
    _add_plain(_kind, _parsed)


class _Dumper(_BaseDumper):  # type: ignore[misc]
    """The safe dumper with lists of plain values on one line."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        """Write every value out: an alias saves bytes and costs readers."""
        return True


def _represent_list(dumper: Any, values: list[Any]) -> yaml.Node:  # noqa: ANN401
    plain = not any(isinstance(value, (list, dict)) for value in values)
    node: yaml.Node = dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=plain)
    return node


def _represent_float(dumper: Any, value: float) -> yaml.Node:  # noqa: ANN401
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number that a manifest can hold; unknown is null")
    node: yaml.Node = _BaseDumper.represent_float(dumper, value)
    return node


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(float, _represent_float)

_SCALARS = {  # tag → (what it looks like, what it starts with)
    "null": (r"~|null|", ["~", "n", ""]),
    "bool": (r"true|false", list("tf")),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    "float": (
        r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)",
        list("-+.0123456789"),
    ),
}
for _tag, (_pattern, _first) in _SCALARS.items():
    # The dumper knows them beside its own, so that text such as "1e3", which 1.1 takes for text, is written in quotes.
    for _side in (_Loader, _Dumper):
        _side.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)


def parse(text: str, *, path: Path | None = None) -> tuple[Any, yaml.Node | None]:
    """Return the value of a YAML text, and its node tree (for line numbers).

    Raises:
        ManifestError: not YAML, or a key stands twice; names the line.
    """
    with _refusing(path):
        if _may_be_deep(text):
            _check_shape(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            return (None if node is None else loader.construct_document(node)), node
        finally:
            loader.dispose()


@contextmanager
def _refusing(path: Path | None) -> Iterator[None]:
    """Turn what the parser raises into one error with its line."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ManifestError(
            f"not valid YAML: {error.problem}", path=path, where=line, hint="mend that line; indentation is two spaces"
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ManifestError(f"not valid YAML: {error}", path=path) from None


def _may_be_deep(text: str) -> bool:
    """Return whether a text could be nested too deep, or name a value twice; quickly, and True wherever that is not sure."""
    n_brackets = text.count("[") + text.count("{")
    return "&" in text or n_brackets > DEEPEST or len(_IN_LINE.findall(text)) > DEEPEST or bool(_INDENTED.search(text))


def _check_shape(text: str) -> None:
    """Refuse what costs the parser its stack or the memory: the stream of events is read without either.

    Raises:
        MarkedYAMLError: it is nested too deep, or holds an alias, of which a few lines make gigabytes.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        at: Any = event.start_mark
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {DEEPEST} levels", problem_mark=at)
        if isinstance(event, yaml.AliasEvent):
            problem = f"the alias *{event.anchor} is not read; write the value out"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=at)


def to_text(value: Any) -> str:  # noqa: ANN401
    """Return a value as YAML: keys in the order given, UTF-8, LF; equal values give equal text."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def merged_text(text: str, changes: Mapping[str, Any]) -> str:
    r"""Return the text of a YAML mapping with the values of a nested mapping put in; comments and other lines stay.

    Args:
        text: A mapping as a person wrote it, in blocks.
        changes: Plain values by key, mappings inside mappings; a key that the text lacks is added.

    Example:
        >>> merged_text("image:\n  size: 128  # px\n", {"image": {"size": 64}, "seed": 7})
        'image:\n  size: 64  # px\n\nseed: 7\n'
    """
    _, root = parse(text)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("only into a mapping can values be put")
    edits, new = _edits(root, changes, text)
    for start, end, written in sorted(edits, reverse=True):  # from the end, so that places before it stay right
        text = text[:start] + written + text[end:]
    return text.rstrip("\n") + "\n" + ("\n" + to_text(new) if new else "")


def _edits(
    mapping: yaml.MappingNode, changes: Mapping[str, Any], text: str
) -> tuple[list[tuple[int, int, str]], dict[str, Any]]:
    """Return replacements as (start, end, text) of characters, and the values whose keys the mapping lacks."""
    nodes = {key.value: value for key, value in mapping.value}
    edits: list[tuple[int, int, str]] = []
    for key, value in changes.items():
        node = nodes.get(key)
        if node is None:
            continue
        if isinstance(value, Mapping) and isinstance(node, yaml.MappingNode) and node.value:
            inner, new = _edits(node, value, text)
            first = node.value[0][0].start_mark
            gap = ", " if node.flow_style else "\n" + " " * first.column
            edits += inner
            edits += [
                (first.index, first.index, f"{_in_line(name)}: {_in_line(added)}{gap}") for name, added in new.items()
            ]
        else:
            start, end = node.start_mark.index, _end_of(node)
            # A value that is missing begins right behind its colon.
            edits.append((start, end, (" " if text[start - 1] == ":" else "") + _in_line(value)))
    return edits, {key: value for key, value in changes.items() if key not in nodes}


def _end_of(node: yaml.Node) -> int:
    """Return the index behind the last character of a value; the mark of a block lies behind the comments after it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end_of(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _in_line(value: Any) -> str:  # noqa: ANN401
    """Return a value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_in_line(key)}: {_in_line(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_in_line, value)) + "]"
    if isinstance(value, str) and not value.isprintable():
        # With escapes: no key, and nothing between braces, may go on in the next line.
        quoted = yaml.dump([value], Dumper=_Dumper, default_style='"', width=2**31 - 1)
        return str(quoted).strip()[1:-1]
    return to_text([value]).strip()[1:-1]  # as it stands in a list on one line, where commas ask for quotes


def line_of(node: yaml.Node | None, keys: tuple[str | int, ...]) -> int | None:
    """Return the 1-based line where a value stands, following `keys` as far as they lead."""
    if node is None:
        return None
    line = node.start_mark.line + 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(key)), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            return line
    return line
