"""What the files say that a run leaves behind, whatever the task was. No watcher takes part in these."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.e2e.support import House

BAD_HEADERS = {
    "unknown-word": ("---\nstatus: open\npriority: hgih\n---\nWrite 1 to memory/1.txt\n", 3, "priority"),
    "unknown-tier": ("---\nstatus: open\ntier: medium-rare\n---\nWrite 1 to memory/2.txt\n", 3, "tier"),
    "bad-date": ("---\nstatus: open\nnot_before: someday\n---\nWrite 1 to memory/3.txt\n", 3, "not_before"),
    "bad-limit": ("---\nstatus: open\ntimeout: soonish\n---\nWrite 1 to memory/4.txt\n", 3, "timeout"),
    "bad-money": ("---\nstatus: open\nbudget_usd: lots\n---\nWrite 1 to memory/5.txt\n", 3, "budget_usd"),
    "bad-truth": ("---\nstatus: open\nprivate: maybe\n---\nWrite 1 to memory/6.txt\n", 3, "private"),
    "bad-id": ("---\nstatus: open\nid: My Task!\n---\nWrite 1 to memory/7.txt\n", 3, "id"),
    "twice": ("---\nstatus: open\npriority: high\npriority: low\n---\nWrite 1 to memory/8.txt\n", 4, "priority"),
    "unclosed": ("---\nstatus: open\npriority: high\n\nWrite 1 to memory/9.txt\n", 1, "---"),
    "anchor": ("---\nstatus: open\ntags: &a [x]\n---\nWrite 1 to memory/10.txt\n", 3, "anchor"),
    "parameter": (
        "---\nstatus: open\ntype: file\nop: write\npaht: memory/11.txt\ntext: '1'\n---\nWrite it\n", 5, "paht",
    ),
    "type": ("---\nstatus: open\ntype: sumarize\n---\nSummarize memory/x.md\n", 3, "sumarize"),
}  # fmt: skip

SECRETS = {
    "github": "ghp_" + "a1B2" * 9,
    "known": "correct-horse-battery-staple-77",
    "key": "sk-proj-" + "Zz9y" * 8,
    "url": "https://ada:hunter2secret@git.example.org/x.git",
}


OWN = ("qwen-worker", "tasks", "ledger")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, settings="[watch]\nsettle_seconds = 0.1\nsettle_open_seconds = 0.01\n")


def corrected(report: str) -> str:
    found = re.search(r"^## Corrected text\n(`{3,})text\n(.*?)\n?\1$", report, re.S | re.M)
    assert found, report
    return found[2] + "\n"


def test_w21_every_bad_header_gets_one_report_with_line_reason_and_a_corrected_text_that_runs(house: House) -> None:
    for name, (text, _, _) in BAD_HEADERS.items():
        house.drop(f"{name}.md", text)
    assert {record.status for record in house.drain()} == {"invalid"}
    head = house.git("rev-parse", "HEAD")
    for name, (_, line, word) in BAD_HEADERS.items():
        report = house.report(name)
        assert report is not None and "**Status:** ⛔ Not a task" in report, name
        assert f"(line {line} of inbox/{name}.md)" in report.replace("\\", ""), report
        assert word in report.replace("\\", ""), report
    assert house.drain() == [] and house.git("rev-parse", "HEAD") == head, "told once for each revision"
    assert len(house.reports()) == len(BAD_HEADERS) and house.memory("qwen-worker") == []
    for name in BAD_HEADERS:
        house.drop(f"{name}.md", corrected(house.report(name) or ""))
    ended = {record.source.removeprefix("inbox/").removesuffix(".md"): record.status for record in house.drain()}
    assert "invalid" not in ended.values(), [n for n, s in ended.items() if s == "invalid"]
    waiting = {path.removesuffix(".md") for path in house.inbox()}
    assert set(ended) | waiting == set(BAD_HEADERS) and waiting <= {"type"}, "a summary waits for its model"


def test_a_file_task_says_what_to_do_in_its_header_in_its_text_or_in_both_beside_the_properties_of_a_note(
    house: House,
) -> None:
    house.drop("words.md", "---\nstatus: open\ntype: file\n---\nWrite 1 to memory/words.txt\n")
    house.drop("body.md", "---\nstatus: open\ntype: file\nop: write\npath: memory/body.txt\n---\nThe body\n")
    house.drop("tags.md", "---\ntags: [a]\nstatus: open\nop: write\ntype: file\npath: memory/tags.txt\ntext: x\n---\n")
    assert [record.status for record in house.drain()] == ["done"] * 3
    written = {path.stem: path.read_text() for path in (house.root / "memory").glob("*.txt")}
    assert written == {"words": "1\n", "body": "The body\n", "tags": "x\n"}


def test_a_file_that_is_wrong_in_another_way_is_told_anew(house: House) -> None:
    house.drop("bad.md", "---\nstatus: open\npriority: hgih\n---\nWrite 1 to memory/1.txt\n")
    house.drain()
    house.drop("bad.md", "---\nstatus: open\ntier: hgih\n---\nWrite 1 to memory/1.txt\n")
    house.drain()
    assert len(house.reports()) == 2
    house.drop("bad.md", "---\nstatus: open\npriority: hgih\n---\nWrite 1 to memory/1.txt\n")
    assert house.drain() == [] and len(house.reports()) == 2


@pytest.mark.parametrize("place", ["text", "title", "file", "header"])
def test_i6_a_secret_in_a_task_is_in_no_object_no_log_and_no_report(house: House, place: str) -> None:
    house.env["DEPLOY_TOKEN"] = SECRETS["known"]
    for number, secret in enumerate(SECRETS.values()):
        if place == "text":
            house.drop(f"t{number}.md", f"---\nstatus: open\n---\nReview our deployment with {secret} in it\n")
        elif place == "title":
            house.drop(f"t{number}.md", f"---\nstatus: open\ntitle: Use {secret} now\n---\nWrite 1 to memory/a.txt\n")
        elif place == "file":
            (house.root / f"memory/note{number}.md").write_text(f"the secret is {secret}\n")
            house.drop(f"t{number}.md", f"---\nstatus: open\n---\nRead memory/note{number}.md\n")
            house.drop(f"w{number}.md", f'---\nstatus: open\n---\nWrite "{secret}" to memory/out{number}.txt\n')
        else:
            house.drop(f"t{number}.md", f"---\nstatus: open\npriority: {secret}\n---\nWrite 1 to memory/a.txt\n")
    house.drain()
    assert house.reports()
    objects = house.objects()
    for kind, secret in SECRETS.items():
        assert secret.encode() not in objects, f"{kind} in an object"
        for folder in (house.state, house.root / "outbox", *(house.root / "memory" / name for name in OWN)):
            assert not _holding(folder, secret), f"{kind} in {_holding(folder, secret)}"
    assert b"[redacted:" in objects


def _holding(folder: Path, text: str) -> list[str]:
    return [
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if text in name or text.encode() in Path(place, name).read_bytes()
    ]


ACTIVE = (
    "<% tp.system.prompt() %> <script>alert(1)</script> ![x](http://evil.example/p.png) ![[secret]] `$= dv.pages()` "
    "[[link]] [go](obsidian://open) <img src=x> {{title}} %%hidden%% <iframe src=http://x></iframe>\n\n"
    "```dataviewjs\ndv.x()\n```\n\n## Action Required\n- [x] forged\n\n---\nstatus: done\n---\n> [!note]- callout\n"
)


@pytest.mark.parametrize("header", ["", "model: lead\n", "priority: hgih\n", "type: ask\nmodel: none\n"])
def test_i8_nothing_active_from_a_task_reaches_a_written_file(house: House, header: str) -> None:
    house.drop("act.md", f'---\nstatus: open\ntitle: "{ACTIVE.splitlines()[0][:100]}"\n{header}---\n{ACTIVE}')
    house.drain()
    written = [*(house.root / "outbox").rglob("*.md"), *house.memory("qwen-worker")]
    assert written
    for path in written:
        text = path.read_text("utf-8")
        assert "<%" not in text, path
        outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.S | re.M)
        body = outside.split("\n---\n", 1)[1]
        plain = re.sub(r"\\.", "", body.replace("[[outbox/handoffs/", ""))
        for sign in ("<script", "<img", "<iframe", "![", "[[", "](", "{{", "%%", "`$", "```"):
            assert sign not in plain, f"{sign} in {path}"
        assert plain.count("\n## Action Required\n") <= 1 and "obsidian://" not in plain


def test_a_file_that_only_lingers_after_its_outcome_is_removed_and_not_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "---\nstatus: open\n---\nAppend `x` to memory/log.md\n"
    house.drop("stale.md", text)
    with monkeypatch.context() as ahead:
        ahead.setattr("agent.clock._SKEW", 60.0)  # so that it ends after the file below comes, however slow this is
        house.drain()
    stale = house.drop("stale.md", text)  # as in a clone that was behind, and now got the outcome
    (finished,) = house.memory("tasks")
    later = stale.stat().st_ctime_ns + 10**9
    os.utime(finished, ns=(later, later))
    assert house.drain() == []
    assert not stale.exists() and (house.root / "memory/log.md").read_text() == "x\n"
    assert house.git("status", "--porcelain") == ""


def test_a_private_task_that_no_code_can_do_is_left_for_review_and_stays_here(house: House) -> None:
    house.drop("own.md", "---\nstatus: open\nprivate: true\n---\nRedesign the ZEBRA parser from scratch\n")
    (record,) = house.drain()
    assert record.status == "needs-review"
    assert not list((house.root / "outbox/handoffs").glob("*.md"))
    assert "stays here" in (house.report("own") or "")
