"""A file is dropped into the inbox of a vault where a worker runs: what comes of it."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

from tests.e2e.support import House, eventually


def test_a_file_dropped_by_a_shell_becomes_report_memory_ledger_and_one_commit(house: House) -> None:
    before = house.git("rev-list", "--count", "HEAD").strip()
    with house.worker():
        subprocess.run('echo "Write 42 to memory/test.txt" > inbox/answer.md', shell=True, cwd=house.root, check=True)
        eventually(lambda: not house.inbox(), what="the task left the inbox")
    (task,) = house.reports()
    assert (house.root / "memory/test.txt").read_text() == "42\n"
    assert house.header("answer")["status"] == "done"
    (kept,) = house.memory("qwen-worker")
    assert kept.read_text("utf-8") == house.report("answer")
    (finished,) = house.memory("tasks")
    assert finished.stem == task and "Write 42 to memory/test.txt" in finished.read_text("utf-8")
    (line,) = house.ledger()
    assert (line["task"], line["status"], line["tier"]) == (task, "done", "trivial")
    assert int(house.git("rev-list", "--count", "HEAD")) == int(before) + 1
    message = house.git("log", "-1", "--format=%B")
    assert message.startswith(f"gofer: done {task}\n\nGofer-Task: {task}\nGofer-Status: done\nGofer-Worker: ")
    changed = house.git("show", "--name-only", "--format=", "HEAD").split()
    shown = {str(path.relative_to(house.root)) for path in (kept, finished)}
    assert {f"outbox/{task}.md", "memory/test.txt", *shown} < set(changed)
    assert house.git("status", "--porcelain") == ""
    assert "fatal" not in house.git("fsck", "--strict")


def test_every_way_to_end_has_its_status_line_and_the_same_word_everywhere(house: House) -> None:
    tasks = {
        "done": ("write.md", "---\nstatus: open\n---\nWrite 42 to memory/test.txt\n", "✅ Complete"),
        "handed-off": (
            "review.md",
            "---\nstatus: open\n---\nReview PR #214 and leave substantive comments\n",
            "➡️ Handed off",
        ),
        "needs-review": (
            "secretive.md",
            "---\nstatus: open\nprivate: true\nmodel: lead\n---\nRedesign our parser\n",
            "⚠️ Needs review",
        ),
        "failed": (
            "cheap.md",
            "---\nstatus: open\nmodel: none\ntype: ask\n---\nWhat is the capital of Peru?\n",
            "❌ Failed",
        ),
        "cancelled": (
            "later.md",
            "---\nstatus: open\nnot_before: 2999-01-01\n---\nWrite 1 to memory/b.txt\n",
            "🚫 Cancelled",
        ),
        "invalid": ("broken.md", "---\nstatus: open\npriority: hgih\n---\nWrite 1 to memory/c.txt\n", "⛔ Not a task"),
    }  # fmt: skip
    with house.worker():
        for name, text, _ in tasks.values():
            house.drop(name, text)
        waiting = eventually(lambda: next((i for i in house.data("list") if i["state"] == "waiting"), None))
        assert waiting["reason"] == "not before 2999-01-01T00:00:00Z"
        assert house.gofer("cancel", waiting["id"]).returncode == 0
        eventually(lambda: len(house.reports()) == len(tasks), what="all six have a report")
        eventually(lambda: house.inbox() == ["broken.md"], what="the others left the inbox")
    said = {line["status"] for line in house.ledger()}
    assert said == set(tasks) - {"invalid"}
    kept = {path.read_text("utf-8") for path in house.memory("qwen-worker")}
    for word, (name, _, line) in tasks.items():
        report = house.report(name.removesuffix(".md"))
        assert report is not None and f"**Status:** {line}\n" in report
        assert house.header(name.removesuffix(".md"))["status"] == word
        assert (report in kept) == (word != "invalid"), f"{word} in memory"
        assert f"Gofer-Status: {word}" in house.git("log", "--format=%B")
        for heading in ("## Findings", "## Action Required", "## Raw Data"):
            assert f"\n{heading}\n" in report
    (handoff,) = (house.root / "outbox/handoffs").glob("*.md")
    assert "Review PR #214" in handoff.read_text("utf-8")
    assert "parser" not in "".join(p.read_text("utf-8") for p in (house.root / "outbox/handoffs").iterdir())


def test_the_same_text_dropped_again_runs_again_as_the_next_instance(house: House) -> None:
    text = "---\nstatus: open\n---\nAppend `x` to memory/log.md\n"
    with house.worker():
        for number in (1, 2, 3):
            house.drop("again.md", text)
            eventually(lambda n=number: len(house.memory("tasks")) == n and not house.inbox())
    first, *others = sorted(path.stem for path in house.memory("tasks"))
    assert others == [f"{first}-2", f"{first}-3"]
    assert (house.root / "memory/log.md").read_text() == "x\nx\nx\n"
    assert len(house.memory("qwen-worker")) == 3
    assert [line["task"] for line in house.ledger()] == [first, *others]


def test_a_task_that_depends_on_another_starts_when_that_is_done_and_never_after_a_failure(house: House) -> None:
    with house.worker():
        house.drop("second.md", "---\nstatus: open\nafter: first\n---\nAppend `two` to memory/order.md\n")
        house.drop("third.md", "---\nstatus: open\nafter: [[broken-leg]]\n---\nAppend `three` to memory/order.md\n")
        eventually(lambda: house.waits("second.md") == "waits for first")
        house.drop("first.md", "---\nstatus: open\n---\nAppend `one` to memory/order.md\n")
        eventually(lambda: house.report("second"))
        house.drop("broken-leg.md", "---\nstatus: open\n---\nRead memory/nowhere.md\n")
        eventually(lambda: "which ended failed" in house.waits("third.md"))
    assert (house.root / "memory/order.md").read_text() == "one\ntwo\n"
    assert house.inbox() == ["third.md"]


def test_a_task_that_is_not_due_or_needs_more_than_this_worker_offers_waits_with_the_reason(house: House) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=3)
    with house.worker():
        house.drop("gpu.md", "---\nstatus: open\nneeds: [gpu, lan]\n---\nWrite 1 to memory/a.txt\n")
        house.drop(
            "soon.md", f"---\nstatus: open\nnot_before: {soon:%Y-%m-%d %H:%M:%S}\n---\nWrite 1 to memory/b.txt\n"
        )
        house.drop("past.md", "---\nstatus: open\nscheduled: 2020-01-01\n---\nWrite 1 to memory/c.txt\n")
        eventually(lambda: house.report("past"))
        eventually(lambda: house.waits("gpu.md") == "needs gpu, lan, which this worker does not offer")
        eventually(lambda: house.waits("soon.md").startswith("not before "))
        eventually(lambda: house.report("soon"), what="it starts by itself when it is due")
    assert house.header("soon")["started"] >= f"{soon:%Y-%m-%dT%H:%M:%S}"
    assert house.inbox() == ["gpu.md"]


def test_a_second_file_with_an_id_that_waits_is_told_and_runs_when_it_gets_its_own(house: House) -> None:
    with house.worker():
        house.drop("one.md", "---\nstatus: open\nid: same\nnot_before: 2999-01-01\n---\nWrite 1 to memory/a.txt\n")
        eventually(lambda: house.waits("one.md"))
        house.drop("two.md", "---\nstatus: open\nid: same\n---\nWrite 2 to memory/b.txt\n")
        eventually(lambda: "in use by inbox/one.md" in (house.report("two") or ""))
        house.drop("two.md", "---\nstatus: open\nid: other\n---\nWrite 2 to memory/b.txt\n")
        eventually((house.root / "outbox/other.md").exists)
    assert house.inbox() == ["one.md"]
