"""`gofer sync`, `stop`, `resume` and `add` in a vault that several machines share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.support import eventually
from tests.many.support import Many

WRITE = '---\nstatus: open\n---\nWrite "{n}" to memory/{n}.txt\n'


@pytest.fixture
def many(tmp_path: Path) -> Many:
    return Many(tmp_path)


def test_sync_without_a_remote_says_so_and_is_no_failure(tmp_path: Path) -> None:
    from tests.e2e.support import House

    house = House(tmp_path)
    assert house.data("sync") == {"state": "none", "fetched": 0, "pushed": 0, "reason": None}
    assert "no remote" in house.gofer("sync").stdout


def test_sync_publishes_what_lies_in_the_inbox_takes_what_is_new_and_runs_nothing(many: Many) -> None:
    laptop, other = many.clone("laptop"), many.clone("other")
    laptop.drop("one.md", WRITE.format(n="one"))
    laptop.drop("draft.md", "---\nstatus: draft\n---\nWrite x to memory/x.txt\n")
    assert laptop.data("sync") == {"state": "ok", "fetched": 0, "pushed": 1, "reason": None}
    assert many.tasks() == ["inbox/one.md"]
    assert laptop.inbox() == ["draft.md", "one.md"] and not laptop.reports()
    assert laptop.git("status", "--porcelain") == "?? inbox/draft.md\n"

    assert other.data("sync") == {"state": "ok", "fetched": 1, "pushed": 0, "reason": None}
    assert other.inbox() == ["one.md"]


def test_a_task_added_where_no_worker_runs_is_done_by_another_machine(many: Many) -> None:
    laptop, server = many.clone("laptop"), many.clone("server")
    added = laptop.data("add", "Write 42 to memory/answer.txt")
    assert many.tasks() == [added["path"]]
    assert [task["status"] for task in server.once()["tasks"]] == ["done"]
    assert many.tasks() == []
    laptop.git("pull", "-q", "--ff-only")
    assert laptop.report(added["id"]) and (laptop.root / "memory/answer.txt").read_text() == "42\n"


def test_add_and_sync_while_the_remote_is_away_keep_the_task_and_say_so(many: Many) -> None:
    laptop = many.clone("laptop")
    shutil.move(many.remote, many.remote.with_name("gone"))
    added = laptop.gofer("add", "Write 42 to memory/answer.txt")
    assert added.returncode == 0 and "not on the remote yet: offline since" in added.stderr
    assert laptop.inbox() == ["write-42-to-memory-answer-txt.md"]
    said = laptop.data("sync", code=3)
    assert said["state"] == "offline" and "does not appear to be a git repository" in said["reason"]

    shutil.move(many.remote.with_name("gone"), many.remote)
    assert laptop.data("sync")["pushed"] == 1
    assert many.tasks() == ["inbox/write-42-to-memory-answer-txt.md"]


def test_d7_stop_for_all_reaches_every_machine_survives_a_restart_and_tasks_are_still_accepted(many: Many) -> None:
    one, other = many.clone("one"), many.clone("other")
    assert one.data("stop", "--all") == {"stopped": True, "all": True, "running": []}
    assert "STOP" in many.there("ls-tree", "--name-only", "main")

    other.drop("late.md", WRITE.format(n="late"))
    for _ in range(2):  # a worker that starts anew finds it stopped
        assert other.once()["tasks"] == []
    assert other.inbox() == ["late.md"]
    status = other.data("status", code=None)
    assert status["stopped"] and (other.root / "STOP").exists()

    assert other.data("resume") == {"stopped": False}
    assert "STOP" not in many.there("ls-tree", "--name-only", "main")
    assert other.once()["done"] == 1
    assert one.data("sync")["state"] == "ok" and not (one.root / "STOP").exists()


def test_a_stop_file_that_only_the_remote_has_stops_a_worker_whose_branch_cannot_follow(many: Many) -> None:
    one, other = many.clone("one"), many.clone("other")
    other.git("checkout", "-q", "--detach")
    one.gofer("stop", "--all")
    other.drop("late.md", WRITE.format(n="late"))
    assert other.once(code=None)["done"] == 0 and other.inbox() == ["late.md"]


def test_stop_here_stops_this_clone_alone_until_resume(many: Many) -> None:
    one, other = many.clone("one"), many.clone("other")
    assert one.data("stop") == {"stopped": True, "all": False, "running": []}
    one.drop("a.md", WRITE.format(n="a"))
    other.drop("b.md", WRITE.format(n="b"))
    assert one.once()["tasks"] == [] and other.once()["done"] == 1
    one.gofer("resume")
    assert one.once()["done"] == 1


def test_a_running_worker_stops_at_once_and_goes_on_when_it_is_told(many: Many) -> None:
    house = many.clone("one")
    with house.worker():
        house.gofer("stop")
        house.drop("a.md", WRITE.format(n="a"))
        eventually(lambda: {w["state"] for w in house.data("status", code=None)["workers"]} == {"STOPPED"})
        assert house.inbox() == ["a.md"]
        house.gofer("resume")
        eventually(lambda: house.report("a-"))


def test_a_person_who_writes_the_stop_file_by_hand_stops_all(many: Many) -> None:
    one, other = many.clone("one"), many.clone("other")
    with one.worker(), other.worker():
        (one.root / "STOP").write_text("")
        eventually((other.root / "STOP").exists)
        other.drop("late.md", WRITE.format(n="late"))
        (one.root / "STOP").unlink()
        eventually(lambda: other.report("late-"))
    assert not (other.root / "STOP").exists()


def test_sync_asks_the_worker_of_this_clone_when_one_runs(many: Many) -> None:
    one, other = many.clone("one", settings="[sync]\npoll_seconds = 3600\n"), many.clone("other")
    with one.worker():
        eventually(lambda: (one.board().get("sync") or {}).get("state") == "ok")
        other.drop("x.md", "---\nstatus: open\nneeds: [moon]\n---\nWrite x to memory/x.txt\n")
        other.gofer("sync")
        assert one.data("sync")["state"] == "ok"
        assert one.inbox() == ["x.md"]


def test_a_file_that_is_no_task_is_reported_once_however_many_machines_see_it(many: Many) -> None:
    person, one, other = many.clone("person"), many.clone("one"), many.clone("other")
    person.drop("bad.md", "---\nstatus: open\npriority: hgih\n---\nWrite x to memory/x.txt\n")
    person.git("add", "-A")
    person.git("commit", "-q", "-m", "bad")
    person.git("push", "-q")
    assert one.once(code=None)["invalid"] == 1
    assert other.once(code=None)["invalid"] == 0
    assert one.once(code=None)["invalid"] == 0
    assert len(many.ended()) == 1 and many.tasks() == ["inbox/bad.md"]


def test_g31_a_claim_that_was_won_in_vain_is_given_back_without_another_task_coming(many: Many) -> None:
    person, one, other = many.clone("person"), many.clone("one"), many.clone("other")
    for number in range(12):
        person.drop(f"t{number}.md", WRITE.format(n=number))
    person.git("add", "-A")
    person.git("commit", "-q", "-m", "tasks")
    person.git("push", "-q")
    with one.worker(), other.worker():
        eventually(lambda: many.tasks() == [], 60)
        eventually(lambda: many.there("for-each-ref", "refs/gofer/claims") == "")
    assert sorted(set(many.ended())) == sorted(many.ended())


def test_g32_a_host_without_atomic_pushes_gets_the_results_and_no_claim_is_left_there(many: Many) -> None:
    many.there("config", "receive.advertiseAtomic", "false")
    person, one = many.clone("person"), many.clone("one")
    for name in ("a", "b"):
        person.drop(f"{name}.md", WRITE.format(n=name))
    person.git("add", "-A")
    person.git("commit", "-q", "-m", "tasks")
    person.git("push", "-q")
    assert one.once()["done"] == 2
    assert many.tasks() == [] and len(many.ended()) == 2
    assert many.there("for-each-ref", "refs/gofer/claims") == ""


def test_a_report_that_is_on_the_remote_and_not_yet_in_the_vault_is_found_by_show(many: Many) -> None:
    house = many.clone("one")
    house.git("checkout", "-q", "--detach")  # the branch cannot follow
    house.drop("note.md", WRITE.format(n="note"))
    house.once(code=None)
    assert house.reports() == {} and len(many.ended()) == 1
    shown = house.data("show", "note-")
    assert shown["state"] == "done" and "✅ Complete" in shown["report_text"] and "with the branch" in shown["reason"]
    house.git("checkout", "-q", "main")
    house.data("sync")
    assert house.report("note-")
    assert house.data("show", "note-")["reason"] is None
