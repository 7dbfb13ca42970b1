"""Workers that die, are told to end, find their own memory gone, or meet a task that kills them."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import GOFER, STRACE, Vault, make_vault, wait_for

POISONED = Path(__file__).with_name("poisoned.py")
MAX_ATTEMPTS = 3


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return make_vault(tmp_path)


def crashed_at(name: str, place: Path, text: str) -> Vault:
    """A vault whose worker crashed at the durable step of that name, with one task in hand."""
    for n in range(1, 20):
        vault = make_vault(place / str(n), settle=0)
        vault.drop("a.md", text)
        if name in vault.gofer("run", "--once", GOFER_CRASH_AT=str(n)).stderr:
            return vault
    raise AssertionError(f"no step is called {name}")


def killed_once(vault: Vault, where: str) -> bool:
    """Run the worker with its weak spot; whether it was killed."""
    done = subprocess.run(
        [sys.executable, str(POISONED), where, "run", "--once"], cwd=vault.root, env=vault.env, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1, -signal.SIGKILL), done.stderr
    return done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("where", ["parse", "run"])
def test_q10_a_task_that_kills_its_worker_is_given_up_after_three_times_and_the_others_go_on(
    vault: Vault, where: str
) -> None:
    vault.drop("a.md", "Write 1 to memory/a.md\n")
    vault.drop("b-poison.md", "---\ntype: status\n---\nPOISON\n")
    vault.drop("c.md", "Write 3 to memory/c.md\n")

    assert [killed_once(vault, where) for _ in range(MAX_ATTEMPTS + 1)] == [True] * MAX_ATTEMPTS + [False]

    ends = {line["task"]: line["status"] for line in vault.ledger()}
    assert sorted(ends.values()) == ["done", "done", "failed"]
    poison = next(task for task, status in ends.items() if status == "failed")
    assert poison.startswith("b-poison-")
    report = vault.reports()[poison]
    assert "❌ Failed" in report
    assert "brought the worker down 3 times" in report
    assert vault.inbox() == []
    assert (vault.root / "memory/a.md").read_text() == "1\n"
    assert set(vault.outcomes().values()) == {1}
    assert len(vault.outcomes()) == 3
    vault.check()


def test_q11_the_others_do_not_wait_until_a_deadly_task_is_given_up(vault: Vault) -> None:
    """They die with it once, together; then it is known who died twice, and that one comes last."""
    vault.drop("a.md", "---\npriority: critical\ntype: status\n---\nPOISON\n")
    for n in range(5):
        vault.drop(f"n{n}.md", f"Write {n} to memory/{n}.md\n")
    for _ in range(MAX_ATTEMPTS):
        assert killed_once(vault, "run")
    assert [line["status"] for line in vault.ledger()] == ["done"] * 5
    assert vault.inbox() == ["a.md"]


def test_q21_a_worker_that_is_told_to_end_finishes_what_it_has_in_hand(vault: Vault) -> None:
    with vault.worker() as worker:
        for n in range(30):
            vault.drop(f"t{n}.md", f"Write {n} to memory/{n}.md\n")
        wait_for(vault.outcomes, what="the first outcome")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
    done = vault.outcomes()
    assert set(done.values()) == {1}
    assert len(done) + len(vault.inbox()) == 30, "a task is either done and gone, or waits"
    assert vault.git("status", "--porcelain", "-uall", "--", "outbox", "memory") == ""
    vault.check()
    vault.run_once()
    assert len(vault.outcomes()) == 30
    assert set(vault.outcomes().values()) == {1}


def test_q21_a_worker_killed_at_any_moment_loses_nothing_and_repeats_nothing(vault: Vault) -> None:
    """Eight lives: each is killed as soon as it has committed something, while tasks keep coming."""
    dropped = 0
    for _ in range(8):
        before = len(vault.subjects())
        with vault.worker() as worker:
            for _ in range(12):
                dropped += 1
                vault.drop(
                    f"t{dropped}.md", f'---\ntype: file\nop: append\npath: memory/{dropped}.md\ntext: "x"\n---\n'
                )
            wait_for(lambda before=before: len(vault.subjects()) > before, what="a commit")
            worker.kill()
            worker.wait()
        wait_for(lambda: not vault.processes(), what="processes to end")
        assert [lock for lock in vault.locks() if "gofer-index" not in lock] == []
        vault.commit("mine")
    vault.run_once()
    outcomes = vault.outcomes()
    assert len(outcomes) == dropped
    assert set(outcomes.values()) == {1}
    assert {(vault.root / f"memory/{n}.md").read_text() for n in range(1, dropped + 1)} == {"x\n"}
    assert len(vault.reports()) == dropped
    assert vault.inbox() == []
    vault.check()


def test_q15_a_lost_state_folder_is_made_anew_and_nothing_runs_twice(vault: Vault) -> None:
    for n in range(3):
        vault.drop(f"t{n}.md", f'---\ntype: file\nop: append\npath: memory/{n}.md\ntext: "x"\n---\n')
    vault.run_once()
    shutil.rmtree(vault.state)
    assert vault.run_once(ok=(0,))["tasks"] == []
    vault.drop("t9.md", "Write 9 to memory/9.md\n")
    assert vault.run_once(ok=(0,))["done"] == 1
    assert len(vault.outcomes()) == 4
    assert set(vault.outcomes().values()) == {1}
    assert {(vault.root / f"memory/{n}.md").read_text() for n in range(3)} == {"x\n"}
    assert vault.git("status", "--porcelain") == ""
    vault.check()


@pytest.mark.parametrize("damage", ["objects.git/HEAD", "objects.git/objects", "journal.jsonl"])
def test_g21_damaged_state_repairs_itself(vault: Vault, damage: str) -> None:
    vault.drop("a.md", "Write 1 to memory/a.md\n")
    vault.run_once()
    place = vault.state / damage
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.write_bytes(b'\0\xff{"owe": 3')
    vault.drop("b.md", "Write 2 to memory/b.md\n")
    assert vault.run_once(ok=(0,))["done"] == 1
    assert len(vault.outcomes()) == 2
    vault.check()


def test_q15_state_that_is_lost_between_delivery_and_commit_repeats_no_effect(tmp_path: Path) -> None:
    text = '---\ntype: file\nop: append\npath: memory/a.md\ntext: "x"\n---\n'
    vault = crashed_at("commit built", tmp_path, text)
    shutil.rmtree(vault.state)
    vault.run_once()
    assert (vault.root / "memory/a.md").read_text() == "x\n"
    assert len(vault.reports()) == 1
    assert vault.inbox() == []


@pytest.mark.skipif(STRACE is None, reason="strace is not installed: the order of the system calls cannot be seen")
def test_q16_every_file_is_on_disk_before_it_gets_its_name_and_its_folder_after(vault: Vault, tmp_path: Path) -> None:
    vault.drop("a.md", "Write 1 to memory/new/a.md\n")
    log = tmp_path / "calls.txt"
    calls = "rename,renameat,renameat2,link,linkat,fsync,fdatasync,syncfs"
    subprocess.run(
        [str(STRACE), "-f", "-y", "-qq", "-s", "300", "-o", str(log), "-e", f"trace={calls}", *GOFER, "run", "--once"],
        cwd=vault.root, env=vault.env, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    synced: set[str] = set()
    owed: dict[str, str] = {}  # folder → the file in it that is not safe until the folder is
    placed = []
    everything = False
    for line in log.read_text().splitlines():
        if found := re.search(r"\b(?:fsync|fdatasync)\(\d+<([^>]+)>\) += 0", line):
            synced.add(found[1])
            owed.pop(found[1], None)
        elif re.search(r"\bsyncfs\(", line):
            everything = True
        elif found := re.search(
            r'\brename(?:at2?)?\((?:\d+<([^>]+)>, )?"([^"]+)", (?:\d+<([^>]+)>, )?"([^"]+)".* = 0', line
        ):
            old = f"{found[1]}/{found[2]}" if found[1] else found[2]
            new = f"{found[3]}/{found[4]}" if found[3] else found[4]
            if new.startswith(f"{vault.root}/") and "/.git/" not in new:
                assert old in synced or everything, f"{new} got its name before its bytes were on disk"
                placed.append(new.removeprefix(f"{vault.root}/"))
                owed[new.rpartition("/")[0]] = new
    assert "memory/new/a.md" in placed
    assert any(path.startswith("outbox/") for path in placed)
    assert any(path.startswith("memory/tasks/") for path in placed)
    assert any(path.startswith("memory/ledger/") for path in placed)
    assert owed == {}


def test_q02_a_journal_that_ends_in_half_a_line_is_read_up_to_it(tmp_path: Path) -> None:
    vault = crashed_at("outcomes recorded", tmp_path, "Write 1 to memory/a.md\n")
    journal = vault.state / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-40])  # the record of the outcome is cut: it counts as not recorded
    assert json.loads(whole.splitlines()[-1])["owe"]["status"] == "done"
    vault.run_once()
    assert (vault.root / "memory/a.md").read_text() == "1\n"
    assert list(vault.outcomes().values()) == [1]
    vault.check()
