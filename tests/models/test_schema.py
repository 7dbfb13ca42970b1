"""The schema check against a full implementation of JSON Schema."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.models.schema import check

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text("ab", max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["a", "b", "c"])
BOUNDS = {"type": st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"])}
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
