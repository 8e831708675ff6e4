"""Looking for words in every byte of what was written, whatever it is packed in and however a word is spelt there."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import polars as pl

CODES = ("utf-8", "latin-1", "iso2022_jp", "shift_jis", "euc_jp")


def everything(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each file at or below a path, and of all that is packed in one."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        name = file.relative_to(path.parent).as_posix()
        yield from unpacked(name, file.read_bytes() if file.is_file() else b"")


def unpacked(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a file and all that is packed into it."""
    yield name, data
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(BytesIO(data)) as archive:
            yield f"{name} remarks", archive.comment
            for entry in archive.infolist():
                yield f"{name} remarks", entry.comment + entry.extra
                yield from unpacked(f"{name}/{entry.filename}", archive.read(entry))
    elif data[:2] == b"\x1f\x8b":
        yield from unpacked(name.removesuffix(".gz"), gzip.decompress(data))
    elif data[:4] == b"NRRD":
        yield from unpacked(f"{name} pixels", data.partition(b"\n\n")[2])
    elif data[:4] == b"PAR1":
        yield name, repr(pl.read_parquet(BytesIO(data)).to_dict(as_series=False)).encode()
    elif data[:4] == b"\x89PNG":
        for kind, chunk in chunks(data):
            packed = chunk.partition(b"\0")[2].lstrip(b"\0")
            if kind == b"zTXt":
                yield f"{name} {kind.decode()}", zlib.decompress(packed)
    elif name.endswith((".svg", ".html", ".json")):
        for number, found in enumerate(re.findall(rb"data:[\w/+-]+;base64,([A-Za-z0-9+/=]+)", data)):
            yield from unpacked(f"{name}-{number}", base64.b64decode(found))


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each chunk of a PNG."""
    at = 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def spellings(word: str) -> Iterator[bytes]:
    """Yield a word as it may stand in a file: in the codes that have it, and escaped."""
    for code in CODES:
        with suppress(UnicodeEncodeError):
            yield word.encode(code)
    yield word.encode("utf-16-le").removesuffix(b"\0")  # as it stands in the other order of bytes too
    if not word.isascii():
        yield word.encode("utf-16-be")
    yield json.dumps(word)[1:-1].encode()
    yield html.escape(word).encode("ascii", "xmlcharrefreplace")
    yield quote(word).encode()


class Words:
    """Words that are looked for, whatever their case; digits count where no other digits are around them."""

    def __init__(self, words: Iterable[str]) -> None:
        spelt = {one.lower() for word in words for one in spellings(word)}
        # What holds another is found with it.
        shortest = {one for one in spelt if not any(other in one for other in spelt - {one})}
        bounded = (
            rb"(?<![0-9a-f.])%s(?![0-9a-f])" % one if one.isdigit() else re.escape(one) for one in sorted(shortest)
        )
        self._any = re.compile(b"|".join(bounded))

    def in_data(self, data: bytes) -> set[bytes]:
        """Return those that stand in some bytes, in small letters."""
        return set(self._any.findall(data.lower()))

    def below(self, *paths: Path) -> list[tuple[str, bytes]]:
        """Return (name, word) of those that stand in files and folders, or in names there."""
        distinct, names = {}, list[str]()  # most of what is packed lies beside it too
        for name, data in (one for path in paths for one in everything(path)):
            distinct[data] = name
            names.append(name)
        distinct["\n".join(names).encode()] = "a name"
        return [(name, one) for data, name in distinct.items() for one in self.in_data(data)]
