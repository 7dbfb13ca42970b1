"""A git task from the inbox to its report: in a vault of a person who lists one repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.support import QUICK, House, eventually
from tests.handlers.git_place import Place
from tests.support import git, processes_of


@pytest.fixture
def house(tmp_path: Path, place: Place) -> House:
    folder = tmp_path / "house"
    folder.mkdir()
    listed = f'[repos.website]\npath = "{place.site}"\nallow = ["fetch", "fast-forward", "commit", "push", "status"]\n'
    return House(folder, settings=QUICK + listed)


def test_a_typed_task_commits_and_a_plain_one_pushes_and_both_end_in_reports(house: House, place: Place) -> None:
    place.write(place.site, "a.txt", "two\n")
    house.drop(
        "commit.md",
        "---\nstatus: open\ntype: git\nop: commit\nrepo: website\npaths: a.txt\nmessage: <% x %> typo\n---\n",
    )
    house.drop("push.md", "---\nstatus: open\nafter: commit.md\n---\nPush the website repo\n")
    vault_before = house.git("rev-list", "--count", "HEAD").strip()
    data = house.data("run", "--once", shape="run")
    assert data["done"] == 2, data
    assert place.git("log", "-1", "--format=%s") == "<% x %> typo"
    assert git(place.hub, "rev-parse", "main").strip() == place.at
    assert f"committed 1 file to main as {place.at[:8]}" in (house.report("commit") or "")
    assert f"pushed main to origin, now at {place.at[:8]}, 1 commit" in (house.report("push") or "")
    assert "<%" not in (house.report("push") or "")
    assert house.header("push")["model"] == "none"
    assert int(house.git("rev-list", "--count", "HEAD")) > int(vault_before)
    assert house.inbox() == []


def test_a_repository_that_is_not_listed_fails_with_the_names_that_are(house: House, place: Place) -> None:
    house.drop("a.md", "---\nstatus: open\n---\nFetch the weather repo\n")
    assert house.data("run", "--once", shape="run", code=1)["failed"] == 1
    assert "list website" in (house.report("a") or "")


def test_s36_a_vault_cannot_list_a_repository(house: House, place: Place) -> None:
    (house.root / "gofer.toml").write_text(f'[repos.evil]\npath = "{place.other}"\nallow = ["push"]\n')
    house.drop("a.md", "---\nstatus: open\ntype: git\nop: status\nrepo: evil\n---\n")
    assert house.data("run", "--once", shape="run", code=1)["failed"] == 1
    assert "grants nothing" in house.gofer("doctor").stdout


def test_while_the_remote_is_away_the_task_waits_and_other_work_goes_on(house: House, place: Place) -> None:
    place.hub.rename(place.root / "unplugged")
    house.drop("a.md", "---\nstatus: open\n---\nFetch the website repo\n")
    house.drop("b.md", "---\nstatus: open\n---\nWrite 42 to memory/x.txt\n")
    data = house.data("run", "--once", shape="run", code=3)
    assert (data["done"], data["waiting"]) == (1, 1)
    (place.root / "unplugged").rename(place.hub)
    assert house.data("run", "--once", shape="run")["done"] == 1


def hanging(place: Place) -> Path:
    """Let the person's ssh hang; the file that tells that it has begun."""
    begun = place.root / "begun"
    ssh = place.script("ssh", f'[ "$1" = -G ] && exit 0\ntouch "{begun}"\nexec tail -f /dev/null\n')
    place.git("config", "core.sshCommand", str(ssh))
    place.git("config", "remote.origin.url", "git@hub.example:site.git")
    return begun


def test_a_remote_that_hangs_holds_nothing_up_and_a_cancelled_task_ends_git(house: House, place: Place) -> None:
    begun = hanging(place)
    with house.worker():
        house.drop("slow.md", "---\nstatus: open\nid: slow\n---\nFetch the website repo\n")
        eventually(begun.exists, what="the fetch has begun")
        house.drop("quick.md", "---\nstatus: open\n---\nWrite 42 to memory/x.txt\n")
        eventually(lambda: house.report("quick"), what="other work is done meanwhile")
        (running,) = [item for item in json.loads(house.gofer("list", "--json").stdout)["data"] if item["id"] == "slow"]
        assert running["state"] == "running"
        house.gofer("cancel", "slow")
        eventually(lambda: house.report("slow"), what="the cancelled task has its report")
        assert house.header("slow")["status"] == "cancelled"
        eventually(lambda: not processes_of(place.site), what="git and ssh are gone")


def test_a_worker_that_is_told_to_end_takes_its_git_along_and_the_task_is_kept(house: House, place: Place) -> None:
    begun = hanging(place)
    house.drop("slow.md", "---\nstatus: open\n---\nFetch the website repo\n")
    with house.worker():
        eventually(begun.exists, what="the fetch has begun")
    eventually(lambda: not processes_of(place.site), what="git and ssh are gone")
    assert house.inbox() == ["slow.md"] and house.reports() == {}


def test_the_time_limit_ends_it_with_a_report(house: House, place: Place) -> None:
    hanging(place)
    house.drop("slow.md", "---\nstatus: open\ntimeout: 1\n---\nFetch the website repo\n")
    assert house.data("run", "--once", shape="run", code=1)["failed"] == 1
    report = house.report("slow") or ""
    assert "time limit of 1 s passed" in report
    assert "did not end by itself" not in report
    eventually(lambda: not processes_of(place.site), what="git and ssh are gone")


def test_the_time_of_a_task_does_not_pass_while_it_waits_for_its_turn(house: House, place: Place) -> None:
    hanging(place)
    house.drop("slow.md", "---\nstatus: open\ntimeout: 1\npriority: high\n---\nFetch the website repo\n")
    house.drop("next.md", "---\nstatus: open\ntimeout: 1\n---\ngit status of website\n")
    data = house.data("run", "--once", shape="run", code=1)
    assert {task["id"].partition("-")[0]: task["status"] for task in data["tasks"]} == {
        "slow": "failed",
        "next": "done",
    }


def test_doctor_looks_at_every_listed_repository(house: House, place: Place) -> None:
    with house.config.open("a") as file:
        file.write(f'[repos.gone]\npath = "{place.root}/gone"\n[repos.notes]\npath = "{house.root}"\n')
    checks = [check for check in house.data("doctor", code=1)["checks"] if check["name"] == "repos"]
    assert [(check["ok"], check["detail"].partition(" (")[0]) for check in checks] == [
        (False, "the repository 'gone' is not there"),
        (False, "the repository 'notes' is the vault itself or lies in it"),
        (True, "website: fetch, fast-forward, commit, push, status"),
    ]
