"""A rate for each host, among all threads and processes of a machine."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.errors import ServerAway, TimeUp
from agent.web.pace import Pace
from tests.web.conftest import Opener
from tests.web.server import Server, redirect, say

ROOT = Path(__file__).parent.parent.parent


def nothing() -> None:
    pass


class Clock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def taken(pace: Pace, rate: float, times: int, *, host: str = "a:80", patience: float = 0.0) -> int:
    """How many of so many turns are given at once."""
    given = 0
    for _ in range(times):
        try:
            pace.wait(host, rate, patience=patience, check=nothing, where="http://a/")
        except ServerAway:
            break
        given += 1
    return given


def test_a_minute_holds_so_many_turns(tmp_path: Path) -> None:
    clock = Clock()
    pace = Pace(tmp_path, clock)
    assert taken(pace, 5, 10) == 5
    clock.now += 59.9
    assert taken(pace, 5, 10) == 0
    clock.now += 0.2
    assert taken(pace, 5, 10) == 5


def test_the_turns_are_counted_in_any_minute_not_in_those_of_the_clock(tmp_path: Path) -> None:
    clock = Clock()
    pace = Pace(tmp_path, clock)
    assert taken(pace, 5, 2) == 2
    clock.now += 40
    assert taken(pace, 5, 9) == 3
    clock.now += 30
    assert taken(pace, 5, 9) == 2


def test_a_rate_below_one_is_one_turn_in_so_many_minutes(tmp_path: Path) -> None:
    clock = Clock()
    pace = Pace(tmp_path, clock)
    assert taken(pace, 0.5, 3) == 1
    clock.now += 119
    assert taken(pace, 0.5, 3) == 0
    clock.now += 2
    assert taken(pace, 0.5, 3) == 1


def test_each_host_and_port_has_a_rate_of_its_own(tmp_path: Path) -> None:
    pace = Pace(tmp_path, Clock())
    assert [taken(pace, 2, 9, host=host) for host in ("a:80", "a:443", "b:80", "a:80")] == [2, 2, 2, 0]


def test_a_turn_that_comes_too_late_is_told_at_once_with_its_time(tmp_path: Path) -> None:
    pace = Pace(tmp_path, Clock())
    assert taken(pace, 1, 1) == 1
    with pytest.raises(ServerAway, match="too late for this run") as told:
        pace.wait("a:80", 1, patience=59, check=nothing, where="http://a/")
    assert told.value.retry_after == pytest.approx(60, abs=0.01)
    assert '[network.hosts."a:80"]' in told.value.fix


def test_a_run_that_waits_for_its_turn_can_be_cancelled(tmp_path: Path) -> None:
    pace, looks = Pace(tmp_path), iter(range(3))

    def check() -> None:
        if next(looks, None) is None:
            raise TimeUp("the run was cancelled")

    assert taken(pace, 1, 1) == 1
    with pytest.raises(TimeUp):
        pace.wait("a:80", 1, patience=600, check=check, where="http://a/")


def test_a_clock_that_was_wrong_blocks_nobody(tmp_path: Path) -> None:
    clock = Clock()
    pace = Pace(tmp_path, clock)
    assert taken(pace, 1, 1) == 1
    clock.now -= 86_400
    assert taken(pace, 1, 2) == 1


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\x00", b"abc 1", b"a b c d\n1 2\n\n", b"x nan nan\n" * 5])
def test_a_file_that_is_damaged_starts_anew(tmp_path: Path, damage: bytes) -> None:
    clock = Clock()
    assert taken(Pace(tmp_path, clock), 2, 1) == 1
    for path in tmp_path.iterdir():
        path.write_bytes(damage)
    assert taken(Pace(tmp_path, clock), 2, 9) == 2


def test_the_files_do_not_grow_with_time_or_hosts(tmp_path: Path) -> None:
    clock = Clock()
    pace = Pace(tmp_path, clock)
    for number in range(2000):
        clock.now += 1
        taken(pace, 60, 1, host=f"host-{number}:443")
    assert len(list(tmp_path.iterdir())) <= 256
    assert sum(len(path.read_text().splitlines()) for path in tmp_path.iterdir()) < 600


def test_the_rate_holds_among_threads(tmp_path: Path) -> None:
    pace = Pace(tmp_path, Clock())
    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(lambda _: taken(pace, 30, 1), range(60))) == 30


def test_the_rate_holds_among_processes(tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.web.test_pace import taken, Pace, Clock
print(taken(Pace(Path({str(tmp_path)!r}), Clock()), 20, 15))
"""
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(process.communicate(timeout=60)[0]) for process in running) == 20


def test_the_door_keeps_the_rate_of_the_settings(opener: Opener, server: Server) -> None:
    web = opener(server.address, network={"hosts": {"127.0.0.1": {"per_minute": 3}}}, deadline=0.0)
    server.on("/", say("x"))
    assert [web.get(server.url).status for _ in range(3)] == [200] * 3
    with pytest.raises(ServerAway, match="too late for this run"):
        web.get(server.url)
    assert len(server.requests) == 3


def test_every_redirect_takes_a_turn(opener: Opener, server: Server) -> None:
    server.on("/a", redirect("/b"))
    server.on("/b", say("x"))
    web = opener(server.address, network={"per_minute": 3}, deadline=0.0)
    assert web.get(f"{server.url}/a").body == b"x"
    with pytest.raises(ServerAway):
        web.get(f"{server.url}/a")


def test_fifty_requests_of_one_run_are_on_their_way_side_by_side(opener: Opener, server: Server) -> None:
    together = threading.Barrier(50, timeout=30)

    def answer(_: object) -> object:
        together.wait()  # nobody is answered before all have asked
        return say("x")

    server.on("/", answer)  # type: ignore[arg-type]
    web = opener(server.address)
    with ThreadPoolExecutor(50) as pool:
        assert [reply.body for reply in pool.map(lambda _: web.get(server.url), range(50))] == [b"x"] * 50
