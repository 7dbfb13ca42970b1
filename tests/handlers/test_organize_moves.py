"""Moves and the links that follow them: every link leads where it led, and no other byte changes."""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.handlers.organize.links import links
from agent.handlers.organize.names import Names
from tests.handlers.organize_place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


FOLDERS = ("", "memory", "memory/daily", "memory/a b", "memory/daily/sub", "projects", "memory/Ünder")
NAMES = (
    "2026-01-02.md", "note.md", "Note.md", "other note.md", "index.md", "x.txt", "(paren).md", "ümlaut.md",
    unicodedata.normalize("NFD", "ümlaut.md"), "100%.md", "a.b.md",
)  # fmt: skip
ROWS = (
    "`memory/daily/*.md` | `memory/archive/{year}/`",
    "`*.txt` | `memory/texts/`",
    "`memory/**`, older than 0 days | `memory/filed/{folder}/`",
    "`note.md` | `memory/daily/`",
    "`Note.md` | `memory/notes/`",
    "`index.md` | `projects/{year}/{month}/`",
)


class Spelled(NamedTuple):
    """How a link says where it leads: the file by its number, the way of spelling it, and what is around it."""

    file: int
    way: str
    around: str


PATHS = st.lists(
    st.builds(lambda folder, name: f"{folder}/{name}".lstrip("/"), st.sampled_from(FOLDERS), st.sampled_from(NAMES)),
    min_size=2, max_size=9, unique_by=lambda path: path,
)  # fmt: skip
LINKS = st.lists(
    st.builds(
        Spelled,
        st.integers(0, 8),
        st.sampled_from(["bare", "bare.md", "root", "root.md", "slash", "relative", "relative.md"]),
        st.sampled_from(["[[{}]]", "[[{}#part|alias]]", "![[{}]]", "[t]({})", "[t](<{}#part> 'title')", "`[[{}]]`",
                         "\n```\n[t]({})\n```\n", "\n[ref]: {}\n", "| [[{}\\|shown]] |"]),
    ),
    max_size=5,
)  # fmt: skip


def _spell(link: Spelled, source: str, paths: list[str]) -> str:
    target = paths[link.file % len(paths)]
    named = target if link.way.endswith(".md") else target.removesuffix(".md")
    if link.way.startswith("bare"):
        name = named.rpartition("/")[2]
    elif link.way.startswith("relative"):
        up = "../" * source.count("/")
        name = f"{up or './'}{named}"
    else:
        name = f"/{named}" if link.way == "slash" else named
    wiki = "[[" in link.around
    bare_md = "](" in link.around and "<" not in link.around
    if not wiki:
        name = name.replace("%", "%25")
    if bare_md or "]: " in link.around:
        name = name.replace(" ", "%20").replace("(", "%28").replace(")", "\\)")
    return link.around.format(name)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(paths=PATHS, written=st.lists(LINKS, min_size=9, max_size=9), rows=st.lists(st.sampled_from(ROWS), min_size=1,
       max_size=3, unique=True), crlf=st.booleans(), header=st.booleans())  # fmt: skip
def test_every_link_that_led_somewhere_leads_there_afterwards(
    paths: list[str], written: list[list[Spelled]], rows: list[str], crlf: bool, header: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        texts = {}
        for path, said in zip(paths, written, strict=False):
            text = "\n\n".join([f"# {path}", *(_spell(link, path, paths) for link in said), "end"])
            if header and path.endswith(".md"):
                text = f'---\nup: "[[{_spell(Spelled(0, "root", "{}"), path, paths)}]]"\n---\n{text}'
            texts[path] = text.replace("\n", "\r\n") if crlf else text
            place.put(path, texts[path], days=100)
        place.rules(*rows)
        before = Names([*texts, "prompts/organize.md"])
        result = place.do(path="/", only="file")
        there = {path: data.decode() for path, data in place.files().items() if path != "prompts/organize.md"}
        _check(texts, there, before, Names(there), result.raw)


def _check(texts: dict[str, str], there: dict[str, str], before: Names, after: Names, raw: str) -> None:
    moved = dict(line.split(" → ") for line in raw.split("\n") if " → " in line)
    assert sorted(moved.get(path, path) for path in texts) == sorted(there), "nothing went, nothing was overwritten"
    for path, text in texts.items():
        new = there[moved.get(path, path)]
        if not path.endswith(".md"):
            assert new == text
            continue
        old_links, new_links = links(text), links(new)
        assert len(old_links) == len(new_links)
        for old, now in zip(old_links, new_links, strict=True):
            led = before.resolve(old.target, path, old.kind)
            if led is not None:
                assert after.resolve(now.target, moved.get(path, path), now.kind) == moved.get(led, led)
            else:
                assert now.target == old.target
        assert _without(text) == _without(new)


def _without(text: str) -> str:
    """The text without what links name."""
    for link in reversed(links(text)):
        text = text[: link.start] + text[link.end :]
    return text
