"""A crew at work: side by side, one view of the vault, names, states, and the end of a day."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.crew.support import House, alive, make_house
from tests.support import wait_for


@pytest.fixture
def house(tmp_path: Path) -> House:
    return make_house(tmp_path)


def test_c11_three_workers_run_three_tasks_at_once_each_in_a_process_of_its_own(house: House) -> None:
    with house.crew("--workers", "3") as desk:
        for n in range(3):
            house.act(f"meet{n}", "meet", wanted=3)
        wait_for(lambda: len(house.ends()) == 3, what="all three to end")
        pids = {house.begun(f"meet{n}")[0][0] for n in range(3)}
        assert len(pids) == 3
        assert pids == set(house.children(desk.pid))
    lines = house.vault.ledger()
    assert {line["worker"] for line in lines} == {"w1-1", "w1-2", "w1-3"}
    for line in lines:
        assert line["status"] == "done"
        (segment,) = (house.vault.root / "memory/ledger").glob(f"{line['worker']}-2*.jsonl")
        assert segment.read_text().count("\n") == 1
        assert f"worker: {line['worker']}\n" in house.vault.reports()[line["task"]]
        (task,) = (house.vault.root / "memory/tasks").rglob(f"{line['task']}.md")
        assert f"worker: {line['worker']}\n" in task.read_text()
    said = house.vault.git("log", "--format=%(trailers:key=Gofer-Worker,valueonly)").split()
    assert sorted(said) == ["w1-1", "w1-2", "w1-3"]
    house.vault.check()


def test_run_once_takes_several_workers_too(house: House) -> None:
    for n in range(12):
        house.vault.drop(f"t{n}.md", f"Write {n} to memory/{n}.md\n")
    done = house.vault.gofer("run", "--once", "--json", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert len(house.vault.outcomes()) == 12
    assert {line["worker"] for line in house.vault.ledger()} == {"w1-1", "w1-2"}
    house.vault.check()


def test_a_slow_task_holds_nothing_up_but_its_own_worker(house: House) -> None:
    house.act("slow", "sleep")
    with house.crew("--workers", "2"):
        wait_for(lambda: house.begun("slow"))
        for n in range(20):
            house.append(f"n{n}", "x", f"memory/{n}.md")
        wait_for(lambda: len(house.ends()) == 20, what="the others to end")
        (house.place / "go").touch()
        wait_for(lambda: len(house.ends()) == 21)


def test_an_urgent_task_that_comes_late_overtakes_those_that_wait_for_their_turn(house: House) -> None:
    house.act("slow", "sleep")
    with house.crew():
        wait_for(lambda: house.begun("slow"))
        for n in range(5):
            house.act(f"n{n}", "tell")
        wait_for(lambda: len(house.board().get("running", [])) == 6, what="the others to wait in line")
        house.act("urgent", "tell", header="priority: critical\n")
        wait_for(lambda: len(house.board().get("running", [])) == 7)
        (house.place / "go").touch()
        wait_for(lambda: len(house.ends()) == 7)
    order = sorted(house.place.glob("*.*"), key=lambda path: path.stat().st_mtime_ns)
    names = [path.stem for path in order if path.stem not in ("said", "go")]
    assert names[:2] == ["slow", "urgent"]


@pytest.mark.parametrize("workers", [1, 3])
def test_two_appends_to_one_file_in_one_burst_land_both_each_once(house: House, workers: int) -> None:
    for n in range(12):
        house.append(f"n{n:02}", f"line {n}")
    with house.crew("--workers", str(workers)):
        wait_for(lambda: len(house.ends()) == 12, what="all to end")
    lines = (house.vault.root / "memory/log.md").read_text().splitlines()
    assert sorted(lines) == sorted(f"line {n}" for n in range(12))
    if workers == 1:
        assert lines == [f"line {n}" for n in range(12)]
        assert set(house.ends().values()) == {("done", 1)}
        logs = [path.read_text() for path in (house.vault.state / "runs").rglob("run.log")]
        assert [log.count("attempt ") for log in logs] == [1] * 12, "none was run twice"
    house.vault.check()


def test_an_append_sees_what_the_person_wrote_between_two_bursts(house: House) -> None:
    log = house.vault.root / "memory/log.md"
    with house.crew():
        house.append("a", "one")
        wait_for(lambda: len(house.ends()) == 1)
        log.write_text(log.read_text() + "mine\n")
        house.append("b", "two")
        wait_for(lambda: len(house.ends()) == 2)
    assert log.read_text() == "one\nmine\ntwo\n"
    assert house.ends()["b"] == ("done", 1)


def test_c10_the_states_of_a_worker_are_seen_in_status(house: House) -> None:
    with house.crew() as desk:
        wait_for(lambda: house.states() == ["IDLE"])
        assert house.status()[0]["pid"] is None
        house.act("a", "sleep")
        wait_for(lambda: house.states() == ["CLAIMED"])
        (row,) = house.status()
        ((pid, _),) = house.begun("a")
        assert (row["name"], row["pid"], row["local"]) == ("w1", pid, True)
        assert row["task"].startswith("a-")
        assert row["since"].endswith("Z")
        shown = house.vault.gofer("status").stdout
        assert f"Worker   w1: CLAIMED since {row['since']}, {row['task']}" in shown
        (house.place / "go").touch()
        wait_for(lambda: house.states() == ["READY"])
        assert house.children(desk.pid) == [pid]
        (house.vault.root / "STOP").touch()
        house.act("b", "tell")
        wait_for(lambda: house.states() == ["STOPPED"])
        (house.vault.root / "STOP").unlink()
        wait_for(lambda: "b" in house.ends(), seconds=70)
    assert house.states() == ["STOPPED"]
    assert "none runs in this clone" in house.vault.gofer("status").stdout


def test_c10_a_worker_whose_process_dies_again_and_again_is_restarting(house: House) -> None:
    house.act("poison", "leave")
    with house.crew():
        wait_for(lambda: house.states() == ["RESTARTING"])
        wait_for(house.ends)


def test_c15_a_process_without_work_is_ended_and_the_next_task_starts_one(tmp_path: Path) -> None:
    house = make_house(tmp_path, idle=0.5)
    with house.crew() as desk:
        house.act("a", "tell")
        wait_for(house.ends)
        ((pid, _),) = house.begun("a")
        wait_for(lambda: not house.children(desk.pid), what="the idle process to end")
        wait_for(lambda: house.states() == ["IDLE"])
        house.act("b", "tell")
        wait_for(lambda: len(house.ends()) == 2)
        assert house.begun("b")[0][0] != pid
    house.vault.check()


def test_a_cancelled_run_ends_in_its_process_and_the_process_goes_on(house: House) -> None:
    with house.crew():
        house.act("a", "sleep")
        ((pid, _),) = wait_for(lambda: house.begun("a"))
        wait_for(lambda: house.states() == ["CLAIMED"])
        assert house.vault.gofer("cancel", house.status()[0]["task"]).returncode == 0
        wait_for(lambda: house.ends().get("a") == ("cancelled", 1))
        house.act("b", "tell")
        wait_for(lambda: "b" in house.ends())
        assert house.begun("b")[0][0] == pid


def test_no_workers_start_nothing(house: House) -> None:
    house.act("a", "tell")
    with house.crew("--workers", "0") as desk:
        assert house.board()["workers"] == []
        desk.send_signal(signal.SIGTERM)
        assert desk.wait(20) == 0
    assert house.begun("a") == []
    assert house.vault.inbox() == ["a.md"]


def test_q21_a_desk_that_is_told_to_end_lets_a_running_task_finish_and_publishes_it(house: House) -> None:
    house.act("a", "sleep", header="priority: critical\n")
    with house.crew() as desk:
        wait_for(lambda: house.begun("a"))
        wait_for(lambda: house.states() == ["CLAIMED"])
        desk.send_signal(signal.SIGTERM)
        house.act("late", "tell")
        (house.place / "go").touch()
        assert desk.wait(20) == 0
    assert house.ends() == {"a": ("done", 1)}
    assert house.vault.inbox() == ["late.md"]
    assert house.vault.git("status", "--porcelain", "-uall", "--", "outbox", "memory") == ""
    house.vault.check()


def test_q21_what_does_not_end_in_time_is_handed_back_at_no_cost(tmp_path: Path) -> None:
    house = make_house(tmp_path, stop=0.5)
    house.act("a", "sleep", header="priority: critical\n")
    for n in range(40):
        house.act(f"n{n}", "tell")
    with house.crew() as desk:
        pid, _ = wait_for(lambda: house.begun("a"))[0]
        wait_for(lambda: house.states() == ["CLAIMED"])
        desk.send_signal(signal.SIGTERM)
        assert desk.wait(20) == 0
    assert not alive(pid)
    assert house.ends() == {}
    assert len(house.vault.inbox()) == 41
    assert list((house.vault.state / "claims").iterdir()) == []
    house.vault.check()
    (house.place / "go").touch()
    with house.crew():
        wait_for(lambda: len(house.ends()) == 41)
    assert set(house.ends().values()) == {("done", 1)}, "no attempt was counted"


def test_q21_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    house = make_house(tmp_path, stop=3600)
    house.act("a", "spin")
    with house.crew() as desk:
        pid, grandchild = wait_for(lambda: house.begun("a"))[0]
        desk.send_signal(signal.SIGINT)

        def ended() -> bool:
            """Two that come at once count as one, so the second is repeated. One that comes while Python itself ends
            meets the system's own handler, which ends it by the signal."""
            try:
                assert desk.wait(0.5) in (130, -signal.SIGINT)
                return True
            except subprocess.TimeoutExpired:
                desk.send_signal(signal.SIGINT)
                return False

        wait_for(ended, seconds=60)
    wait_for(lambda: not alive(pid) and not alive(grandchild))
    assert house.vault.inbox() == ["a.md"]
