from pathlib import Path

import pytest

from ivsqa.errors import PacketError
from ivsqa.io.formats.documents import read_xml

LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>"""
SECRET = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LAUGHS, "declares XML entities"),
        (SECRET, "declares XML entities"),
        (b"<a><b></a>", "not valid XML"),
        (b"", "not valid XML"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "cannot be read|not valid XML"),
        (b'<?xml version="1.0" encoding="utf-8"?><a>\xff\xfe</a>', "not valid XML|cannot be read"),
    ],
)
def test_xml_that_is_hostile_or_broken_is_refused_in_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "annotations.xml"
    path.write_bytes(content)
    with pytest.raises(PacketError, match=message) as caught:
        read_xml(path, editor="CVAT")
    assert caught.value.path == path
    assert "\n" not in str(caught.value)
    assert "CVAT" in caught.value.hint


def test_xml_names_the_place_where_it_breaks(tmp_path: Path) -> None:
    path = tmp_path / "annotations.xml"
    path.write_bytes(b"<a>\n  <b></c></a>")
    with pytest.raises(PacketError) as caught:
        read_xml(path, editor="CVAT")
    assert caught.value.where == "line 2, column 8"


def test_xml_nested_without_end_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "annotations.xml"
    path.write_bytes(b"<a>" * 100_000 + b"</a>" * 100_000)
    assert read_xml(path, editor="CVAT").tag == "a"


def test_document_type_without_entities_is_read(tmp_path: Path) -> None:
    path = tmp_path / "drawing.svg"
    path.write_bytes(b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd"><svg/>')
    assert read_xml(path, editor="Inkscape").tag == "svg"
