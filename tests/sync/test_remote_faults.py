"""A remote that is away, empty, rewritten, renamed, or refuses: nothing is lost, nothing is forced, and it is said."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.claims import Claim, Wanted
from tests.remotes import Remote, refusing, served
from tests.support import git, wait_for
from tests.sync.support import Clone, Driven, Fleet, append, task_id, write

TASK = append("once")


def unplug(remote: Remote) -> Path:
    """The remote does not answer."""
    away = remote.path.with_name("away")
    os.rename(remote.path, away)
    return away


def plug(remote: Remote) -> None:
    os.rename(remote.path.with_name("away"), remote.path)


def heal(driven: Driven) -> None:
    """Look and travel until it has nothing left to do."""
    driven.settle()


# -- away -----------------------------------------------------------------------------------------------------------


def test_without_a_remote_a_vault_works_as_before(fleet: Fleet, a: Clone) -> None:
    a.git("remote", "remove", "origin")
    a.drop("t.md", TASK)
    assert len(a.drain()) == 1
    assert a.text("notes/log.md") == "once\n"
    assert fleet.outcomes() == {}


def test_g18_local_tasks_go_on_and_are_committed_here_and_pushed_once_when_the_remote_is_back(
    fleet: Fleet, a: Clone
) -> None:
    unplug(fleet.remote)
    a.drop("t.md", TASK)
    with a.desk() as driven:
        driven.settle()
        assert a.text("notes/log.md") == "once\n"
        assert list(a.outcomes().values()) == [1]
        assert a.inbox() == []
        assert len(a.reports()) == 1
        assert driven.said["state"] == "offline"
        plug(fleet.remote)
        driven.settle()
        assert driven.said["state"] == "ok"
    assert list(fleet.outcomes().values()) == [1]
    assert a.head == fleet.tip()
    fleet.unharmed()


def test_g18_tasks_that_others_can_see_wait_while_the_remote_is_away_and_the_reason_is_told(
    fleet: Fleet, a: Clone
) -> None:
    a.share("inbox/t.md", TASK)
    a.git("fetch", "-q")
    with a.desk() as driven:
        driven.look()
        assert driven.desk.exchange
        unplug(fleet.remote)
        driven.look()
        driven.travel()
        (rest,) = driven.desk.intake.resting.values()
        assert "offline since" in rest.reason
        assert a.inbox() == ["t.md"]
        plug(fleet.remote)
        driven.settle()
    assert list(fleet.outcomes().values()) == [1]
    fleet.unharmed(fetched=[a])


def test_g18_a_worker_that_starts_offline_does_not_run_what_others_can_see(fleet: Fleet, a: Clone) -> None:
    a.share("inbox/t.md", TASK)
    a.drain()
    a.share("inbox/u.md", append("two"))
    with a.desk() as driven:
        driven.look()  # the tip with u.md is known from here on
    unplug(fleet.remote)
    a.drain()
    assert a.inbox() == ["u.md"]
    plug(fleet.remote)
    a.drain()
    assert sorted(fleet.outcomes().values()) == [1, 1]
    fleet.unharmed()


def test_g18_with_offline_work_shared_tasks_run_and_are_published_exactly_once_after_healing(fleet: Fleet) -> None:
    a = fleet.clone("a", settings='offline = "work"\n')
    a.share("inbox/t.md", TASK)
    a.drain()
    a.share("inbox/u.md", append("two"))
    with a.desk() as driven:
        driven.look()
        unplug(fleet.remote)
        driven.look()
        driven.travel()
        driven.travel()
        assert len(driven.desk.journal.owed) == 1
        plug(fleet.remote)
        driven.settle()
    assert sorted(fleet.outcomes().values()) == [1, 1]
    assert fleet.text("notes/log.md") == "once\ntwo\n"
    assert a.inbox() == []
    fleet.unharmed()


def test_g18_with_offline_work_an_outcome_is_discarded_when_another_machine_was_faster(fleet: Fleet) -> None:
    a, b = fleet.clone("a", settings='offline = "work"\n'), fleet.clone("b")
    a.share("inbox/t.md", TASK)
    b.pull()
    with a.desk() as driven:
        driven.look()
        a.git("remote", "set-url", "origin", str(fleet.place / "nowhere"))
        driven.look()
        driven.travel()
        driven.travel()
        assert len(driven.desk.journal.owed) == 1
        b.drain()
        a.git("remote", "set-url", "origin", fleet.remote.url)
        driven.settle()
        assert driven.desk.journal.owed == {}
    assert list(fleet.outcomes().values()) == [1]
    assert fleet.text("notes/log.md") == "once\n"
    assert a.text("notes/log.md") == "once\n"
    assert a.inbox() == []
    assert a.head == fleet.tip()
    fleet.unharmed(fetched=[b])


def test_g19_what_others_push_while_a_claim_is_made_up_for_is_not_pushed_over(
    fleet: Fleet, b: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = fleet.clone("a", settings='offline = "work"\n')
    a.share("inbox/t.md", TASK)
    b.pull()
    with a.desk() as driven:
        driven.look()
        unplug(fleet.remote)
        driven.look()
        driven.travel()
        driven.travel()
        assert len(driven.desk.journal.owed) == 1
        plug(fleet.remote)
        driven.look()
        assert driven.desk.exchange
        claims = driven.desk.exchange.claims
        take = claims.take

        def slowly(wanted: Sequence[Wanted]) -> dict[str, Claim]:
            won = take(wanted)
            if won:
                b.share("notes/meanwhile.md", "meanwhile\n")
            return won

        with monkeypatch.context() as patch:
            patch.setattr(claims, "take", slowly)
            driven.travel()
        driven.settle()
    assert fleet.text("notes/meanwhile.md") == "meanwhile\n"
    assert list(fleet.outcomes().values()) == [1]
    assert a.head == fleet.tip()
    fleet.unharmed(a)


def test_g18_results_that_wait_for_the_remote_survive_a_restart(fleet: Fleet, a: Clone) -> None:
    unplug(fleet.remote)
    a.drop("t.md", TASK)
    a.drain()
    a.drain()
    plug(fleet.remote)
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert a.text("notes/log.md") == "once\n"
    fleet.unharmed()


# -- not what it was ------------------------------------------------------------------------------------------------


def rewrite(fleet: Fleet, clone: Clone) -> str:
    """Somebody rewrites the last commit of the remote's branch and forces it there."""
    clone.git("fetch", "-q")
    clone.git("reset", "-q", "--hard", "origin/main")
    clone.write("notes/rewritten.md", "rewritten\n")
    clone.git("add", "-A")
    git(clone.root, "commit", "-q", "--amend", "-m", "rewritten",
        env={**clone.env, "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z"})  # fmt: skip
    clone.git("push", "-q", "--force", "origin", "main")
    return fleet.tip()


