"""What a worker knows of its claims after a crash, as a copy of another machine, or after its record was lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from agent.git.network import Update, Verdict
from tests.claims.support import LEASE, MAIN, Machine, dying, process, said, want
from tests.remotes import Bare
from tests.support import git

TASK = "a-task"
DIES_WITH_CLAIMS = """
import os, sys
from pathlib import Path
from agent.claims import RemoteClaims, Wanted
from agent.git.network import Network
from agent.git.repository import Repository
place = Path(sys.argv[1])
network = Network(Repository(place / "vault"), place / "state" / "net.git", "origin")
claims = RemoteClaims(network, place / "state" / "claims.json", "ada")
assert len(claims.take([Wanted(task, "0123456789ab", 1) for task in sys.argv[2:]])) == len(sys.argv) - 2
claims.release(["given-back"])
print(claims.held[sys.argv[2]].nonce, flush=True)
os._exit(137)
"""


def copied(machine: Machine, place: Path) -> Machine:
    """A clone of this whole machine, as it is now: the same name, the same record, the same clocks."""
    twin = Machine(place / machine.place.name, machine.url)
    shutil.rmtree(twin.place)
    shutil.copytree(machine.place, twin.place)
    twin.clock.now, twin.wall.now = machine.clock.now, machine.wall.now
    twin.start()
    return twin


def crash(machine: Machine, *tasks: str) -> str:
    """A process of this machine takes tasks and is killed; the nonce of the first."""
    dead = process(DIES_WITH_CLAIMS, machine.place, *tasks)
    nonce, _ = dead.communicate(timeout=60)
    assert dead.returncode == 137
    machine.start()
    return nonce.strip()


def test_after_a_crash_the_claims_of_outcomes_are_kept_and_the_others_go_back(
    host: Bare, ada: Machine, bob: Machine
) -> None:
    nonce = crash(ada, TASK, "unfinished", "given-back")
    assert len(host.refs("refs/gofer/")) == 3
    assert ada.claims.held == {}
    before = host.refs()[ada.claims.ref(TASK)]
    ada.claims.recover({TASK, "of another time"})
    assert ada.claims.held.keys() == {TASK}
    assert ada.claims.held[TASK].nonce == nonce
    assert host.refs("refs/gofer/") == {ada.claims.ref(TASK): ada.claims.held[TASK].oid}
    assert ada.claims.held[TASK].oid != before
    assert ada.claims.overdue() == set()
    assert bob.take(TASK, "unfinished", "given-back") == {"unfinished", "given-back"}
    ada.claims.recover(set())
    assert ada.claims.held.keys() == {TASK}


def test_after_a_crash_a_task_is_taken_again_before_anything_was_recovered(host: Bare, ada: Machine) -> None:
    """The first travel of the road claims before it publishes."""
    nonce = crash(ada, TASK, "second")
    assert ada.take(TASK, "new", attempt=2) == {TASK, "new"}
    assert ada.claims.held[TASK].nonce != nonce
    assert ada.claims.held[TASK].attempt == 2
    ada.claims.recover(set())
    assert ada.claims.held.keys() == {TASK, "new"}  # what was taken since is no left-over
    assert host.refs("refs/gofer/").keys() == {ada.claims.ref(TASK), ada.claims.ref("new")}


def test_after_a_long_sleep_what_others_took_over_is_not_ours(host: Bare, ada: Machine, bob: Machine) -> None:
    crash(ada, TASK, "second")
    assert bob.take(TASK) == set()
    bob.claims.watch([TASK])
    bob.clock.now += LEASE + 1
    bob.claims.watch([TASK])
    assert bob.take(TASK) == {TASK}
    ada.claims.recover({TASK, "second"})
    assert ada.claims.held.keys() == {"second"}
    assert ada.take(TASK) == set()
    assert said(host, ada.claims.ref(TASK))["worker"] == "bob"


@pytest.mark.parametrize("when", ["committed", "prepared"])
def test_g05_recovering_is_itself_safe_when_the_host_dies(host: Bare, ada: Machine, when: str) -> None:
    crash(ada, TASK)
    with dying(host, when=when), pytest.raises(Exception, match="does not answer"):
        ada.claims.recover({TASK})
    ada.start()
    ada.claims.recover({TASK})
    assert host.refs("refs/gofer/") == {ada.claims.held[TASK].ref: ada.claims.held[TASK].oid}


def test_q14_of_two_copies_of_one_machine_that_start_one_has_the_claim(
    host: Bare, ada: Machine, tmp_path: Path
) -> None:
    crash(ada, TASK)
    twin = copied(ada, tmp_path / "copy")
    assert twin.claims.worker == ada.claims.worker
    ada.claims.recover({TASK})
    twin.claims.recover({TASK})
    assert ada.claims.held.keys() == {TASK}
    assert twin.claims.held.keys() == set()
    assert twin.take(TASK) == set()
    assert twin.claims.taken(TASK)


def test_q14_a_copy_of_a_running_machine_takes_its_claims_over_and_the_first_one_notices(
    host: Bare, ada: Machine, tmp_path: Path
) -> None:
    ada.take(TASK, "second")
    twin = copied(ada, tmp_path / "copy")
    twin.claims.recover({TASK})
    assert twin.claims.held.keys() == {TASK}

    updates = [Update(MAIN, ada.outcome(), ""), *ada.claims.fences([TASK])]
    told = ada.network.push(updates, atomic=True)
    assert Verdict.DONE not in {answer.verdict for answer in told.values()}
    assert MAIN not in host.refs()
    ada.clock.now += LEASE / 5
    ada.claims.renew()
    assert ada.claims.held == {}
    assert ada.claims.gone == {TASK, "second"}

    both = twin.network.push([Update(MAIN, twin.outcome(), ""), *twin.claims.fences([TASK])], atomic=True)
    assert {answer.verdict for answer in both.values()} == {Verdict.DONE}


def test_q14_two_shells_with_one_record_never_both_win(host: Bare, ada: Machine, tmp_path: Path) -> None:
    """The lock of the state folder forbids it; if it fails all the same, the remote decides."""
    ada.take("before")
    twin = copied(ada, tmp_path / "copy")
    tasks = [f"task-{n}" for n in range(20)]
    mine, theirs = ada.take(*tasks[:15]), twin.take(*tasks)
    assert not mine & theirs
    assert mine | theirs == set(tasks)
    assert len(host.refs("refs/gofer/")) == 21


@pytest.mark.parametrize(
    "text",
    [
        None, "", '{"v":1,"ours":[{"task":"a-ta', "[]", "7", "null", '{"ours":7,"giving":{}}', '{"ours":[7,[],{}]}',
        '{"ours":[{"task":5,"revision":"x","nonce":"x","attempt":1,"oid":"x","ref":"x"}]}',
        '{"held":[{"task":"a","oid":"x"}]}', "\0" * 100, "[" * 100_000,
    ],
)  # fmt: skip
def test_q15_without_its_record_a_worker_goes_on_and_its_claims_expire(
    host: Bare, ada: Machine, bob: Machine, text: str | None
) -> None:
    ada.take(TASK)
    if text is None:
        ada.record.unlink()
    else:
        ada.record.write_text(text)
    ada.start()
    ada.claims.recover({TASK})
    assert ada.claims.held == {}
    assert ada.take(TASK, "new") == {"new"}  # it cannot know that the old one was its own
    ada.claims.watch([TASK])
    ada.clock.now += LEASE + 1
    ada.claims.renew()
    ada.claims.watch([TASK])
    assert ada.take(TASK) == {TASK}
    assert ada.claims.held[TASK].attempt == 2
    assert bob.take(TASK, "new") == set()


def test_q15_a_record_with_an_entry_that_cannot_be_read_keeps_the_others(host: Bare, ada: Machine) -> None:
    ada.take(TASK)
    record = json.loads(ada.record.read_text())
    record["ours"].insert(0, {"task": "half"})
    record["giving"] = "nonsense"
    ada.record.write_text(json.dumps(record))
    ada.start()
    ada.claims.recover({TASK})
    assert ada.claims.held.keys() == {TASK}


def test_q15_without_its_private_repository_a_worker_goes_on(host: Bare, ada: Machine, bob: Machine) -> None:
    ada.take(TASK, "second")
    shutil.rmtree(ada.place / "state" / "net.git")
    ada.clock.now += LEASE / 5
    ada.claims.renew()
    assert ada.claims.held.keys() == {TASK, "second"}
    assert ada.claims.gone == set()
    shutil.rmtree(ada.place / "state" / "net.git")
    told = ada.network.push([Update(MAIN, ada.outcome(), ""), *ada.claims.fences([TASK])], atomic=True)
    assert {answer.verdict for answer in told.values()} == {Verdict.DONE}
    assert bob.take(TASK, "second") == {TASK}


def test_nothing_of_a_claim_is_ever_in_the_vaults_own_repository(host: Bare, ada: Machine) -> None:
    before = {path: path.stat().st_mtime_ns for path in ada.vault.rglob("*") if path.is_file()}
    ada.claims.take([want(TASK), want("second")])
    ada.clock.now += LEASE / 5
    ada.claims.renew()
    ada.claims.watch(["other"])
    ada.claims.release([TASK])
    ada.claims.flush()
    ada.claims.verify(["second"])
    assert {path: path.stat().st_mtime_ns for path in ada.vault.rglob("*") if path.is_file()} == before
    assert git(ada.vault, "for-each-ref") == ""
