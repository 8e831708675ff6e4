"""JSON and XML that come from outside: bounded in size, entity-safe, every failure in one line; and XML that goes out.

Elements are read by `defusedxml` alone: entities that unfold without end or reach for other files are refused.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ivsqa.errors import PacketError
from ivsqa.io.budgets import check_document_size
from ivsqa.io.text import decoded

RECOGNISED_IN_BYTES = 1 << 16
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def head_of(path: Path) -> bytes:
    """Return the beginning of a file, enough to recognise it by, as UTF-8 where it says that it is UTF-16."""
    with path.open("rb") as stream:
        head = stream.read(RECOGNISED_IN_BYTES)
    return head.decode("utf-16", errors="replace").encode() if head.startswith(UTF_16) else head


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
        text, is_guess = decoded(bytes_of(path))
        if is_guess:  # the code page of Windows is no encoding of JSON
            raise PacketError("is not UTF-8 text", hint=hint, path=path)
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PacketError(f"is not valid JSON: {error.msg}", hint=hint, path=path, where=where) from error
    except (RecursionError, ValueError) as error:  # brackets without end; thousands of digits; no text
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
    try:
        check_document_size(path)
    except ValueError as error:
        raise PacketError(str(error), hint="send only the file that holds the contours", path=path) from None
    return path.read_bytes()


def check_whole(path: Path) -> None:
    """Raise where the last line of a table is cut off: the rest of it would count as deleted."""
    if not bytes_of(path).endswith((b"\n", b"\r")):
        hint = "save it again; if it is whole, end it with a line break"
        raise PacketError("ends within a line, so that part of it may be lost", hint=hint, path=path)
