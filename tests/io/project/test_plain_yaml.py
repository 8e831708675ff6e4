"""What is read quickly is what the strict reader reads, whatever stands in the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.errors import ManifestError
from ivsqa.io.project.plain_yaml import plain_mapping
from ivsqa.io.project.strict_yaml import parse, to_text

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["007", "1e3", "1.", "null", "true", "12:30", "a b", "a: b", "a #b", "it's", "-1", "0x1F", "~", ""]
    ),
)
KEYS = st.one_of(st.from_regex(r"[a-z_][a-z0-9_-]{0,5}", fullmatch=True), st.text(min_size=1, max_size=4))
VALUES = st.recursive(
    st.one_of(SCALARS, st.lists(SCALARS, max_size=40)),
    lambda inner: st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=9,
)
PIECES = [
    "a",
    "b",
    "null",
    "1",
    "-2",
    "0.5",
    "1e3",
    "'",
    "''",
    ":",
    ": ",
    " ",
    "  ",
    "\n",
    ", ",
    ",",
    "[",
    "]",
    "{}",
    "#",
    "&",
    "*",
]
MANIFEST = (
    "kind: ivsqa/pullback\nschema_version: 1\nspacing_mm: [0.02, 0.02]\nframe_time_s: [0.0, 0.5,\n  1.0]\nmodel: ''\nnotes: []\n"
    "unit: a b\nstart: null\ngated: false\nsha256: 4e5a\n"
    "provenance:\n  created_at: '2026-01-01T00:00:00+00:00'\n  packages: {}\nn: -3\n"
)


def test_a_manifest_as_it_is_written_is_read_quickly():
    assert plain_mapping(MANIFEST) == {
        "kind": "ivsqa/pullback",
        "schema_version": 1,
        "spacing_mm": [0.02, 0.02],
        "frame_time_s": [0.0, 0.5, 1.0],
        "model": "",
        "notes": [],
        "unit": "a b",
        "start": None,
        "gated": False,
        "sha256": "4e5a",
        "provenance": {"created_at": "2026-01-01T00:00:00+00:00", "packages": {}},
        "n": -3,
    }
    assert parse(MANIFEST)[0] == plain_mapping(MANIFEST)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a:",
        "a:\nb: 1",
        "a: 1 # one",
        "a: 1\na: 2",
        "- a",
        "a: 'it''s'",
        "a: b: c",
        "a: 1\n b: 2",
        "a: &x 1",
        "null: 1",
        "a: [1\n]",
    ],
)  # fmt: skip
def test_what_is_written_otherwise_is_left_to_the_strict_reader(text):
    assert plain_mapping(text) is None


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_what_is_written_is_read_alike_by_both(value):
    assert_alike(to_text(value))


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_what_anybody_types_is_read_alike_by_both(text):
    assert_alike(text)


@given(st.integers(0, len(MANIFEST)), st.sampled_from(PIECES))
def test_a_manifest_with_a_slip_is_read_alike_by_both(place, piece):
    assert_alike(MANIFEST[:place] + piece + MANIFEST[place:])


def assert_alike(text: str) -> None:
    """Check that a text is left to the strict reader, or read as it reads it: equal, and of equal types."""
    quickly = plain_mapping(text)
    if quickly is None:
        return
    try:
        strictly = parse(text)[0]
    except ManifestError as error:
        pytest.fail(f"{text!r} was read as {quickly!r}, but: {error.message}")
    assert repr(quickly) == repr(strictly)
