from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.errors import ManifestError
from ivsqa.io.project.strict_yaml import line_of, merged_text, parse, to_text


def value_of(text: str):
    return parse(text)[0]


@pytest.mark.parametrize(
    "text",
    [
        "007",
        "12:30",
        "no",
        "yes",
        "on",
        "True",
        "NULL",
        "2024-01-01",
        "0x1F",
        "0o7",
        "1_000",
        ".inf",
        ".nan",
        "<<",
        "=",
    ],
)
def test_what_is_not_plainly_a_number_stays_text(text):
    assert value_of(f"id: {text}") == {"id": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("1.50", 1.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("1e3", 1000.0),
        ("-2.5E-1", -0.25),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'7'", "7"),
        ("!!str 7", "7"),
        ("[007, 7]", ["007", 7]),
    ],
)
def test_plain_numbers_truths_and_nothing_are_what_they_say(text, value):
    found = value_of(f"key: {text}")["key"]
    assert found == value
    assert type(found) is type(value)


def test_an_empty_file_is_nothing():
    assert parse("") == (None, None)
    assert parse("# only a comment\n") == (None, None)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3", "'a' stands twice"),
        ("a:\n  b: 1\n  b: 1\n", "line 3", "'b' stands twice"),
        ("list:\n- {x: 1, x: 2}\n", "line 2", "'x' stands twice"),
        ("a: 1\n1: 2\n", "line 2", "not text"),
        ("null: 2\n", "line 1", "not text"),
        ("a: 1\n? [1, 2]\n: 3\n", "line 2", "not text"),
        ("a:\n  b: [1\nc: 2\n", "line 3", "not valid YAML"),
        ("--- 1\n--- 2\n", "line 2", "another document"),
        ("a: *nowhere\n", "line 1", "alias"),
        ("when: !!timestamp 2024-01-01\n", "line 1", "constructor"),
        ("run: !!python/object/apply:os.getcwd []\n", "line 1", "constructor"),
        ("a: !!int seven\n", "line 1", "no int"),
        ("a: !!int [1]\n", "line 1", "no int"),
        ("a: !!float many\n", "line 1", "no float"),
        ("a: 1\nb: !!bool perhaps\n", "line 2", "no bool"),
        ("a: !!map 1\n", "line 1", "no map"),
        ("a: &x 1\nb: *x\n", "line 2", "the alias *x is not read"),
        ("a: &x [*x]\n", "line 1", "the alias *x is not read"),
    ],
)
def test_a_broken_text_is_refused_with_its_line(text, line, said):
    with pytest.raises(ManifestError) as caught:
        parse(text, path=Path("some.yaml"))
    assert caught.value.where == line
    assert said in caught.value.message
    assert caught.value.path == Path("some.yaml")
    assert caught.value.hint


def test_what_cannot_be_placed_is_refused_without_a_line():
    with pytest.raises(ManifestError, match="not valid YAML"):
        parse("a: \x07")


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000, "".join(" " * n + "a:\n" for n in range(2000))],
    ids=["brackets", "braces", "dashes", "question marks", "indentation"],
)
def test_what_is_nested_too_deep_is_refused_before_it_costs_the_stack(text):
    with pytest.raises(ManifestError, match="nested deeper than 50 levels"):
        parse(text)


def test_many_lists_beside_each_other_are_not_deep():
    value = {"frames": [{"spacing_mm": [0.1, 0.1], "settles": []} for _ in range(200)]}
    assert parse(to_text(value))[0] == value


def test_keys_stand_in_the_order_given_and_plain_lists_on_one_line():
    value = {"b": 1, "a": [1, 2.5, "x"], "none": None, "nested": [{"k": [3]}], "é": "ü"}
    assert to_text(value) == "b: 1\na: [1, 2.5, x]\nnone: null\nnested:\n- k: [3]\né: ü\n"


def test_text_that_looks_like_something_else_is_quoted():
    assert to_text({"a": "007", "b": "1e3", "c": "-.5", "d": "no"}) == "a: '007'\nb: '1e3'\nc: '-.5'\nd: 'no'\n"


def test_a_value_that_stands_twice_is_written_out_twice():
    shared = [1, 2]
    assert to_text({"a": shared, "b": shared}) == "a: [1, 2]\nb: [1, 2]\n"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.from_regex(
    r"[-+.0-9eE:]{1,6}", fullmatch=True
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


@settings(max_examples=150)
@given(values)
def test_what_is_written_reads_back_the_same(value):
    again = value_of(to_text(value))
    assert again == value
    assert to_text(again) == to_text(value)


def test_line_of_follows_keys_as_far_as_they_lead():
    _, node = parse("# first\na:\n  b: 1\n  list:\n  - x: 1\n  - x: 2\n")
    assert isinstance(node, yaml.Node)
    assert line_of(node, ()) == 2
    assert line_of(node, ("a",)) == 2
    assert line_of(node, ("a", "b")) == 3
    assert line_of(node, ("a", "b", "deeper")) == 3
    assert line_of(node, ("a", "list", 1, "x")) == 6
    assert line_of(node, ("a", "list", 9)) == 4
    assert line_of(node, ("a", "absent")) == 2
    assert line_of(None, ("a",)) is None


WRITTEN = """\
# what a person wrote
name: study

structures:            # innermost first
  - {name: lumen}
  - {name: eem}
# between
image:
  size: 128            # px: é
training: {rate: 0.1, grey: {gain: 0.3}}
packet:
"""


@pytest.mark.parametrize(
    ("changes", "shown", "wanted"),
    [
        ({"name": "a: b"}, "name: study", "name: 'a: b'"),
        ({"structures": [{"name": "x, y"}]}, "- {name: lumen}\n  - {name: eem}", "[{name: 'x, y'}]"),
        ({"image": {"size": None}}, "128", "null"),
        ({"image": {"field": 5.0}}, "  size", "  field: 5.0\n  size"),
        ({"training": {"grey": {"gain": 0.5}}}, "0.3", "0.5"),
        ({"training": {"flip": True}}, "{rate", "{flip: true, rate"),
        ({"packet": {"formats": ("csv", "no")}}, "packet:", "packet: {formats: [csv, 'no']}"),
        ({"image": {"\n": None}}, "  size", '  "\\n": null\n  size'),
        ({"new": {"a": 1}}, "packet:\n", "packet:\n\nnew:\n  a: 1\n"),
        ({}, "", ""),
    ],
)
def test_values_are_put_into_a_text_and_all_else_stays(changes, shown, wanted):
    assert merged_text(WRITTEN, changes) == WRITTEN.replace(shown, wanted, 1)


@given(st.dictionaries(st.sampled_from(["name", "image", "packet", "new"]), values))
def test_what_is_put_into_a_text_is_read_from_it(changes):
    read = value_of(merged_text(WRITTEN, changes))
    for key, value in changes.items():
        assert read[key] == (
            {**value_of(WRITTEN)[key], **value} if key == "image" and isinstance(value, dict) else value
        )


def test_only_into_a_mapping_values_can_be_put():
    with pytest.raises(TypeError, match="mapping"):
        merged_text("- 1\n", {"a": 2})
