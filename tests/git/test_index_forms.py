"""Every form that git's index can have survives, with all that the person has put into it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import Vault, git, home_of, make_vault


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = make_vault(tmp_path)
    for name in ("one", "two", "three"):
        vault.write(f"notes/{name}.md", f"{name}\n")
    vault.commit()
    return vault


def index_of(vault: Vault) -> bytes:
    return (vault.root / ".git/index").read_bytes()


def version_4(vault: Vault) -> Callable[[], object]:
    vault.git("update-index", "--index-version=4")
    assert index_of(vault)[4:8] == b"\0\0\0\4"
    return lambda: index_of(vault)[4:8] == b"\0\0\0\4"


def version_3(vault: Vault) -> Callable[[], object]:
    vault.write("notes/intended.md", "intended\n")
    vault.git("add", "--intent-to-add", "notes/intended.md")
    assert index_of(vault)[4:8] == b"\0\0\0\3"
    return lambda: index_of(vault)[4:8] == b"\0\0\0\3"


def split(vault: Vault) -> Callable[[], object]:
    vault.git("config", "core.splitIndex", "true")
    vault.git("update-index", "--split-index")
    assert b"link" in index_of(vault)
    return lambda: b"link" in index_of(vault) and list((vault.root / ".git").glob("sharedindex.*"))


def untracked_cache(vault: Vault) -> Callable[[], object]:
    vault.git("config", "core.untrackedCache", "true")
    vault.git("update-index", "--force-untracked-cache")
    vault.git("status")
    assert b"UNTR" in index_of(vault)
    return lambda: b"UNTR" in index_of(vault)


def assume_unchanged(vault: Vault) -> Callable[[], object]:
    vault.git("update-index", "--assume-unchanged", "notes/one.md")
    vault.git("update-index", "--skip-worktree", "notes/two.md")
    vault.write("notes/one.md", "changed all the same\n")
    vault.write("notes/two.md", "changed too\n")
    return lambda: vault.git("status", "--porcelain", "notes/one.md", "notes/two.md") == ""


def conflicts(vault: Vault) -> Callable[[], object]:
    """Stages 1 to 3 without an operation in progress, as `git checkout -m` and `git stash pop` leave them."""
    blob = vault.git("rev-parse", "HEAD:notes/one.md").strip()
    lines = "".join(f"100644 {blob} {stage}\tnotes/both.md\n" for stage in (1, 2, 3))
    vault.git("update-index", "--index-info", stdin=lines)
    return lambda: vault.git("ls-files", "--unmerged").count("notes/both.md") == 3


def executable(vault: Vault) -> Callable[[], object]:
    vault.git("update-index", "--chmod=+x", "notes/one.md")
    return lambda: vault.git("ls-files", "--stage", "notes/one.md").startswith("100755")


def odd_names(vault: Vault) -> Callable[[], object]:
    names = ["notes/ä ö.md", 'notes/a "quoted" one.md', "notes/tab\there.md", "notes/new\nline.md", "notes/-dash.md"]
    for name in names:
        vault.write(name, "odd\n")
    vault.git("add", "notes")
    return lambda: set(names) <= set(vault.git("ls-files", "-z", "notes").split("\0"))


@pytest.mark.parametrize(
    "form",
    [version_4, version_3, split, untracked_cache, assume_unchanged, conflicts, executable, odd_names],
    ids=lambda form: form.__name__,
)
def test_g02_a_form_of_the_index_survives_with_all_that_is_in_it(
    vault: Vault, form: Callable[[Vault], Callable[[], object]]
) -> None:
    survives = form(vault)
    vault.write("notes/staged.md", "staged\n")
    vault.git("add", "notes/staged.md")
    vault.write("notes/three.md", "edited\n")
    vault.drop("tracked.md", "Write 1 to memory/tracked.md\n")
    vault.git("add", "inbox/tracked.md")
    vault.drop("loose.md", "Write 2 to memory/loose.md\n")

    def theirs() -> tuple[str, ...]:
        return (
            vault.git("ls-files", "--stage", "-v", "-z", "--", "notes"),
            vault.git("diff", "--cached", "--raw", "--no-abbrev", "-z", "--", "notes"),
            vault.git("diff", "--raw", "--no-abbrev", "-z", "--", "notes"),
        )

    before = theirs()
    assert survives()
    vault.run_once(ok=(0,))
    assert theirs() == before
    assert survives()
    assert vault.git("ls-files", "inbox/tracked.md") == ""
    assert sorted(vault.outcomes().values()) == [1, 1]
    assert vault.git("status", "--porcelain", "--", "memory", "outbox", "inbox") == ""
    if form is not conflicts:
        vault.git("commit", "-q", "-m", "mine")
        assert "notes/staged.md" in vault.tracked()
        assert "memory/tracked.md" in vault.tracked()
    vault.check()


def test_g02_a_clone_without_a_checkout_gets_no_index_that_deletes_everything(vault: Vault, tmp_path: Path) -> None:
    other = Vault(tmp_path / "other" / "vault", home_of(tmp_path / "other"))
    (tmp_path / "other" / "config.toml").write_text("[watch]\nsettle_seconds = 0.0\n")
    git(tmp_path, "clone", "-q", "--no-checkout", str(vault.root), str(other.root), env=vault.env)
    other.git("remote", "remove", "origin")
    other.drop("a.md", "Write 1 to memory/a.md\n")
    other.run_once(ok=(0,))
    assert list(other.outcomes().values()) == [1]
    assert "notes/one.md" in other.tracked()
    assert other.git("ls-files") == ""
    other.git("checkout", "-q", "--", ".", ok=(0, 1))
    other.check()


def test_g02_a_repository_with_sha256_names_works_alike(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault", home_of(tmp_path))
    (tmp_path / "config.toml").write_text("[watch]\nsettle_seconds = 0.0\n")
    git(tmp_path, "init", "-q", "--object-format=sha256", str(vault.root), env=vault.env)
    vault.write("notes/one.md", "one\n")
    vault.commit()
    vault.drop("a.md", "Write 1 to memory/a.md\n")
    vault.run_once(ok=(0,))
    assert len(vault.git("rev-parse", "HEAD").strip()) == 64
    assert list(vault.outcomes().values()) == [1]
    assert vault.git("status", "--porcelain") == ""
    vault.check()


def test_g02_reference_storage_may_be_packed_and_the_reflog_tells_what_gofer_did(vault: Vault) -> None:
    vault.git("pack-refs", "--all")
    vault.git("gc", "-q", "--prune=now")
    vault.drop("a.md", "Write 1 to memory/a.md\n")
    vault.run_once(ok=(0,))
    assert list(vault.outcomes().values()) == [1]
    assert "gofer: outcome" in vault.git("reflog", "-1", "main")
    vault.git("gc", "-q", "--prune=now")
    vault.drop("b.md", "Write 2 to memory/b.md\n")
    vault.run_once(ok=(0,))
    assert sorted(vault.outcomes().values()) == [1, 1]
    vault.check()


def test_g02_an_edit_in_the_same_second_as_its_git_add_is_still_seen_by_git(vault: Vault) -> None:
    """Same size, same second, same inode: git sees it only by comparing with the time of the index file."""
    note = vault.root / "notes/one.md"
    for _ in range(20):
        note.write_text("aaaa\n")
        vault.git("add", "notes/one.md")
        note.write_text("bbbb\n")
        if int(note.stat().st_mtime) == int((vault.root / ".git/index").stat().st_mtime):
            break
    copy = vault.root.parent / "index"
    shutil.copy2(vault.root / ".git/index", copy)
    assert "notes/one.md" in git(vault.root, "diff", "--name-only", env={**vault.env, "GIT_INDEX_FILE": str(copy)})
    vault.drop("a.md", "Write 1 to memory/a.md\n")
    vault.run_once(ok=(0,))
    assert vault.git("status", "--porcelain", "notes") == "MM notes/one.md\n"
