"""The schema check against a full implementation of JSON Schema."""

from __future__ import annotations

import contextlib
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.models.schema import check, must_be_usable

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text("ab", max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["a", "b", "c"])
KINDS = st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"])
BOUNDS: dict[str, st.SearchStrategy[Any]] = {"type": KINDS | st.lists(KINDS, min_size=1, max_size=2, unique=True)}
BOUNDS |= {"const": st.none() | st.booleans() | st.text("ab", max_size=2), "format": st.just("date")}
BOUNDS |= dict.fromkeys(("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"), st.integers(0, 3))
BOUNDS |= {"enum": st.lists(SCALARS, min_size=1, max_size=3), "additionalProperties": st.booleans()}
SCHEMAS = st.recursive(
    st.fixed_dictionaries({}, optional=BOUNDS),
    lambda inner: st.fixed_dictionaries(
        {"properties": st.dictionaries(NAMES, inner, max_size=2), "items": inner},
        optional={**BOUNDS, "required": st.lists(NAMES, unique=True, max_size=2)},
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(SCHEMAS, VALUES)
def test_a_value_fits_exactly_when_the_reference_says_so(schema: dict[str, Any], value: Any) -> None:
    schema = (
        {**schema, "enum": [one for one in schema["enum"] if type(one) is not float]} if "enum" in schema else schema
    )
    fits = jsonschema.Draft202012Validator(schema).is_valid(value)
    if "enum" in schema and isinstance(value, float):
        return  # 1 and 1.0 are one number there and two here: no question of ours has numbers in an enum
    try:
        check(value, schema)
    except ValueError:
        assert not fits
    else:
        assert fits


def test_the_words_name_the_part_that_is_wrong() -> None:
    schema = {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}}
    with pytest.raises(ValueError, match=r"^the answer\.tags\[1\] must be of type string$"):
        check({"tags": ["a", 2]}, schema)


def test_a_keyword_that_is_not_checked_is_an_error_and_no_free_pass() -> None:
    with pytest.raises(NotImplementedError, match="pattern"):
        check("x", {"type": "string", "pattern": "y"})


def test_nan_fits_no_bounds() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        check(float("nan"), {"type": "number", "minimum": 0})


@settings(max_examples=150, deadline=None)
@given(SCHEMAS, VALUES)
def test_a_schema_that_is_usable_can_be_checked(schema: dict[str, Any], value: Any) -> None:
    must_be_usable(schema)
    with contextlib.suppress(ValueError):  # what does not fit is told so; anything else would fail this test
        check(value, schema)


@pytest.mark.parametrize(
    "schema, why",
    [
        ([], "must be an object"),
        ({"$ref": "#/a"}, r"'\$ref'"),
        ({"properties": {"a": {"pattern": "x"}}}, r"schema\.a uses the keyword 'pattern'"),
        ({"properties": []}, "'properties'"),
        ({"properties": {"a": True}}, r"schema\.a must be an object"),
        ({"type": "text"}, "must be one of object"),
        ({"type": ["string", 1]}, "must be one of object"),
        ({"type": {"a": 1}}, "must be one of object"),
        ({"enum": []}, "'enum'"),
        ({"enum": "ab"}, "'enum'"),
        ({"required": "a"}, "'required'"),
        ({"required": [1]}, "'required'"),
        ({"minimum": "1"}, "'minimum'"),
        ({"maxLength": True}, "'maxLength'"),
        ({"additionalProperties": {}}, "'additionalProperties'"),
        ({"items": [{}]}, r"schema\[\] must be an object"),
        ({"properties": {f"a{n}": {} for n in range(65)}}, "more than 64"),
    ],
)
def test_a_schema_that_cannot_be_checked_is_told_with_the_part(schema: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        must_be_usable(schema)


@pytest.mark.parametrize("levels", [6, 7])
def test_a_schema_has_at_most_six_levels(levels: int) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels - 1):
        schema = {"items": schema}
    if levels == 6:
        must_be_usable(schema)
    else:
        with pytest.raises(ValueError, match="deeper than 6"):
            must_be_usable(schema)
