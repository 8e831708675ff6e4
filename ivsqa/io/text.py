"""Text that people and spreadsheets save: UTF-8, UTF-16, and the code page of Windows where nothing else fits."""

from __future__ import annotations

import codecs
from pathlib import Path

from ivsqa.io.budgets import check_document_size

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CODE_PAGE = "cp1252"
NO_TEXT = "is no text in UTF-8, UTF-16 or the code page of Windows"


def decoded(data: bytes) -> tuple[str, bool]:
    """Return text, and whether its encoding was guessed: neither a mark nor UTF-8 says what it is.

    Raises:
        ValueError: it is no text.

    Example:
        >>> decoded("ä,1".encode("utf-16")), decoded("ä,1".encode("cp1252"))
        (('ä,1', False), ('ä,1', True))
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not encoding and b"\0" in data:  # half of UTF-16 is zeros where it is mostly Latin; of other text nothing is
        encoding = "utf-16-le" if data[1::2].count(0) >= data[::2].count(0) else "utf-16-be"
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding:
            raise ValueError(NO_TEXT) from None
        try:
            return data.decode(CODE_PAGE), True
        except UnicodeDecodeError:
            raise ValueError(NO_TEXT) from None
    if "\0" in text:
        raise ValueError(NO_TEXT)
    return text, False


def read_text(path: Path, notes: list[str] | None = None) -> str:
    """Return the text of a file.

    Args:
        path: The file.
        notes: Gets a note where the encoding was guessed.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no text, or larger than any that people write.
    """
    check_document_size(path)
    text, is_guess = decoded(path.read_bytes())
    if is_guess and notes is not None:
        notes.append(f"{path.name} is not UTF-8 and was read as Windows writes text (cp1252)")
    return text
