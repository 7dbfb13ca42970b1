"""One pack a commit, merged again and again: few packs, the same history, and a failed merge that stops nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.git.repository import Repository
from agent.git.store import MERGE_AT, Store


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Repository]:
    """An empty repository in a folder whose name git's environment has to quote."""
    folder = tmp_path / 'a:b "vault'
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    repository = Repository(folder)
    yield repository
    repository.rest()


@pytest.fixture
def store(vault: Repository, tmp_path: Path) -> Iterator[Store]:
    store = Store(vault, tmp_path / "objects.git")
    yield store
    store.close()


def commit(vault: Repository, store: Store, tip: str | None, number: int) -> str:
    made = store.commit(tip, f"commit {number}\n", 1_000_000 + number, {f"f/{number}.md": b"text %d\n" % number})
    vault.git.run("update-ref", "refs/heads/main", made)
    return made


def packs(vault: Repository) -> int:
    return len(list((vault.objects / "pack").glob("*.pack")))


def test_packs_stay_few_and_history_whole_when_they_are_merged_again_and_again(vault: Repository, store: Store) -> None:
    tip = None
    merged = 0
    for number in range(4 * MERGE_AT):
        tip = commit(vault, store, tip, number)
        if store.wants_merging():
            store.merge_packs()
            merged += 1
            assert packs(vault) < MERGE_AT // 2
    assert merged >= 3
    store.close()
    assert vault.git.run("rev-list", "--count", "main").text == str(4 * MERGE_AT)
    assert vault.git.run("fsck", "--strict", "--full").code == 0


def test_g38_packs_that_cannot_be_merged_stay_and_the_next_try_is_not_the_next_moment(
    vault: Repository, store: Store
) -> None:
    tip = None
    for number in range(MERGE_AT):
        tip = commit(vault, store, tip, number)
    store.close()
    broken = next((store.folder / "objects" / "pack").glob("*.pack"))
    whole = broken.read_bytes()
    broken.chmod(0o644)
    inode_of_its_own = broken.with_suffix(".new")  # the vault's pack is the same inode
    inode_of_its_own.write_bytes(whole[:-40])
    inode_of_its_own.replace(broken)

    store.merge_packs()

    assert packs(vault) == MERGE_AT
    assert not store.wants_merging()
    broken.write_bytes(whole)
    commit(vault, store, tip, MERGE_AT)
    assert vault.git.run("fsck", "--strict", "--full").code == 0
