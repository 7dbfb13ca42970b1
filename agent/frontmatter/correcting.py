"""The corrected text that goes with a header that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.errors import BadHeader
from agent.frontmatter.events import UNPRINTABLE, Unreadable, strict
from agent.frontmatter.fences import Parts
from agent.frontmatter.mending import DOUBLE, INVISIBLE_BREAK, LINE, SINGLE, mend, quoted
from agent.frontmatter.writing import pair
from agent.text import shorten


def bad_header(error: Unreadable, parts: Parts) -> BadHeader:
    """What is told to the person, with the whole file corrected."""
    header = parts.header or ""
    lines = header.split("\n")
    shown = shorten(UNPRINTABLE.sub("\ufffd", lines[min(error.line, len(lines) - 1)]), 80)
    return BadHeader(
        f"{error.what}: `{shown}`" if shown else error.what,
        line=error.line + 2,
        why=error.why,
        fix=error.fix or "put the value in quotes, or use the corrected text",
        corrected=f"---\n{_correct(header)}---\n{parts.body}",
    )


def _correct(header: str) -> str:
    """A header that can be read and keeps every word of the person's: quoted where that helps, else as a comment."""
    lines = UNPRINTABLE.sub("\ufffd", mend(INVISIBLE_BREAK.sub(" ", header))).split("\n")
    for _ in range(8 if len(header) < 1 << 16 else 0):
        try:
            strict("\n".join(lines))
        except Unreadable as error:
            number = min(error.line, len(lines) - 1)
            lines[number] = _force(lines[number], as_comment=error.what.endswith("twice") or "merge" in error.what)
        else:
            return _ended("\n".join(lines))
    return _ended("\n".join(_as_single_lines(lines)))


def _force(line: str, as_comment: bool) -> str:
    found = LINE.fullmatch(line.rstrip("\r"))
    value = (found["value"] or "").strip() if found else ""
    if found and value and not as_comment and not DOUBLE.fullmatch(value) and not SINGLE.fullmatch(value):
        return f"{found['lead']}{found['key']}: {quoted(value.strip(chr(34) + chr(39)))}"
    return "# " + line.lstrip("# ")


def _as_single_lines(lines: Sequence[str]) -> Iterator[str]:
    """Every line that is a whole `key: value` by itself; the others as comments."""
    seen: set[str] = set()
    for number, line in enumerate(lines):
        try:
            values = strict(line)[0] if line[:1].strip() and number < 1000 else {}
        except Unreadable:
            values = {}
        if len(values) == 1 and isinstance(value := next(iter(values.values())), str) and not seen & values.keys():
            seen.update(values)
            yield pair(next(iter(values)), value)
        else:
            yield line if not line.strip() or line.startswith("#") else "# " + line


def _ended(header: str) -> str:
    return header if not header or header.endswith("\n") else header + "\n"
