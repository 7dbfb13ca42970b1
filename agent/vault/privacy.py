"""What a note says of itself: whether its text may leave the machine."""

from __future__ import annotations

from agent import frontmatter
from agent.errors import BadHeader


def is_private(text: str) -> bool:
    """Whether a note says `private: true`, or has a header that nobody can read."""
    try:
        return str(frontmatter.read(text).values.get("private", "false")).lower() not in ("false", "no", "off", "")
    except BadHeader:
        return True
