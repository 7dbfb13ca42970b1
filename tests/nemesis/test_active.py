"""The checker of active content is checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.gate import OutputGate
from tests.nemesis.active import check_active, is_as_written, signs
from tests.nemesis.commits import GOFER
from tests.nemesis.expect import Expectations, Expected
from tests.nemesis.planted import ACTIVE, ACTIVE_LINES
from tests.nemesis.scribe import Scribe

REPORT = """\
---
type: report
title: "a title with `code`, {{braces}} and <b>"
source: "[[a]]"
---
# Qwen Worker Report
**Task:** a \\<script> \\[\\[link\\]\\] !\\[\\[embed\\]\\] 5 < 6 and https://example.org/x
- [ ] Lead to review [[outbox/handoffs/a.handoff]]

## Raw Data
````text
```dataviewjs
![[x]] <img> {{x}}
```
````
"""


def test_a_report_in_which_nothing_acts() -> None:
    assert signs(REPORT) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<% x %>", "Templater"), ("```text\n<%* x %>\n```", "Templater"), ("---\ntitle: <% x %>\n---\n", "Templater"),
        ("![a](http://x/y.png)", "an embed or an image"), ("\\\\![[x]]", "an embed or an image"),
        ("see [[x]]", "a wikilink"), ("[a](b)", "a link"), ("a <b>", "HTML"), ("<!-- x", "HTML"),
        ("</div>", "HTML"), ("{{x}}", "Liquid or a template"), ("{% x", "Liquid or a template"),
        ("%%x%%", "a hidden comment"), ("`$= x`", "Dataview in a line"), ("`= x`", "Dataview in a line"),
        ("rating:: 5", "a Dataview field"), ("> [!note]", "a callout"), ("- > [!note]", "a callout"),
        ("- ```js", "a fence in a line"), ("obsidian://x", "an address that opens something"),
        ("javascript:x()", "an address that opens something"),
        ("```dataviewjs\nx\n```", "a fence of dataviewjs"), ("~~~\nx\n~~~", "a fence of no language"),
        ("```text\nx", "a fence of what has no end"), ("```text\nx\n```\n```js\ny\n```", "a fence of js"),
        ("```text\n````\n<b>", "HTML"), ("---\ntitle: \"[[x]]\"\n---\n", "a link in a value"),
        ('{"title":"obsidian://x"}', "an address that opens something in a value"),
    ],
)  # fmt: skip
def test_each_sign(text: str, what: str) -> None:
    assert what in signs(text)


@pytest.mark.parametrize("line", [*ACTIVE_LINES, *ACTIVE.split("\n\n")])
def test_what_is_planted_acts_and_the_gate_makes_it_still(line: str) -> None:
    assert signs(line)
    gate = OutputGate()
    assert signs(gate.line(line, 1000)) == signs(gate.text(line, 1000)) == signs(gate.fence(line, 1000)) == []
    assert signs(f"---\ntitle: {gate.value(line, 1000)}\n---\n") == []


def test_what_gofer_wrote_in_a_tree_and_what_it_did_not(tmp_path: Path) -> None:
    scribe, bad = Scribe(tmp_path), "![[x]]\n"
    task = replace(
        scribe.drop("a.md", f"---\npriority: low\n---\n{ACTIVE}\n"), text=f"---\npriority: low\n---\n{ACTIVE}\n"
    )
    finished = f"memory/tasks/2026-11/{task.id}.md"
    scribe.done(task, files={finished: f"---\npriority: low\nstatus: done\n---\n{ACTIVE}\n"})
    scribe.commit(GOFER, "gofer: a note that was asked for", {"notes/a.md": bad, "memory/daily/a.md": bad})
    scribe.push()
    assert check_active(scribe.bare.path, Expectations((task,))) == []
    paths = (
        "outbox/handoffs/a.handoff.md",
        "memory/decisions/a.md",
        "memory/qwen-worker/a.md",
        "memory/ledger/a.jsonl",
    )
    scribe.commit(GOFER, "gofer: bad", {**dict.fromkeys(paths, "<% x %>\n"), finished: f"{ACTIVE}\n{bad}"})
    scribe.push()
    found = check_active(scribe.bare.path, Expectations((task,)))
    assert sorted(line.split()[1] for line in found) == sorted((*paths, finished))


def test_a_finished_task_is_as_its_person_wrote_it() -> None:
    text = "---\ntitle: <% x %>\n---\nUse SECRET\n\nand ![[x]]\n"
    task = Expected("inbox/a.md", "a", text=text)
    hidden = replace(task, secret="SECRET")
    more = 'title: <% x %>\nstatus: done\nreport: "[[x]]"\n'
    assert is_as_written(f"---\n{more}---\nUse SECRET\n\nand ![[x]]\n", task)
    assert not is_as_written(f"---\n{more}---\nUse SECRET\n\nand [[x]]\n", task)
    assert not is_as_written("---\nstatus: done\n---\nUse SECRET\n\nand ![[x]]\n", task)
    assert not is_as_written(f"---\n{more}route: <% y %>\n---\nUse SECRET\n\nand ![[x]]\n", task)
    assert is_as_written(f"---\n{more}---\nUse [redacted:known-value]\n\nand ![[x]]\n", hidden)
    assert not is_as_written(f"---\n{more}---\nUse [redacted:known-value]\n\n", hidden)
    assert not is_as_written(f"---\n{more}---\nUse [redacted:known-value]\n\nand ![[x]]\n<b>\n", hidden)
