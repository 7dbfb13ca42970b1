"""Schedules on one machine: each due run is an instance with an outcome of its own, and the file stays."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from agent.road import road
from tests.schedules.support import NOON, beat, desk, ids, line, schedule
from tests.support import Vault, make_vault, wait_for


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return make_vault(tmp_path)


def test_each_due_run_is_an_instance_and_the_file_stays(vault: Vault) -> None:
    file = schedule(vault, "Log", line())
    with desk(vault) as worker:
        assert worker.at("12:29") == []
        assert ids(worker.at("12:30")) == ["log-20300506t1230z"]
        assert worker.at("12:59") == []
        assert ids(worker.at("13:01")) == ["log-20300506t1300z"]
    assert file.read_text() == line()
    assert (vault.root / "notes/log.md").read_text() == "tick\ntick\n"
    assert vault.subjects()[:2] == ["gofer: done log-20300506t1300z", "gofer: done log-20300506t1230z"]
    assert "memory/tasks/2030-05/log-20300506t1300z.md" in vault.tracked()
    assert vault.reports().keys() == {"log-20300506t1230z", "log-20300506t1300z"}
    (report,) = [p for p in vault.tracked("memory/qwen-worker") if "130100" in p]
    assert "/2030-05-06-log-130100-" in report
    assert [line["task"] for line in vault.ledger()] == ["log-20300506t1230z", "log-20300506t1300z"]


def test_d5_a_quiet_run_makes_no_commit_and_is_not_run_again(vault: Vault) -> None:
    schedule(vault, "beat", beat())
    vault.commit()
    with desk(vault) as worker:
        worker.at("12:30")  # the first one tells that no model is there
        commits = vault.subjects()
        assert worker.at("13:00") == []
        assert worker.at("13:01") == []
        assert worker.desk.journal.quiet == 1
        assert worker.desk.schedules.last is not None
        assert vault.subjects() == commits
        assert worker.at("13:30") == []
        assert worker.desk.journal.quiet == 2
    with desk(vault, worker.now + timedelta(minutes=5)) as again:  # a restart changes nothing of that
        assert again.desk.journal.quiet == 2


def test_a_new_schedule_makes_up_for_nothing_of_the_past(vault: Vault) -> None:
    schedule(vault, "log", line("every: 1m\nmissed: all"))
    with desk(vault) as worker:
        assert ids(worker.after(1)) == ["log-20300506t1201z"]


@pytest.mark.parametrize(
    ("missed", "due"),
    [
        ("skip", []),
        ("once", ["1500"]),
        ("all", ["1230", "1300", "1330", "1400", "1430", "1500"]),
    ],
)
def test_d9_what_a_missed_run_means_is_said_per_schedule(vault: Vault, missed: str, due: list[str]) -> None:
    schedule(vault, "log", line(f"every: 30m\nmissed: {missed}"))
    with desk(vault):
        pass  # it was seen at noon, and then nobody worked for three hours
    with desk(vault, NOON.replace(hour=15, minute=10)) as worker:
        done = sorted(path for path in vault.tracked("memory/tasks"))
        assert done == [f"memory/tasks/2030-05/log-20300506t{time}z.md" for time in due]
        assert ids(worker.at("15:30")) == ["log-20300506t1530z"]  # and from here on as ever


def test_d9_all_makes_up_for_a_hundred_runs_at_most(vault: Vault) -> None:
    schedule(vault, "log", line("every: 1m\nmissed: all"))
    with desk(vault):
        pass
    with desk(vault, NOON + timedelta(days=3)):
        done = vault.tracked("memory/tasks")
    assert len(done) == 100
    assert done[-1].endswith("log-20300509t1200z.md")


def test_a_lost_memory_causes_no_storm(vault: Vault) -> None:
    schedule(vault, "log", line("every: 1m\nmissed: all"))
    with desk(vault) as worker:
        worker.after(1)
    (vault.state / "schedules.json").write_text("{broken")
    with desk(vault, NOON + timedelta(days=1)) as worker:
        assert len(vault.tracked("memory/tasks")) == 1
        assert len(worker.after(1)) == 1


def test_q24_a_clock_that_is_set_back_runs_nothing_twice(vault: Vault) -> None:
    schedule(vault, "log", line())
    schedule(vault, "beat", beat())
    with desk(vault) as worker:
        worker.at("12:30")
        worker.at("13:00")
        quiet = worker.desk.journal.quiet
        assert worker.at("12:10") == []
        assert worker.at("12:30") == []
        assert worker.at("13:00") == []
        assert worker.desk.journal.quiet == quiet
        assert "log-20300506t1330z" in ids(worker.at("13:30"))


def test_q24_a_clock_that_was_years_ahead_does_not_silence_a_schedule(vault: Vault) -> None:
    schedule(vault, "log", line())
    with desk(vault, NOON + timedelta(days=3000)) as worker:
        worker.after(30)
    with desk(vault) as worker:
        assert ids(worker.at("12:30")) == ["log-20300506t1230z"]


def test_q09_a_machine_that_slept_treats_it_as_missed(vault: Vault) -> None:
    schedule(vault, "skipping", line("every: 30m\nmissed: skip"))
    schedule(vault, "once", line("every: 30m\nmissed: once"))
    with desk(vault) as worker:
        assert ids(worker.at("17:50")) == ["once-20300506t1730z"]


def test_q09_a_task_that_may_not_begin_before_its_time_begins_then_also_when_the_machine_slept(vault: Vault) -> None:
    schedule(vault, "log", line("every: 1d\nnot_before: 2030-05-07 02:00"))
    vault.drop("one.md", "---\nid: one\nnot_before: 2030-05-07 02:00\nstatus: open\n---\nWrite 1 to notes/one.md\n")
    with desk(vault) as worker:
        midnight = worker.now + timedelta(hours=12)
        assert worker.at(midnight) == []
        assert sorted(worker.waiting) == ["inbox/one.md", "inbox/schedules/log.md"]
        assert sorted(ids(worker.at(midnight + timedelta(hours=3)))) == ["log-20300507t0000z", "one"]


def test_q24_nothing_is_due_before_its_time_and_jitter_comes_on_top(vault: Vault) -> None:
    schedule(vault, "log", line("every: 1h\njitter: 30m"))
    with desk(vault) as worker:
        assert worker.at("13:00") == []
        found = [minute for minute in range(1, 31) if worker.at(f"13:{minute:02}")]
        assert len(found) == 1


def test_the_pending_run_of_an_edited_schedule_uses_the_new_text(vault: Vault) -> None:
    vault.drop("first.md", "---\nafter: [nothing]\n---\nx")
    schedule(vault, "log", line("every: 30m\nafter: [dep]"))
    with desk(vault) as worker:
        assert worker.at("12:30") == []
        assert worker.waiting["inbox/schedules/log.md"] == "waits for dep"
        schedule(vault, "log", line("every: 30m", "notes/other.md"))
        assert ids(worker.at("12:31")) == ["log-20300506t1230z"]
    assert (vault.root / "notes/other.md").read_text() == "tick\n"


def test_another_rule_counts_from_the_edit(vault: Vault) -> None:
    schedule(vault, "log", line("every: 1d\nmissed: all"))
    with desk(vault) as worker:
        worker.at("23:00")
        schedule(vault, "log", line("every: 1m\nmissed: all"))
        assert worker.at("23:01") == []
        assert ids(worker.at("23:02")) == ["log-20300506t2302z"]


def test_a_run_that_waits_is_replaced_by_the_next_and_does_not_pile_up(vault: Vault) -> None:
    schedule(vault, "log", line("every: 30m\nafter: [dep]"))
    with desk(vault) as worker:
        for time in ("12:30", "13:00", "13:30"):
            assert worker.at(time) == []
        assert [rest.task.id for rest in worker.desk.intake.resting.values()] == ["log-20300506t1330z"]
        vault.drop("dep.md", "---\nid: dep\nstatus: open\n---\nWrite 1 to notes/dep.md\n")
        assert sorted(ids(worker.at("13:31"))) == ["dep", "log-20300506t1330z"]


def test_a_run_that_waits_for_a_tick_is_not_replaced_by_the_next(vault: Vault) -> None:
    schedule(vault, "log", line("every: 30m\napprove: true"))
    with desk(vault) as worker:
        for time in ("12:30", "13:00", "13:30"):
            worker.at(time)
    with desk(vault, NOON.replace(hour=14)) as worker:  # nor after a restart
        (asks,) = (vault.root / "outbox/approvals").glob("*.md")
        assert asks.stem == "log-20300506t1230z"
        asks.write_text(asks.read_text().replace("- [ ] Approve", "- [x] Approve"))
        vault_after = [*ids(worker.at("14:10")), *ids(worker.at("14:11"))]
        assert "log-20300506t1230z" in vault_after
        assert (vault.root / "notes/log.md").read_text() == "tick\n"
        (following,) = (vault.root / "outbox/approvals").glob("*.md")
        assert following.stem == "log-20300506t1400z"


def test_a_run_whose_schedule_is_deleted_before_it_is_published_ends_all_the_same(vault: Vault) -> None:
    file = schedule(vault, "log", line())
    with desk(vault) as worker:
        lock = vault.root / ".git" / "index.lock"
        lock.touch()
        bell = worker.bell
        worker.now = NOON.replace(minute=30)
        road(worker.desk, worker.now)
        assert [record.schedule for record in worker.desk.journal.owed.values()] == ["inbox/schedules/log.md"]
        file.unlink()
        lock.unlink()
        bell.set()
        assert ids(worker.at("12:31")) == ["log-20300506t1230z"]
        assert worker.at("13:00") == []


def test_a_deleted_schedule_runs_no_more(vault: Vault) -> None:
    file = schedule(vault, "log", line())
    with desk(vault) as worker:
        worker.at("12:30")
        file.unlink()
        assert worker.at("13:00") == []


def test_a_draft_never_runs_and_counts_from_when_it_is_opened(vault: Vault) -> None:
    schedule(vault, "log", line("every: 30m\nstatus: draft\nmissed: all"))
    with desk(vault) as worker:
        assert worker.at("14:00") == []
        schedule(vault, "log", line("every: 30m\nmissed: all"))
        assert worker.at("14:01") == []
        assert ids(worker.at("14:30")) == ["log-20300506t1430z"]


def test_d12_a_bad_schedule_is_reported_once_stays_and_is_looked_at_again(vault: Vault) -> None:
    file = schedule(vault, "log", line("every: 30m\ncron: 0 9 * * *"))
    with desk(vault) as worker:
        (name,) = vault.reports()
        assert "cron: 0 9 * * *" in vault.reports()[name]
        assert worker.at("12:30") == []
        schedule(vault, "log", line())
        assert worker.at("12:40") == []
        assert ids(worker.at("13:00")) == ["log-20300506t1300z"]
    assert file.exists()


def test_d12_a_bad_schedule_is_told_once_also_while_its_report_cannot_be_committed(vault: Vault) -> None:
    with desk(vault) as worker:
        (vault.root / ".git" / "index.lock").touch()
        schedule(vault, "log", line("every: 30m\ncron: 0 9 * * *"))
        for minute in range(3):
            worker.now = NOON.replace(minute=minute)
            wait_for(lambda: road(worker.desk, worker.now).owed)
        (attempts,) = {record.attempt for record in worker.desk.journal.owed.values()}
        assert (attempts, worker.desk.journal.attempts) == (1, {next(iter(worker.desk.journal.owed)): 1})
        (vault.root / ".git" / "index.lock").unlink()
        assert len(worker.at("12:10")) == 1
    assert len(vault.reports()) == 1


def test_d12_bad_parameters_are_told_at_once_and_not_when_it_is_due(vault: Vault) -> None:
    schedule(vault, "log", line("every: 1w\nbogus: 1"))
    with desk(vault):
        assert ["bogus" in text for text in vault.reports().values()] == [True]


def test_two_schedules_of_one_name_are_told_apart_or_told(vault: Vault) -> None:
    schedule(vault, "My log", line())
    schedule(vault, "my-log", line())
    with desk(vault) as worker:
        assert ["another schedule is called" in text for text in vault.reports().values()] == [True]
        assert ids(worker.at("12:30")) == ["my-log-20300506t1230z"]


def test_sub_folders_and_an_id_name_a_schedule(vault: Vault) -> None:
    schedule(vault, "work/daily", line("every: 30m", "notes/a.md"))
    schedule(vault, "x", line("id: beat.1\nevery: 30m", "notes/b.md"))
    with desk(vault) as worker:
        assert sorted(ids(worker.at("12:30"))) == ["beat.1-20300506t1230z", "work-daily-20300506t1230z"]


def test_the_hours_of_the_machine_must_be_open_too(vault: Vault) -> None:
    config = Path(vault.env["GOFER_CONFIG"])
    local = NOON.astimezone()
    closed = f"{(local + timedelta(hours=-1)):%H:%M}-{(local + timedelta(hours=2)):%H:%M}"
    hours = "-".join(reversed(closed.split("-")))
    config.write_text(f"active_hours = '{hours}'\n" + config.read_text())
    schedule(vault, "log", line())
    with desk(vault) as worker:
        assert worker.at("12:30") == []
        assert worker.at("13:30") == []
        assert ids(worker.at("14:10")) == ["log-20300506t1400z"]


def test_the_memory_survives_whole_and_says_what_came_of_the_last_run(vault: Vault) -> None:
    schedule(vault, "log", line())
    with desk(vault) as worker:
        worker.at("12:30")
    said = json.loads((vault.state / "schedules.json").read_text())["schedules"]["log"]
    assert (said["done"], said["status"]) == ("2030-05-06T12:30:00Z", "done")
