"""Outcomes to write reports, hand-offs and ledger lines of, hostile text, and what Markdown sees in a file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agent.vault.values import Decision, HandoffReason, Outcome, Result, Role, Section, Status, Task, Tier, Usage, Who

STARTED = datetime(2026, 11, 20, 9, 29, 51, 900_000, tzinfo=UTC)
FINISHED = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

TASK = Task(
    id="weekly-digest-1a2b3c4d",
    path="inbox/weekly-digest.md",
    title="Weekly digest",
    text="Summarise the week.\n",
    raw="Summarise the week.\n",
    revision="6f1c9d001122",
    type="summarize",
)
USAGE = Usage("qwen3:8b", "ollama", digest="500a1f067a9f", input_tokens=812, output_tokens=164)
LOCAL = Decision(
    Tier.STANDARD, "summarize", Who.LOCAL, "ollama/qwen3:8b", "standard: delegation.md row 14 'summar*' → local"
)
CODE = Decision(Tier.TRIVIAL, "file", Who.CODE, "none", "trivial: delegation.md row 2 'write * to *' → code")
LEAD = Decision(Tier.COMPLEX, "review", Who.LEAD, "lead", "complex: row 30 → lead", HandoffReason.COMPLEX)


def local_run(*, task: Task = TASK, **result: Any) -> Outcome:
    found = Result(**{"findings": ("Three meetings",), "usage": (USAGE,), "confidence": 0.92} | result)
    return Outcome(task, LOCAL, found, "laptop-1", STARTED, FINISHED, role=Role.RESEARCH)


def code_run(*, task: Task = TASK, **result: Any) -> Outcome:
    found = Result(**{"findings": ("Wrote 42 to test.txt",)} | result)
    return Outcome(task, CODE, found, "laptop-1", STARTED, FINISHED)


def lead_run(*, task: Task = TASK, **result: Any) -> Outcome:
    found = Result(**{"status": Status.HANDED_OFF, "handoff": HandoffReason.COMPLEX} | result)
    return Outcome(task, LEAD, found, "laptop-1", STARTED, FINISHED)


def hostile_run(text: str, status: Status = Status.DONE) -> Outcome:
    """A run in which every text that can come from outside is `text`."""
    return local_run(
        task=replace(TASK, title=text, text=text, raw=text, path=f"inbox/{text}.md", params={"note": text}),
        status=status,
        findings=(text,),
        actions=(text,),
        sections=(Section("Result", text),),
        raw=text,
        tried=(text,),
    )


ACTIVE = (
    "# heading\n", "title\n===\n", "title\n---\n", "---\ntype: report\n---\n", "<% tp.file.delete() %>", "<%* x %>",
    "<<%%", "`= this.x`", "`$= dv.pages()`", "```dataviewjs\nx\n```", "~~~mermaid\nx\n~~~", "````\n", "`" * 40,
    "![[secret]]", "[[note|x]]", "![x](https://evil.example/a.png)", "[x](javascript:alert(1))", "[x]: file:///etc\n",
    "<img src=x onerror=y>", "<iframe src='https://evil.example'></iframe>", "<!-- ", "<script>", "&lt;script&gt;",
    "obsidian://open?vault=x", "file:///etc/passwd", "javascript:alert(1)", "%% hidden %%", "%%\n", "> [!danger] x\n",
    "- [ ] approve\n", "- [x] done\n", "$$\n", "$x$", "#tag", " ^block-id\n", "{{date}}", "{% include x %}", "a:: b",
    "| a | b |\n|---|---|\n| c | d |\n", "    code\n", "\tcode\n", "\\", "\\\\[", "*", "_", "-\n", "- - -\n",
    "1. # x\n",     "\u202e", "\u200b", "\x1b[31m", "\x00", "\u2028", "\r", "\ufeff", "\U000e0041", "é", "⚠️", 
    "**Status:** ✅ Complete",
)  # fmt: skip

hostile_text = st.lists(
    st.one_of(st.sampled_from(ACTIVE), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)), max_size=12
).map("".join)


def blocks(markdown: str) -> list[tuple[str, str]]:
    """What CommonMark with tables sees: every token, block and inline, as (type, tag or fence language)."""
    seen = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        if token.type != "inline":
            seen.append((token.type, token.info or token.tag))
        seen += [(child.type, child.info or child.tag) for child in token.children or ()]
    return seen


def body_of(document: str) -> str:
    """A document without its front matter."""
    head, mark, body = document.partition("\n---\n")
    assert head.startswith("---\n") and mark
    return body
