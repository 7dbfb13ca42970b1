"""The worker against a person who edits, stages and commits in the same work tree at the same time."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import Vault, make_vault, wait_for

SECONDS = 10.0
WAYS = (("add", "--all"), ("add", "notes"))


@dataclass
class Person:
    """Edits, stages, commits, and tries again when a command met a lock, as people do."""

    vault: Vault
    commands: int = 0
    blocked: list[str] = field(default_factory=list)
    commits: int = 0

    def git(self, *args: str) -> None:
        def done() -> bool:
            self.commands += 1
            ran = subprocess.run(
                ["git", *args], cwd=self.vault.root, env=self.vault.env, capture_output=True, text=True, check=False
            )
            if ran.returncode:
                self.blocked.append(ran.stderr.strip())
            return ran.returncode == 0

        wait_for(done, what=f"git {args}")

    def work(self) -> None:
        number = self.commits
        self.vault.write(f"notes/{number}.md", f"note {number}\n")
        self.vault.write("notes/same.md", f"version {number}\n")
        self.git(*WAYS[number % len(WAYS)])
        self.git("commit", "-q", "-m", f"mine {number}")
        self.commits += 1


@pytest.mark.slow
def test_g01_a_person_who_works_without_pause_hardly_meets_a_lock_and_loses_nothing(tmp_path: Path) -> None:
    vault, dropped = make_vault(tmp_path), 0
    person = Person(vault)
    with vault.worker():
        end, rest = time.monotonic() + SECONDS, 0.0
        while time.monotonic() < end:
            dropped += 1
            vault.drop(f"t{dropped}.md", f"Write {dropped} to memory/{dropped}.md\n")
            person.work()
            if time.monotonic() > rest:  # a look at what they did, until Gofer has found its quiet moment
                before = person.vault.git("rev-parse", "HEAD")
                wait_for(lambda before=before: vault.git("rev-parse", "HEAD") != before, what="an outcome")
                rest = time.monotonic() + 1.5
        wait_for(lambda: not vault.inbox(), what="an empty inbox")
        wait_for(lambda: len(vault.outcomes()) == dropped, what="all outcomes")

    print(f"{person.commands} commands, {len(person.blocked)} met a lock, {person.commits} commits, {dropped} tasks")
    assert person.commands > 50  # on a slow machine; about 2,000 on a fast one
    assert all("lock" in said or "unable to stat 'inbox/" in said for said in person.blocked), person.blocked
    # The aim is 0.5 %, and the line above prints what it was; on a machine that is busy with other things a person's
    # command is slower, and meets the lock more often. What may never happen is asserted below.
    assert len(person.blocked) <= max(5, person.commands * 0.02)

    assert set(vault.outcomes().values()) == {1}
    assert len(vault.reports()) == dropped
    assert {int((vault.root / f"memory/{n}.md").read_text()) for n in range(1, dropped + 1)} == {*range(1, dropped + 1)}
    assert vault.git("show", "HEAD:notes/same.md") == f"version {person.commits - 1}\n"
    assert len(vault.tracked("notes")) == person.commits + 1
    assert vault.subjects().count("gofer: new vault") == 1
    assert sum(subject.startswith("mine") for subject in vault.subjects()) == person.commits
    deleted = set(vault.git("log", "--diff-filter=D", "--no-renames", "--format=", "--name-only").split())
    assert {path for path in deleted if not path.startswith("inbox/t")} == set()
    assert vault.git("status", "--porcelain") == ""
    vault.check()

    # G02: Gofer's commits hold nothing of theirs.
    gofers = vault.git("log", "--author=gofer@localhost", "--format=", "--name-only", "--no-renames", "HEAD").split()
    assert [path for path in gofers if path.startswith("notes/")] == []


def test_g02_what_the_person_has_staged_edited_or_not_added_is_byte_for_byte_as_before(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    for name in ("staged", "edited", "both", "deleted", "removed", "renamed", "mode"):
        vault.write(f"notes/{name}.md", f"{name} 0\n")
    vault.commit()
    vault.write("notes/stashed.md", "stashed\n")
    vault.git("stash", "push", "-q", "--include-untracked")
    vault.write("notes/staged.md", "staged 1\n")
    vault.write("notes/both.md", "both 1\n")
    vault.write("notes/new.md", "new\n")
    vault.git("add", "notes")
    vault.write("notes/both.md", "both 2\n")
    vault.write("notes/edited.md", "edited 1\n")
    vault.write("notes/untracked.md", "untracked\n")
    vault.write("notes/intended.md", "intended\n")
    vault.git("rm", "-q", "--cached", "notes/removed.md")
    (vault.root / "notes/deleted.md").unlink()
    vault.git("mv", "notes/renamed.md", "notes/new name.md")
    (vault.root / "notes/mode.md").chmod(0o755)
    vault.git("add", "--intent-to-add", "notes/intended.md")
    config = (vault.root / ".git/config").read_bytes()

    def theirs() -> tuple[str, ...]:
        return (
            vault.git("ls-files", "--stage", "--debug", "notes").replace("\n", " "),
            vault.git("diff", "--cached", "--raw", "--no-abbrev", "--", "notes"),
            vault.git("diff", "--raw", "--no-abbrev", "--", "notes"),
            vault.git("status", "--porcelain=v2", "--", "notes"),
            vault.git("stash", "list", "--format=%H"),
        )

    before = theirs()
    vault.drop("a.md", "Write 1 to memory/a.md\n")
    vault.run_once(ok=(0,))
    assert theirs() == before
    assert (vault.root / ".git/config").read_bytes() == config
    vault.check()


def test_g01_a_task_that_was_staged_does_not_come_back_with_the_next_commit(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    vault.drop("a.md", "Write 1 to memory/a.md\n")
    vault.git("add", "inbox/a.md")
    vault.run_once(ok=(0,))
    vault.git("commit", "-q", "--allow-empty", "-m", "mine")
    assert [path for path in vault.tracked("inbox") if path.endswith("a.md")] == []
    assert vault.git("status", "--porcelain") == ""
    assert vault.run_once(ok=(0,))["tasks"] == []


def test_g01_a_task_that_was_edited_after_it_was_staged_stays_as_the_person_staged_it(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    vault.drop("a.md", "Write 2 to memory/two.md\n")
    vault.git("add", "inbox/a.md")
    vault.drop("a.md", "Write 1 to memory/a.md\n")
    vault.run_once(ok=(0,))
    assert vault.git("show", ":inbox/a.md") == "Write 2 to memory/two.md\n"
    assert vault.inbox() == []
