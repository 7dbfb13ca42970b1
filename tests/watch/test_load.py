"""The worker's loop in this process: edits during a run, rest, and more tasks than fit one look."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import worker
from agent.desk import Desk, Tick
from agent.models.base import Answer, Health, Request, Stop, never
from agent.models.fake import FakeModel
from agent.road import road
from agent.watch import Bell
from tests.e2e.support import House, eventually


class Held(FakeModel):
    """A fake model that answers when it is told to."""

    def __init__(self, *script: dict[str, object]) -> None:
        super().__init__(*script)
        self.asked, self.go = threading.Event(), threading.Event()

    def ask(self, request: Request, *, stop: Stop = never) -> Answer:
        self.asked.set()
        assert self.go.wait(20)
        return super().ask(request, stop=stop)

    def health(self, model: str) -> Health:
        return Health(True, self.provider, "scripted", models=(model,))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@contextmanager
def working(house: House, model: FakeModel | None = None, *, events: bool = True) -> Iterator[list[Tick]]:
    """A worker in a thread of this process; yields the ticks it has made."""
    ticks: list[Tick] = []
    bell, end = Bell(), threading.Event()
    thread = threading.Thread(
        target=worker.run, args=(house.root, house.env, end.is_set),
        kwargs={"bell": bell, "events": events, "model": model, "on_tick": lambda _, tick: ticks.append(tick)},
    )  # fmt: skip
    thread.start()
    try:
        eventually(lambda: ticks or not thread.is_alive())
        yield ticks
        assert thread.is_alive()
    finally:
        end.set()
        bell.ring()
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("events", [True, False])
def test_w11_a_task_that_is_edited_during_its_run_is_pinned_and_the_edit_runs_as_a_new_one(
    house: House, events: bool
) -> None:
    answer = {"answer": "Lima.", "known": True, "confidence": 0.9}
    model = Held(answer, {**answer, "answer": "Quito."})
    first = "---\nstatus: open\n---\nWhat is the capital of Peru?\n"
    second = first.replace("Peru", "Ecuador")
    house.drop("q.md", first)
    with working(house, model, events=events):
        assert model.asked.wait(10)
        house.drop("q.md", second)
        model.go.set()
        eventually(lambda: len(house.memory("tasks")) == 2 and not house.inbox())
    kept = {path.read_text("utf-8").rpartition("---\n")[2] for path in house.memory("tasks")}
    assert kept == {"What is the capital of Peru?\n", "What is the capital of Ecuador?\n"}
    assert ["Peru" in request.prompt for request in model.history] == [True, False]
    revisions = {path.stem: path.read_text("utf-8") for path in (house.root / "outbox").glob("*.md")}
    assert len(revisions) == 2 and len({text.partition("\nrevision: ")[2][:12] for text in revisions.values()}) == 2


def test_w11_a_task_that_is_deleted_during_its_run_is_reported_all_the_same(house: House) -> None:
    model = Held({"answer": "Lima.", "known": True, "confidence": 0.9})
    path = house.drop("q.md", "---\nstatus: open\n---\nWhat is the capital of Peru?\n")
    with working(house, model):
        assert model.asked.wait(10)
        path.unlink()
        model.go.set()
        eventually(lambda: house.report("q"))
        eventually(lambda: house.git("status", "--porcelain") == "")
    assert len(house.ledger()) == 1


@pytest.mark.parametrize("marked", ["status: open\n", ""])
def test_w18_a_worker_at_rest_makes_no_ticks_and_starts_no_git(house: House, marked: str) -> None:
    house.drop("a.md", f"---\n{marked}title: A\n---\nWrite 42 to memory/a.txt\n")
    house.drop("wait.md", "---\nstatus: open\nnot_before: 2999-01-01\n---\nWrite 42 to memory/b.txt\n")
    house.drop("bad.md", "---\nstatus: open\npriority: hgih\n---\nWrite 42 to memory/b.txt\n")
    with working(house) as ticks:
        eventually(lambda: len(house.reports()) == 2 and house.inbox() == ["bad.md", "wait.md"])
        still = time.monotonic() + 1.0
        eventually(lambda: time.monotonic() > still)
        before, head = len(ticks), house.git("rev-parse", "HEAD")
        window = time.monotonic() + 2.0
        eventually(lambda: time.monotonic() > window)
        assert len(ticks) - before <= 1, "own writes and own reading wake nobody"
        assert house.git("rev-parse", "HEAD") == head
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in children if Path(f"/proc/{pid}").exists()]
        assert "git" not in names


def test_w23_many_tasks_go_oldest_first_and_a_critical_heartbeat_that_comes_late_is_next(house: House) -> None:
    count = 300
    for number in range(count):
        path = house.drop(f"t{number}.md", f"---\nstatus: open\n---\nWrite {number} to memory/{number}.txt\n")
        os.utime(path, (1_700_000_000 + count - number,) * 2)  # the last one dropped is the oldest
    dropped = time.monotonic()
    desk = Desk(house.root, house.env)
    try:
        eventually(lambda: time.monotonic() - dropped > 0.5, what="all have settled, and git is quiet")
        first = [record.source for record in road(desk, datetime.now(UTC)).published]
        assert first == [f"inbox/t{number}.md" for number in range(count - 1, count - 257, -1)], "256, the oldest first"
        house.drop("beat.md", "---\nstatus: open\npriority: critical\ntype: heartbeat\n---\nBeat\n")
        dropped = time.monotonic()
        eventually(lambda: time.monotonic() - dropped > 0.5)
        late = [record.source for record in road(desk, datetime.now(UTC)).published]
        assert late[0] == "inbox/beat.md" and len(late) == count - 256 + 1
    finally:
        desk.close()
    assert len(house.ledger()) == count + 1 and house.inbox() == []
