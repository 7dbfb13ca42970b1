"""How a person sees schedules: list, show, status, doctor, retry; and the facts that handlers are given."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.survey import Survey
from agent.vault.task import read_task
from tests.e2e.support import House
from tests.schedules.support import NOON, beat, desk, line, schedule
from tests.support import Vault, make_vault


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def row(house: House, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in house.data("list") if item["id"] == name)
    return found


def test_list_shows_each_schedule_with_its_next_run(house: House) -> None:
    house.drop("schedules/beat.md", beat("every: 30m"))
    house.drop("schedules/later.md", line("every: 1d\nstatus: draft"))
    house.drop("schedules/wrong.md", line("every: 1d\ncron: 0 9 * * *"))
    shown = row(house, "beat")
    assert (shown["state"], shown["type"], shown["tier"]) == ("waiting", "heartbeat", "trivial")
    assert shown["path"] == "inbox/schedules/beat.md"
    following = datetime.strptime(shown["reason"][9:25], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    assert following.minute in (0, 30) and timedelta(0) < following - datetime.now(UTC) <= timedelta(minutes=30)
    assert shown["reason"].endswith(" min)")
    assert (row(house, "later")["state"], row(house, "wrong")["state"]) == ("draft", "invalid")
    assert "next run" in house.gofer("list").stdout


def test_status_counts_no_schedule_that_only_waits_for_its_time_and_names_a_bad_one(house: House) -> None:
    house.drop("schedules/beat.md", beat("every: 30m"))
    fine = house.data("status", code=None)
    assert fine["queue"]["waiting"] == 0
    house.drop("schedules/wrong.md", line("cron: 99 9 * * *"))
    (problem,) = [p for p in house.data("status", code=1)["problems"] if "wrong.md" in p["where"]]
    assert "cron: 99 9 * * *" in problem["what"]
    checks = house.data("doctor", code=None)["checks"]
    assert any(not check["ok"] and "inbox/schedules/wrong.md" in check["detail"] for check in checks)


def test_show_and_retry_know_the_runs_of_a_schedule(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    schedule(vault, "log", line())
    with desk(vault) as worker:
        worker.at("12:30")
        worker.at("13:00")
    shown = vault.gofer("show", "log").stdout
    assert shown.startswith("log: waiting (next run ")
    assert "last: done 2030-05-06 13:00 UTC" in shown
    assert "Report  outbox/log-20300506t1300z.md" in shown
    assert "no run of it" not in vault.gofer("show", "log", "--log").stdout
    assert vault.gofer("show", "log-20300506t1230z").stdout.startswith("log-20300506t1230z: done")
    assert vault.gofer("retry", "log-20300506t1230z").returncode == 0
    assert vault.run_once()["done"] == 1
    assert (vault.root / "notes/log.md").read_text() == "tick\n" * 3


def test_the_facts_name_every_schedule_and_what_is_overdue(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    schedule(vault, "beat", beat("every: 1h"))
    schedule(vault, "log", line("every: 30m\nafter: [nothing]"))
    schedule(vault, "off", line("every: 30m\nstatus: draft"))
    with desk(vault) as worker:
        worker.at("13:00")
        worker.at("14:10")
        beat_, log = worker.desk.facts()["schedules"]
    assert beat_ == {
        "name": "beat", "path": "inbox/schedules/beat.md", "next": "2030-05-06T15:00:00Z",
        "last": beat_["last"], "overdue_s": 0, "problem": "",
    }  # fmt: skip
    assert beat_["last"].startswith("2030-05-06T14:1")
    assert log["overdue_s"] == 100 * 60
    assert log["problem"] == ""


def test_a_schedule_is_late_only_while_a_worker_looks_after_it(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    path = schedule(vault, "log", line("every: 30m\nafter: [nothing]")).relative_to(vault.root).as_posix()
    with desk(vault):
        pass
    with desk(vault, NOON + timedelta(days=1)) as worker:
        (log,) = worker.desk.facts()["schedules"]
        assert (log["overdue_s"], worker.desk.schedules.late(())) == (86_400 - 1800, {})
        worker.after(61)
        said = "the schedule log should have run at 2030-05-06 12:30 UTC, and did not"
        assert worker.desk.schedules.late(()) == worker.desk.board.read()["late"] == {path: said}


def seen_at(vault: Vault, now: datetime) -> tuple[str, Survey]:
    """What `list` says of the one schedule at a time at which no worker runs, and the survey of it."""
    survey = Survey(vault.root, vault.env, now)
    (item,) = survey.schedules
    return str(item.reason), survey


def test_a_schedule_that_nobody_runs_is_told_by_list_and_after_two_intervals_by_status(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    schedule(vault, "log", line("every: 30m"))
    never, survey = seen_at(vault, NOON + timedelta(days=1))  # a clone in which no worker ever ran
    assert never.startswith("next run") and survey.unattended() == []
    with desk(vault):
        pass
    in_time, survey = seen_at(vault, NOON.replace(minute=29, second=30))
    assert in_time == "next run 2030-05-06 12:30 UTC (in less than a minute)" and survey.unattended() == []
    due, survey = seen_at(vault, NOON.replace(minute=40))
    assert due.startswith(
        "was due 2030-05-06 12:30 UTC, and no worker runs here (gofer run); next run 2030-05-06 13:00"
    )
    assert survey.unattended() == []
    _, survey = seen_at(vault, NOON.replace(hour=13, minute=31))
    (problem,) = survey.unattended()
    assert problem == {
        "what": "the schedule log should have run at 2030-05-06 12:30 UTC, and did not: no worker runs here",
        "where": "inbox/schedules/log.md",
        "fix": "gofer run",
    }


def test_status_counts_a_run_that_is_due_and_waits(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    schedule(vault, "log", line("every: 30m\nafter: [nothing]"))
    with desk(vault) as worker:
        worker.at("12:10")
        assert json.loads(vault.gofer("status", "--json").stdout)["data"]["queue"]["waiting"] == 0
        worker.at("12:30")
        assert json.loads(vault.gofer("status", "--json").stdout)["data"]["queue"]["waiting"] == 1


def test_retry_and_cancel_of_a_schedule_say_that_they_take_a_run_of_it(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    schedule(vault, "log", line("every: 30m"))
    for verb in ("retry", "cancel"):
        done = vault.gofer(verb, "log")
        assert done.returncode != 0
        assert f"'log' is a schedule, and gofer {verb} takes one of its runs" in done.stderr
        assert "gofer show log names them" in done.stderr
    assert "no finished task" in vault.gofer("retry", "nosuch").stderr


def test_list_says_that_the_vault_is_stopped(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    schedule(vault, "log", line("every: 30m"))
    assert "Nothing starts" not in vault.gofer("list").stdout
    vault.gofer("stop")
    assert vault.gofer("list").stdout.endswith("Nothing starts: gofer stop was called here. To go on: gofer resume\n")


def test_the_shipped_schedules_are_what_they_say(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "inbox" / "schedules"
    tasks = {
        path.stem: read_task(path.read_bytes(), f"inbox/schedules/{path.name}", scheduled=True)
        for path in folder.glob("*.md")
    }
    assert tasks.keys() == {"heartbeat", "organize", "fetch-example"}
    assert [task.problem for task in tasks.values()] == [None] * 3
    assert (tasks["heartbeat"].every, tasks["heartbeat"].status) == ("30m", "open")
    assert (tasks["organize"].cron, tasks["organize"].status) == ("30 6 * * *", "open")
    assert tasks["fetch-example"].status == "draft"


def test_a_new_vault_has_them(house: House, tmp_path: Path) -> None:
    made = house.data("init", str(tmp_path / "new"))
    assert "inbox/schedules/heartbeat.md" in made["created"]
