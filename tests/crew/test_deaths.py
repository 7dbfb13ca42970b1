"""Worker processes that hang, are killed, or kill themselves: nothing is lost, nothing survives its desk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.crew.child import Child
from agent.crew.hand import Hand
from tests.crew.support import House, alive, make_house
from tests.support import wait_for


@pytest.fixture
def house(tmp_path: Path) -> House:
    return make_house(tmp_path)


@pytest.mark.parametrize("act", ["spin", "stick"])
def test_s28_a_task_that_hangs_is_killed_at_its_limit_with_all_it_started_and_the_others_go_on(
    house: House, act: str
) -> None:
    house.act("hangs", act, header="timeout: 1\n")
    for n in range(4):
        house.append(f"n{n}", f"line {n}", f"memory/{n}.md")
    with house.crew():
        wait_for(lambda: len(house.ends()) == 5, what="all five to end")
        (pid, grandchild) = house.begun("hangs")[0]
        assert not alive(pid)
        assert not (grandchild and alive(grandchild))
    assert house.ends() == {"hangs": ("failed", 1), **{f"n{n}": ("done", 1) for n in range(4)}}
    report = next(text for name, text in house.vault.reports().items() if name.startswith("hangs"))
    assert "the time limit of 1 s passed, and the run did not end by itself" in report
    house.vault.check()


def test_q10_a_worker_process_that_is_killed_comes_back_its_task_runs_again_and_the_queue_loses_nothing(
    house: House,
) -> None:
    house.act("a", "sleep")
    with house.crew():
        first, _ = wait_for(lambda: house.begun("a"))[0]
        for n in range(5):
            house.act(f"n{n}", "tell")
        os.kill(first, signal.SIGKILL)
        second, _ = wait_for(lambda: house.begun("a")[1:], what="a second life of the task")[0]
        assert second != first
        (house.place / "go").touch()
        wait_for(lambda: len(house.ends()) == 6, what="all to end")
    assert house.ends() == {"a": ("done", 2), **{f"n{n}": ("done", 1) for n in range(5)}}
    assert set(house.vault.outcomes().values()) == {1}
    house.vault.check()


def test_q10_what_waits_in_line_behind_a_task_whose_process_dies_is_sent_to_the_next_one(house: House) -> None:
    """Quick tasks come first, so that the others are sent ahead of their turn."""
    names = [*(f"quick{n}" for n in range(6)), "poison", *(f"behind{n}" for n in range(6))]
    for name in names:
        house.act(name, "shot" if name == "poison" else "tell")
    with house.crew():
        wait_for(lambda: len(house.ends()) == len(names), what="all to end")
    assert house.ends() == {name: ("failed", 4) if name == "poison" else ("done", 1) for name in names}
    assert all(len(house.begun(name)) == (3 if name == "poison" else 1) for name in names)


@pytest.mark.parametrize("act", ["shot", "segfault", "leave"])
def test_q10_a_task_that_kills_its_process_is_given_up_after_three_times_and_the_others_go_on(
    house: House, act: str
) -> None:
    house.act("poison", act, header="priority: critical\n")
    for n in range(5):
        house.append(f"n{n}", f"line {n}", f"memory/{n}.md")
    with house.crew() as desk:
        wait_for(lambda: len(house.ends()) == 6, what="all to end")
        assert desk.poll() is None, "the desk lives on"
    assert house.ends() == {"poison": ("failed", 4), **{f"n{n}": ("done", 1) for n in range(5)}}
    assert len(house.begun("poison")) == 3
    report = next(text for name, text in house.vault.reports().items() if name.startswith("poison"))
    assert "brought the worker down 3 times" in report
    assert set(house.vault.outcomes().values()) == {1}
    if act == "segfault":
        assert "Segmentation fault" in (house.vault.state / "workers.log").read_text()
    house.vault.check()


def test_processes_that_keep_dying_are_counted_for_an_hour() -> None:
    def dead() -> Child:
        raise OSError("no process numbers left")

    hand = Hand("w1", dead, 60.0)
    now = time.monotonic()
    for ago in (4000.0, 100.0, 50.0):
        assert not hand.start(now - ago)
    assert hand.post.deaths == 2


@pytest.mark.parametrize("act", ["hoard", "flood"])
def test_s28_a_task_that_takes_memory_or_disk_without_end_is_refused_it_and_fails_alone(house: House, act: str) -> None:
    house.act("greedy", act)
    house.append("n", "line", "memory/n.md")
    with house.crew():
        wait_for(lambda: len(house.ends()) == 2, what="both to end")
    assert {name: end[0] for name, end in house.ends().items()} == {"greedy": "failed", "n": "done"}
    report = next(text for name, text in house.vault.reports().items() if name.startswith("greedy"))
    assert "were given" not in report and ("Cannot allocate memory" in report or "File too large" in report)
    assert not (house.place / "flood").exists() or (house.place / "flood").stat().st_size == 0


POISONED = Path(__file__).parents[1] / "crash" / "poisoned.py"


def test_q10_a_real_type_that_kills_its_worker_process_is_given_up_by_a_desk_that_lives_on(house: House) -> None:
    house.vault.drop("poison.md", "---\ntype: status\n---\nPOISON\n")
    house.vault.drop("b.md", "Write 2 to memory/b.md\n")
    desk = subprocess.Popen(
        [sys.executable, str(POISONED), "child", "run"], cwd=house.vault.root, env=house.vault.env,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: len(house.ends()) == 2, what="both to end")
        assert desk.poll() is None
    finally:
        desk.terminate()
        assert desk.wait(20) == 0
    assert house.ends() == {"poison": ("failed", 4), "b": ("done", 1)}


@pytest.mark.parametrize("act", ["spin", "stick", "sleep"])
def test_i9_no_process_survives_a_desk_that_is_killed(house: House, act: str) -> None:
    house.act("a", act)
    with house.crew() as desk:
        pid, grandchild = wait_for(lambda: house.begun("a"))[0]
        assert house.children(desk.pid) == [pid]
        desk.kill()
        desk.wait()
        wait_for(lambda: not alive(pid), what="the worker process to end")
        if grandchild:
            wait_for(lambda: not alive(grandchild), what="what it started to end")
    wait_for(lambda: not house.vault.processes(), what="all to end")
    assert [row["state"] for row in house.status()] == ["STOPPED"]


def test_i9_a_worker_process_without_a_desk_does_not_begin(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent.crew.program", "1"], input=b"", capture_output=True, timeout=30,
        start_new_session=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == b""


def test_what_a_handler_prints_does_not_disturb_the_messages(house: House) -> None:
    house.act("a", "shout")
    house.act("b", "shout")
    with house.crew():
        wait_for(lambda: len(house.ends()) == 2)
    assert house.ends() == {"a": ("done", 1), "b": ("done", 1)}
    assert "not a message" in (house.vault.state / "workers.log").read_text()