def test_g19_a_rewritten_remote_pauses_with_its_reason_and_is_never_forced_back(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    b.share("notes/first.md", "first\n")
    a.drain()
    before = a.head
    there = rewrite(fleet, b)
    a.drop("t.md", TASK)
    with a.desk() as driven:
        driven.settle()
        reason = str(driven.said["reason"])
        assert driven.said["state"] == "paused"
        assert "was rewritten" in reason
        assert before[:10] in reason
        assert "--force" not in reason + driven.stuck
        assert "reset --hard" not in reason + driven.stuck
        assert fleet.tip() == there
        assert a.head == before
        a.git("fetch", "-q")
        a.git("reset", "-q", "--hard", "origin/main")  # the person takes what is there now
        driven.settle()
        assert driven.said["state"] == "ok"
    assert a.head == fleet.tip()
    assert list(fleet.outcomes().values()) == [1]
    assert a.text("notes/rewritten.md") == "rewritten\n"
    fleet.unharmed(fetched=[a, b])


def test_g19_a_rewritten_remote_stays_refused_by_a_worker_that_starts_anew(fleet: Fleet, a: Clone, b: Clone) -> None:
    b.share("inbox/t.md", TASK)
    a.git("pull", "-q")
    with a.desk() as driven:
        driven.look()
    there = rewrite(fleet, b)
    a.drain()
    assert fleet.tip() == there
    assert fleet.outcomes() == {}
    assert a.inbox() == ["t.md"]  # others may see it, and nobody can claim it now
    fleet.unharmed(a, fetched=[a])


def test_g19_a_remote_that_was_wound_back_is_not_pushed_forward_again(fleet: Fleet, a: Clone, b: Clone) -> None:
    b.share("notes/regretted.md", "regretted\n")
    a.drain()
    b.git("reset", "-q", "--hard", "HEAD~1")
    b.git("push", "-q", "--force", "origin", "main")
    there = fleet.tip()
    a.drop("t.md", TASK)
    a.drain()
    assert fleet.tip() == there
    a.git("reset", "-q", "--hard", there)
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert "notes/regretted.md" not in fleet.tracked()
    assert a.head == fleet.tip()
    fleet.unharmed(a, fetched=[a])


def test_g19_outcomes_that_a_rewrite_took_away_before_the_branch_followed_are_pushed_again_once_it_is_accepted(
    fleet: Fleet, a: Clone, b: Clone
) -> None:
    a.git("switch", "-q", "--detach")  # so that the branch cannot follow
    a.drop("t.md", TASK)
    first = fleet.tip()
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    fleet.bare.git("update-ref", "refs/heads/main", first)
    b.share("notes/theirs.md", "theirs\n")
    there = fleet.tip()
    a.drain()
    a.git("switch", "-q", "main")
    a.drain()
    assert fleet.tip() == there
    a.pull()
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert fleet.text("notes/log.md") == "once\n"
    assert a.head == fleet.tip()
    assert a.inbox() == []
    fleet.unharmed(fetched=[a])


def test_g19_an_address_of_another_repository_is_refused(fleet: Fleet, a: Clone, tmp_path: Path) -> None:
    a.drain()
    other = tmp_path / "other.git"
    shutil.copytree(fleet.remote.path, other)
    git(tmp_path, "--git-dir", str(other), "update-ref", "-d", "refs/heads/main")
    strange = tmp_path / "strange"
    git(tmp_path, "init", "-q", "-b", "main", str(strange), env=a.env)
    git(strange, "commit", "-q", "--allow-empty", "-m", "strange", env=a.env)
    git(strange, "push", "-q", str(other), "main", env=a.env)
    a.git("remote", "set-url", "origin", str(other))
    a.drop("t.md", TASK)
    with a.desk() as driven:
        driven.settle()
        assert "another repository" in str(driven.said["reason"])
        assert git(tmp_path, "--git-dir", str(other), "log", "--format=%s", "main") == "strange\n"
        a.git("remote", "set-url", "origin", fleet.remote.url)
        driven.settle()
    assert list(fleet.outcomes().values()) == [1]
    fleet.unharmed()


def test_g19_another_repository_is_refused_at_the_first_contact_too(fleet: Fleet, a: Clone, tmp_path: Path) -> None:
    a.git("checkout", "-q", "--orphan", "fresh")
    a.commit("no common history")
    a.git("branch", "-M", "main")
    a.drop("t.md", TASK)
    there = fleet.tip()
    with a.desk() as driven:
        driven.settle()
        assert "another repository" in str(driven.said["reason"])
    assert fleet.tip() == there


def test_g19_a_branch_that_is_gone_from_the_remote_is_not_pushed_there_again(fleet: Fleet, a: Clone) -> None:
    a.drain()
    fleet.bare.git("branch", "-m", "main", "trunk")
    a.drop("t.md", TASK)
    with a.desk() as driven:
        driven.settle()
        assert "main is gone from the remote" in str(driven.said["reason"])
        assert list(fleet.bare.refs("refs/heads/")) == ["refs/heads/trunk"]
        a.git("config", "branch.main.merge", "refs/heads/trunk")  # what `git branch -u origin/trunk` does
        driven.settle()
    assert list(fleet.outcomes("trunk").values()) == [1]
    assert list(fleet.bare.refs("refs/heads/")) == ["refs/heads/trunk"]


def test_a_local_branch_of_another_name_goes_to_its_upstream(fleet: Fleet, a: Clone) -> None:
    a.git("branch", "-m", "main", "work/of mine".replace(" ", "-"))
    a.drop("t.md", TASK)
    a.drain()
    assert list(fleet.bare.refs("refs/heads/")) == ["refs/heads/main"]
    assert list(fleet.outcomes().values()) == [1]
    assert a.git("status", "-sb").splitlines() == ["## work/of-mine...origin/main"]


def test_a_branch_with_slashes_in_its_name_is_exchanged(fleet: Fleet, a: Clone) -> None:
    a.git("switch", "-q", "-c", "people/ada/vault")
    a.git("push", "-q", "-u", "origin", "people/ada/vault")
    a.drop("t.md", TASK)
    a.drain()
    assert list(fleet.outcomes("people/ada/vault").values()) == [1]
    assert fleet.outcomes() == {}
    assert a.git("status", "-sb").splitlines() == ["## people/ada/vault...origin/people/ada/vault"]


# -- refused --------------------------------------------------------------------------------------------------------

SECRET = "hunter" + "2swordfish"
SCANNER = refusing("GH013: a secret was found", word=SECRET)


def test_g15_only_the_report_that_the_remote_refuses_is_withheld_and_the_others_go_on(fleet: Fleet, a: Clone) -> None:
    texts = {f"t{n}.md": append(f"line {n}", f"notes/{n}.md") for n in range(5)}
    texts["bad.md"] = append(SECRET, "notes/bad.md")
    for name, text in texts.items():
        a.drop(name, text)
    with fleet.bare.hooked(SCANNER):
        a.drain()
    assert set(fleet.outcomes().values()) == {1}
    assert len(fleet.outcomes()) == 6
    bad = task_id("bad", texts["bad.md"])
    assert "status: needs-review" in fleet.text(f"outbox/{bad}.md")
    assert "GH013" in fleet.text(f"outbox/{bad}.md")
    assert {f"notes/{n}.md" for n in range(5)} <= set(fleet.tracked())
    assert not [path for path in fleet.tracked() if path.startswith("memory/changes/") and bad in path]
    kept = list((a.state / "quarantine").rglob("*"))
    assert any(SECRET in path.read_text() for path in kept if path.is_file())
    assert SECRET not in a.git("log", "-p", "--all")
    assert a.head == fleet.tip()
    fleet.unharmed()


def test_g15_a_plan_that_the_remote_refuses_waits_and_the_others_go_on(fleet: Fleet, a: Clone) -> None:
    for n in range(3):
        a.drop(f"t{n}.md", append(f"line {n}", f"notes/{n}.md"))
    bad = append(SECRET, "notes/bad.md").replace("type: file", "type: file\napprove: true")
    a.drop("bad.md", bad)
    with fleet.bare.hooked(SCANNER):
        a.drain()
        assert len(fleet.outcomes()) == 3
        assert SECRET not in a.git("log", "-p", "--all")
    a.drain()
    task = task_id("bad", bad)
    assert f"outbox/approvals/{task}.md" in fleet.tracked()
    assert not (a.root / "notes/bad.md").exists()
    assert len(fleet.outcomes()) == 3


def test_g15_a_commit_of_the_persons_that_is_refused_does_not_hold_results_up(fleet: Fleet, a: Clone) -> None:
    a.write("notes/mine.md", SECRET)
    mine = a.commit("mine")
    a.drop("t.md", TASK)
    with fleet.bare.hooked(SCANNER), a.desk() as driven:
        driven.settle()
        assert list(fleet.outcomes().values()) == [1]
        assert "notes/mine.md" not in fleet.tracked()
        assert a.git("merge-base", "--is-ancestor", mine, "HEAD") == ""
        assert a.text("notes/log.md") == "once\n"
        assert "GH013" in str(driven.said["reason"])
        pushes = fleet.pushes()
        a.drop("u.md", append("two"))
        driven.settle()
        assert fleet.pushes() == pushes + 1
    assert set(fleet.outcomes().values()) == {1}
    assert a.text("notes/log.md") == "once\ntwo\n"
    assert a.inbox() == []
    fleet.unharmed()


def test_g15_when_everything_is_refused_results_stay_owed_whole_it_is_said_and_the_remote_is_left_alone(
    fleet: Fleet, a: Clone
) -> None:
    a.drop("t.md", TASK)
    a.drop("u.md", append("two", "notes/two.md"))
    with a.desk() as driven:
        with fleet.bare.hooked(refusing("protected branch", refs="refs/heads/*")):
            driven.settle(travels=60)
            assert "refuses every push" in driven.stuck
            assert "protected branch" in driven.stuck
            assert len(driven.desk.journal.owed) == 2
            a.drop("v.md", append("three", "notes/three.md"))
            assert driven.desk.exchange
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(driven.desk.exchange.sync.network, "push", lambda *_, **__: pytest.fail("a push"))
                for _ in range(20):
                    driven.travel()
            assert len(driven.desk.journal.owed) == 3  # other tasks go on
        driven.desk.exchange.pusher._not_before = 0.0
        wait_for(lambda: driven.settle() or not driven.desk.journal.owed, what="the results to be pushed")
    assert set(fleet.outcomes().values()) == {1}
    assert len(fleet.outcomes()) == 3
    assert all("status: done" in fleet.text(path) for path in fleet.tracked() if path.startswith("outbox/")
               and path.endswith(".md"))  # fmt: skip
    fleet.unharmed()


def test_g15_a_task_file_that_the_remote_refuses_does_not_hold_results_up(fleet: Fleet, a: Clone) -> None:
    a.drop("bad.md", f"---\nneeds: [gpu]\n---\n{SECRET}\n")
    a.drop("fine.md", "---\nneeds: [gpu]\n---\nfine\n")
    a.drop("t.md", TASK)
    with fleet.bare.hooked(SCANNER):
        a.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert "status: done" in fleet.text(f"outbox/{task_id('t', TASK)}.md")
    assert "inbox/fine.md" in fleet.tracked()
    assert "inbox/bad.md" not in fleet.tracked()
    fleet.unharmed(dirty=["inbox/bad.md"])


def test_g06_a_stale_lock_on_the_servers_branch_is_waited_for_without_hurry(fleet: Fleet, a: Clone) -> None:
    a.drop("t.md", TASK)
    with a.desk() as driven:
        with fleet.bare.locked("refs/heads/main"):
            driven.settle()
            assert "does not move its branch" in driven.stuck
            assert driven.desk.exchange
            assert driven.desk.exchange.pusher._not_before > time.monotonic()
        driven.desk.exchange.pusher._not_before = 0.0
        driven.settle()
    assert list(fleet.outcomes().values()) == [1]
    fleet.unharmed()


def test_g16_credentials_that_are_refused_are_said_and_nothing_is_lost(tmp_path: Path) -> None:
    with served(tmp_path / "remote.git", "http", password="right") as remote:
        assert remote.http
        remote.http.password = ""
        fleet = Fleet(tmp_path, remote)
        a = fleet.clone("a")
        a.drain()
        remote.http.password = "right"
        a.drop("t.md", write("1", "notes/new.md"))
        with a.desk() as driven:
            driven.settle()
            assert driven.said["state"] == "offline"
            assert "refused since" in str(driven.said["reason"])
            assert list(a.outcomes().values()) == [1]
        synced = a.gofer("sync")
        assert synced.returncode == 4, synced.stderr
        remote.http.password = ""
        a.drain()
        assert list(fleet.outcomes().values()) == [1]
        fleet.unharmed()


def test_g16_a_remote_that_may_only_be_read_keeps_results_here(tmp_path: Path) -> None:
    with served(tmp_path / "remote.git", "http") as remote:
        assert remote.http
        fleet = Fleet(tmp_path, remote)
        a = fleet.clone("a")
        remote.http.readonly = True
        a.drop("t.md", TASK)
        with a.desk() as driven:
            driven.settle()
            assert fleet.outcomes() == {}
            remote.http.readonly = False
            driven.settle()
        assert list(fleet.outcomes().values()) == [1]
        fleet.unharmed()


def test_g40_a_password_in_the_address_is_shown_nowhere(fleet: Fleet, a: Clone) -> None:
    a.git("remote", "set-url", "origin", "http://gofer:sesame@127.0.0.1:9/vault.git")
    a.drop("t.md", TASK)
    with a.desk() as driven:
        driven.settle()
        shown = str(driven.said) + driven.stuck + (a.state / "board.json").read_text()
        assert driven.said["state"] == "offline"
    done = a.gofer("sync")
    status = a.gofer("status", "--json")
    logs = "".join(path.read_text("utf-8", "replace") for path in a.state.rglob("*.log"))
    assert "sesame" not in shown + done.stdout + done.stderr + status.stdout + logs + "".join(a.reports().values())
    assert done.returncode == 3


def test_g39_a_commit_message_holds_ids_and_hashes_only(fleet: Fleet, a: Clone) -> None:
    a.drop("closes #1 [skip ci] @ada.md", "---\ntitle: 'closes #1 [skip ci] @ada'\n---\n" + TASK.partition("---\n")[2])
    a.drop("t.md", TASK)
    a.drain()
    said = fleet.bare.git("log", "--format=%B", "main")
    assert not [word for word in ("#1", "[skip ci]", "@ada") if word in said]


def test_budget_pushes_are_grouped_on_a_host_that_rations_them(fleet: Fleet) -> None:
    a = fleet.clone("a", settings="pushes_per_minute = 6\n")
    before, began = fleet.pushes(), time.monotonic()

    def allowed(burst: int) -> int:
        return burst + int((time.monotonic() - began) // 10)  # one more every ten seconds, on a slow machine

    with a.desk() as driven:
        driven.look()
        for number in range(30):
            a.drop(f"t{number}.md", write(str(number), f"notes/{number}.md"))
            driven.travel()
        assert fleet.pushes() - before <= allowed(3)
        assert driven.desk.exchange
        assert "the host wants at most 6 pushes a minute" in driven.stuck
        budget = driven.desk.exchange.sync.budget
        # On a slow machine the last ones may not have settled yet, and would need a push of their own.
        wait_for(lambda: not ((tick := driven.travel()).running or tick.settling), what="all tasks to end")
        budget._tokens = 1.0
        driven.travel()
        wait_for(lambda: driven.travel() and not driven.desk.journal.owed, what="the rest in one push")
    assert fleet.pushes() - before <= allowed(4)
    assert Counter(fleet.outcomes().values()) == {1: 30}
    fleet.unharmed()
