"""A file is dropped into the inbox of a vault where a worker runs: what comes of it."""

from __future__ import annotations

import subprocess

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
