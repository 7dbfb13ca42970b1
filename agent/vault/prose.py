"""The text of a task as Markdown: which lines are code, and what it is called."""

from __future__ import annotations

import re

_MARKS = re.compile(r"(?:>[ \t]?)*(?:[-*+][ \t]+|\d{1,9}[.)][ \t]+)?(?:\[[ xX]\][ \t]+)?")


def outside_fences(lines: list[str]) -> list[tuple[int, str]]:
    """The numbered lines of Markdown that are not in a fenced code block."""
    outside = []
    fence = ""
    for number, line in enumerate(lines):
        bare = line.strip()
        if fence:
            if bare.startswith(fence) and not bare.strip(fence[0]):
                fence = ""
        elif bare.startswith(("```", "~~~")):
            fence = bare[: len(bare) - len(bare.lstrip(bare[0]))]
        else:
            outside.append((number, line))
    return outside


def title_of(text: str) -> str:
    """The first heading, else the first line with words, without Markdown's marks."""
    lines = text.split("\n")
    if "#" in text:
        for _, line in outside_fences(lines):
            level = len(line) - len(line.lstrip("#"))
            if 1 <= level <= 6 and line[level : level + 1] in (" ", "\t") and (title := line.strip("# \t")):
                return title
    for line in lines:
        title = _MARKS.sub("", line.strip(), count=1).replace("**", "").strip("*_`~# \t")
        if any(map(str.isalnum, title)):
            return title
    return ""
