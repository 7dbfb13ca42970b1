"""The path rules: nothing leaves the root, nothing reaches a control file in any disguise."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.errors import Refused
from agent.files import TEXT_SUFFIXES, fold, parts, readable, writable

GIT = [".git", ".GIT", ".Git", ".git.", ".git ", ".git. .", ".git::$DATA", ".git:x", "git~1", "GIT~1", ".g\u200cit"]
GIT += [".gi\u200dt", "\ufeff.git", ".git\u2060", ".\uff47\uff49\uff54"]


@pytest.mark.parametrize("name", GIT)
@pytest.mark.parametrize("form", ["{}/config.md", "a/{}/config.md", "{}"])
def test_s10_gits_folder_is_refused_in_every_disguise(name: str, form: str) -> None:
    with pytest.raises(Refused):
        parts(form.format(name))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "//a.md",
        "a//b.md",
        "a/",
        "..",
        "../a.md",
        "a/../b.md",
        "a/./b.md",
        "a/..",
        ".",
        "./",
        "a\\b.md",
        "a\0.md",
        "a\nb.md",
        "a\x1b[2J.md",
        "\ud800.md",
        "x" * 256 + ".md",
        "ä" * 127 + ".md",
        "a/" * 600 + "b.md",
    ],
)
def test_s12_a_path_that_could_leave_the_root_is_refused(path: str) -> None:
    with pytest.raises(Refused) as caught:
        parts(path)
    str(caught.value).encode("utf-8")  # the message itself can be written


@pytest.mark.parametrize(
    "path",
    [
        ".obsidian/app.json",
        ".claude/x.md",
        ".github/a.yml",
        ".envrc",
        "a/.hidden.md",
        ".gitattributes",
        ".gitmodules",
        "\u200b.obsidian/x.md",
        "\uff0eobsidian/x.md",
        "obsidi~1/x.md",
        "AGENTS~1.MD",
        "a/.../x.md",
        "AGENTS.md",
        "agents.MD",
        "sub/CLAUDE.md",
        "CLAUDE.local.md",
        "AGENTS.override.md",
        "GEMINI.md",
        "ＡＧＥＮＴＳ.md",
        "AGENTS.md.",
        "AGENTS.md ",
        "AGENTS.md::$DATA",
        "agents\u200c.md",
        "SOUL.md",
        "gofer.toml",
        "GOFER.TOML",
        "STOP",
        "STOP.md",
        "stop.md",
        "pyproject.toml",
        "package.json",
        "Makefile",
        "inbox/x.md",
        "INBOX/x.md",
        "outbox/x.md",
        "Outbox/handoffs/x.md",
        "prompts/ask.md",
        "inbox /x.md",
        "memory/tasks/x.md",
        "memory/ledger/x.md",
        "Memory/Decisions/x.md",
        "memory/qwen-worker/a/x.md",
        "templates/x.md",
        "notes/Templates/x.md",
        "_templates/x.md",
        "a.py",
        "a",
        "a.sh",
        "a.md.exe",
        "agent/x.html",
        "a.md/b",
        "con.md",
        "aux",
        "notes/nul.txt",
        "COM1.log",
        "a:b.md",
        "a?.md",
        "*.md",
        "a|b.md",
        'a"b.md',
        "<a>.md",
        " a.md",
        "a .md/b.md ",
        "dir./a.md",
        "in\u200bvisible.md",
    ],
)
def test_s10_a_task_may_not_write_there(path: str) -> None:
    with pytest.raises(Refused):
        writable(path)


@pytest.mark.parametrize(
    "path",
    [
        "a.md",
        "test.txt",
        "memory/todo.md",
        "memory/daily/2026-11-20.md",
        "notes/Über uns.md",
        "日本/メモ.md",
        "a/b/c/d.csv",
        "x.json",
        "x.yaml",
        "x.yml",
        "x.toml",
        "x.log",
        "README.md",
        "TOOLS.md",
        "active-tasks.md",
        "a..b.md",
        "~x.md",
        "stop-words.md",
        "agentsmith.md",
        "memory/taskslist/x.md",
        "notes/inbox/x.md",
        "v1.2/x.md",
        "Notes (old).MD",
    ],
)
def test_a_task_may_write_there(path: str) -> None:
    assert writable(path) == path


@pytest.mark.parametrize("path", ["AGENTS.md", "inbox/a.md", "outbox/a.md", "prompts/SOUL.md", "memory/tasks/x.md"])
def test_control_files_and_records_may_be_read(path: str) -> None:
    assert readable(path) == path


def test_a_leading_dot_slash_is_dropped() -> None:
    assert writable("./a.md") == "a.md"


names = st.text(
    alphabet=st.one_of(st.sampled_from(list("./\\ ~:gitGIT\0\u200c\u2060AGENTSmd1")), st.characters()), max_size=30
)


@settings(max_examples=400, deadline=None)
@given(names)
@example(".\u0300git")
def test_s12_an_accepted_path_stays_beneath_the_root_and_names_no_hidden_file(path: str) -> None:
    try:
        cleaned = writable(path)
    except Refused:
        return
    assert os.path.normpath(cleaned) == cleaned
    assert (Path("/root") / cleaned).is_relative_to("/root")
    assert cleaned.lower().endswith(TEXT_SUFFIXES)
    for name in cleaned.split("/"):
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            seen = unicodedata.normalize(form, name).casefold()
            assert not seen.startswith(".")
            assert seen != "git~1"


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([".git", "agents.md", "stop.md", ".obsidian"]), st.data())
def test_s10_ignorable_code_points_and_endings_never_change_the_fold(name: str, data: st.DataObject) -> None:
    noise = data.draw(st.lists(st.tuples(st.integers(0, len(name)), st.sampled_from("\u200b\u200c\u200d\u2060\ufeff"))))
    ending = data.draw(st.sampled_from(["", ".", " ", " . ", "::$DATA", ":x"]))
    disguised = name.upper() if data.draw(st.booleans()) else name
    for place, letter in noise:
        disguised = disguised[:place] + letter + disguised[place:]
    assert fold(disguised + ending) == name
