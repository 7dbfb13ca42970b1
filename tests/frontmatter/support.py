"""A file from a header, and what is always true of one that is refused."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from agent import frontmatter
from agent.errors import BadHeader


def file(header: str, body: str = "Do it.\n") -> str:
    return f"---\n{header}\n---\n{body}"


def refused(text: str) -> BadHeader:
    with pytest.raises(BadHeader) as caught:
        frontmatter.read(text)
    error = caught.value
    assert error.corrected is not None
    frontmatter.read(error.corrected)  # what is offered as corrected can be read
    return error


VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
WORDS = VALUES | st.text("abon0123456789-:.#'\" []{}eE_xTZ+~!&*", max_size=12)
