"""Values of a YAML file as JSON has them, and items made of such values again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streams.citydocument import _Dumper
from streams.yamlfile import item_of, read_yaml
from vision.errors import ConfigError
from vision.types import JsonValue

TEXT = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)
NUMBER = st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def same(one: JsonValue, other: JsonValue) -> bool:
    """Whether both are written alike in JSON: 1, 1.0 and true differ."""
    return json.dumps(one) == json.dumps(other)


@given(value=VALUE)
def test_a_value_is_the_same_after_it_was_an_item(value: JsonValue) -> None:
    got = item_of(value, "here", ConfigError).plain()
    # a whole number in a float, such as 1.0, stays one
    assert same(got, value)


def read(folder: Path, text: str) -> JsonValue:
    path = folder / "value.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path, ConfigError).plain()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: 1.0", {"a": 1.0}),
        ("a: -0.5", {"a": -0.5}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: .5", {"a": 0.5}),
        ("a: +7", {"a": 7}),
        ("a: '1'", {"a": "1"}),
        ("a: true", {"a": True}),
        ("a: True", {"a": True}),
        ("a: 'true'", {"a": "true"}),
        ("a:", {"a": None}),
        ("a: ~", {"a": None}),
        ("a: 'null'", {"a": "null"}),
        ("[1, [a, b], {c: d}]", [1, ["a", "b"], {"c": "d"}]),
        ("1: x", {"1": "x"}),
        ("a: '22:00'", {"a": "22:00"}),
        ("a: Losari Ä", {"a": "Losari Ä"}),
    ],
)
def test_how_a_value_is_read(tmp_path: Path, written: str, value: JsonValue) -> None:
    assert same(read(tmp_path, written), value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a: 22:00", "put it in quotes"),
        ("a: 010", "put it in quotes"),
        ("a: 2026-01-31", "put it in quotes"),
        ("a: yes", "put it in quotes"),
        ("a: 1e999", "is not a finite number"),
        ("a: .inf", "put it in quotes"),
        ("a: ''", "is empty"),
        ('a: "x\\ty"', "a control character"),
        ("{a: 1, a: 2}", "was given in line 1 already"),
        ("? [x]\n: 1", "a field's name is a list"),
    ],
)
def test_what_json_would_have_otherwise_is_refused(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"value.yaml:\d+: ") as caught:
        read(tmp_path, written)
    assert said in str(caught.value)


@pytest.mark.parametrize("written", ["1e3", "0E0", "tRue", "FALSE", "1e-3", "-.5"])
def test_a_text_that_is_read_as_something_else_needs_quotes(tmp_path: Path, written: str) -> None:
    path = tmp_path / "value.yaml"
    path.write_text(f"plain: {written}\nquoted: '{written}'\n", encoding="utf-8")
    fields = read_yaml(path, ConfigError).mapping()
    assert fields["quoted"].text() == fields["quoted"].plain() == written
    with pytest.raises(ConfigError, match="put it in quotes"):
        fields["plain"].text()
    assert not isinstance(fields["plain"].plain(), str)


def test_an_item_of_no_file_says_where_it_is() -> None:
    top = item_of({"lines": [{"points": [1, "x"]}]}, "camera plaza: scene", ConfigError)
    points = top.mapping()["lines"].items()[0].mapping()["points"]
    with pytest.raises(ConfigError) as caught:
        points.items()[1].number()
    assert str(caught.value) == (
        "camera plaza: scene:1: lines[0].points[1]: 'x' is not a finite number; write a decimal "
        "such as 20 or 0.5"
    )


@given(value=st.dictionaries(TEXT, VALUE, min_size=1, max_size=4))
def test_what_is_written_for_people_is_read_to_the_same(
    value: dict[str, JsonValue], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False)
    folder = tmp_path_factory.mktemp("written")
    if "!!" not in text and "&" not in text:
        assert same(read(folder, text), value)
