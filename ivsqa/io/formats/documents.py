"""JSON and XML that come from outside: bounded in size, entity-safe, every failure in one line; and XML that goes out.

Elements are read by `defusedxml` alone: entities that unfold without end or reach for other files are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ivsqa.errors import PacketError
from ivsqa.io.budgets import LARGEST_DOCUMENT_BYTES

RECOGNISED_IN_BYTES = 1 << 16


def head_of(path: Path) -> bytes:
    """Return the beginning of a file, enough to recognise it by."""
    with path.open("rb") as stream:
        return stream.read(RECOGNISED_IN_BYTES)


def read_json(path: Path, *, editor: str) -> object:
    """Return the content of a JSON file.

    Args:
        path: The file.
        editor: What to save it again with, for the hint.

    Raises:
        PacketError: too large, not UTF-8, or not JSON.
    """
    hint = f"open it in {editor} and save it again"
    try:
        # Some editors begin UTF-8 with a byte order mark.
        return json.loads(bytes_of(path).decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PacketError(f"is not valid JSON: {error.msg}", hint=hint, path=path, where=where) from error
    except UnicodeDecodeError as error:
        raise PacketError("is not UTF-8 text", hint=hint, path=path) from error
    except (RecursionError, ValueError) as error:  # brackets nested without end; a number of thousands of digits
        raise PacketError("is not a file that an annotation tool writes", hint=hint, path=path) from error


def read_xml(path: Path, *, editor: str) -> Element:
    """Return the root element of an XML file.

    Raises:
        PacketError: too large, not XML, or with entities, which no editor writes into what it saves.
    """
    hint = f"open it in {editor} and save it again"
    try:
        root: Element = fromstring(bytes_of(path))
    except ParseError as error:
        line, column = error.position
        where = f"line {line}, column {column + 1}"
        raise PacketError("is not valid XML", hint=hint, path=path, where=where) from error
    except DefusedXmlException as error:
        raise PacketError("declares XML entities, which are never unfolded here", hint=hint, path=path) from error
    except (LookupError, ValueError) as error:  # an encoding that nobody knows, or that the text is not in
        raise PacketError("is in an encoding that cannot be read", hint=hint, path=path) from error
    return root


def mapping_of(value: object) -> dict[str, object]:
    """Return an object of a JSON file; an empty one where it is something else."""
    return value if isinstance(value, dict) else {}


def mappings_of(value: object) -> list[dict[str, object]]:
    """Return the objects in a list of a JSON file; none where it is something else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def xml_text(tag: str, attributes: Mapping[str, object], *children: str) -> str:
    """Return an element as text; children are elements already, or text that went through `html.escape`.

    Example:
        >>> xml_text("label", {"name": 'a "b"'}, xml_text("type", {}, "polygon"))
        '<label name="a &quot;b&quot;"><type>polygon</type></label>'
        >>> xml_text("tag", {"id": 1})
        '<tag id="1"/>'
    """
    start = "".join([tag, *(f' {name}="{escape(str(value))}"' for name, value in attributes.items())])
    return f"<{start}>{''.join(children)}</{tag}>" if children else f"<{start}/>"


def bytes_of(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        PacketError: it is too large.
    """
    if path.stat().st_size > LARGEST_DOCUMENT_BYTES:
        raise PacketError(
            f"is larger than {LARGEST_DOCUMENT_BYTES >> 20} MB",
            hint="send only the file that holds the contours",
            path=path,
        )
    return path.read_bytes()


def check_whole(path: Path) -> None:
    """Raise where the last line of a table is cut off: the rest of it would count as deleted."""
    if not bytes_of(path).endswith((b"\n", b"\r")):
        hint = "save it again; if it is whole, end it with a line break"
        raise PacketError("ends within a line, so that part of it may be lost", hint=hint, path=path)
