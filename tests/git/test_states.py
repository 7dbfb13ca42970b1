"""What the person is in the middle of stays as it is; results wait, and are published when it is over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import Vault, clone, git, home_of, make_vault, snapshot, wait_for

TASK = "Write 1 to memory/a.md\n"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """A vault with a side branch that conflicts with main in notes/same.md."""
    vault = make_vault(tmp_path)
    vault.write("notes/same.md", "base\n")
    vault.commit("base")
    vault.git("switch", "-q", "-c", "side")
    vault.write("notes/same.md", "side\n")
    vault.commit("side")
    vault.git("switch", "-q", "main")
    vault.write("notes/same.md", "main\n")
    vault.commit("main")
    vault.write("notes/untracked.md", "untracked\n")
    return vault


def merge(vault: Vault) -> None:
    vault.git("merge", "side", ok=(1,))


def rebase(vault: Vault) -> None:
    vault.git("rebase", "side", ok=(1,))


def cherry_pick(vault: Vault) -> None:
    vault.git("cherry-pick", "side", ok=(1,))


def revert(vault: Vault) -> None:
    vault.git("revert", "--no-edit", "HEAD~1", ok=(1,))


def bisect(vault: Vault) -> None:
    vault.git("bisect", "start", "HEAD", "HEAD~2")


def detach(vault: Vault) -> None:
    vault.git("switch", "-q", "--detach", "HEAD~1")


def lock_index(vault: Vault) -> None:
    (vault.root / ".git/index.lock").touch()


def write_message(vault: Vault) -> None:
    """`git commit` is waiting for its editor."""
    ref = max(path.stat().st_mtime_ns for path in (vault.root / ".git/logs/HEAD", vault.root / ".git/refs/heads/main"))
    message = vault.root / ".git/COMMIT_EDITMSG"
    message.write_text("half a mess")
    wait_for(lambda: (message.write_text("half a mess"), message.stat().st_mtime_ns > ref)[1])


STATES: dict[Callable[[Vault], None], tuple[str, ...]] = {
    merge: ("merge", "--abort"),
    rebase: ("rebase", "--abort"),
    cherry_pick: ("cherry-pick", "--abort"),
    revert: ("revert", "--abort"),
    bisect: ("bisect", "reset"),
    detach: ("switch", "-q", "main"),
    lock_index: (),
    write_message: ("commit", "-q", "--allow-empty", "-m", "written"),
}


def private(vault: Vault) -> dict[str, bytes]:
    """The whole git directory but new objects."""
    return snapshot(vault.root / ".git", skip=("objects/",))


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_g14_an_operation_in_progress_is_left_alone_and_results_follow_when_it_is_over(
    vault: Vault, state: Callable[[Vault], None]
) -> None:
    state(vault)
    theirs, before = snapshot(vault.root / "notes"), private(vault)
    status = vault.git("status", "--porcelain=v2", "--", "notes")
    before_index = (vault.root / ".git/index").read_bytes()

    vault.drop("a.md", TASK)
    vault.run_once(ok=(0, 3))

    after = private(vault)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} <= {"index"}
    assert before_index == after["index"] or "index" not in before  # `git status` below may refresh it, Gofer may not
    assert snapshot(vault.root / "notes") == theirs
    assert vault.git("status", "--porcelain=v2", "--", "notes") == status
    assert not vault.outcomes("main")
    assert list(vault.reports()) != []  # without a remote the person sees it at once
    told = vault.gofer("status")
    assert told.returncode in (0, 1), told.stderr

    if state is lock_index:
        (vault.root / ".git/index.lock").unlink()
    else:
        vault.git(*STATES[state])
    if state is write_message:
        assert vault.git("log", "-1", "--format=%s").strip() == "written"
    vault.run_once(ok=(0,))
    assert list(vault.outcomes("main").values()) == [1]
    assert vault.inbox() == []
    assert vault.git("status", "--porcelain", "--", "memory", "outbox", "inbox") == ""
    vault.check()


def test_g14_status_says_why_results_wait(vault: Vault) -> None:
    merge(vault)
    vault.drop("a.md", TASK)
    with vault.worker():
        wait_for(vault.reports, what="the report")
        wait_for(lambda: "a merge is in progress" in vault.gofer("status").stdout, what="status to say why")
        vault.git("merge", "--abort")
        wait_for(vault.outcomes, what="the outcome after the merge")
    vault.check()


def test_g14_a_worker_in_a_long_merge_does_not_write_the_same_again_and_again(vault: Vault) -> None:
    merge(vault)
    vault.drop("a.md", TASK)
    vault.drop("b.md", "---\npriority: hgih\n---\nWrite 1 to memory/b.md\n")
    for _ in range(3):
        vault.run_once(ok=(0, 1, 3))
    journal = (vault.state / "journal.jsonl").read_text()
    assert journal.count('{"owe"') == 2
    vault.git("merge", "--abort")
    vault.run_once()
    assert sorted(vault.outcomes().values()) == [1, 1]


def test_g14_a_branch_without_a_commit_gets_its_first_one(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault", home_of(tmp_path))
    (tmp_path / "config.toml").write_text("[watch]\nsettle_seconds = 0.05\n")
    git(tmp_path, "init", "-q", str(vault.root), env=vault.env)
    vault.write("notes/mine.md", "mine\n")
    vault.git("add", "notes/mine.md")
    vault.drop("a.md", TASK)
    vault.run_once(ok=(0,))
    assert list(vault.outcomes().values()) == [1]
    assert vault.git("diff", "--cached", "--name-status") == "A\tnotes/mine.md\n"
    vault.git("commit", "-q", "-m", "mine")
    assert "notes/mine.md" in vault.tracked()
    assert "memory/a.md" in vault.tracked()
    vault.check()


def test_g14_a_shallow_clone_stays_shallow(vault: Vault, tmp_path: Path) -> None:
    vault.git("config", "receive.denyCurrentBranch", "ignore")
    other = clone(vault, tmp_path / "other", "--depth=1", "--no-local")
    boundary = (other.root / ".git/shallow").read_bytes()
    other.drop("a.md", TASK)
    other.run_once(ok=(0,))
    assert list(other.outcomes().values()) == [1]
    assert (other.root / ".git/shallow").read_bytes() == boundary
    other.check()


@pytest.mark.parametrize("index", ["full", "sparse"])
def test_g14_a_sparse_checkout_stays_sparse(vault: Vault, tmp_path: Path, index: str) -> None:
    vault.write("wide/deep/left-out.md", "left out\n")
    vault.commit()
    vault.git("config", "core.sparseCheckout", "true")
    vault.git(
        "sparse-checkout",
        "set",
        *(["--sparse-index"] if index == "sparse" else ["--no-sparse-index"]),
        "notes",
        "inbox",
        "prompts",
        "memory",
    )
    assert not (vault.root / "wide").exists()
    vault.drop("a.md", TASK)
    vault.run_once(ok=(0,))
    assert not (vault.root / "wide").exists()
    assert vault.git("status", "--porcelain", "--", "notes", "wide", "memory", "inbox") == ""
    assert "wide/deep/left-out.md" in vault.tracked()
    assert list(vault.outcomes().values()) == [1]
    vault.git("commit", "-q", "--allow-empty", "-m", "mine")
    assert "wide/deep/left-out.md" in vault.tracked()
    vault.check()


def test_g14_a_linked_work_tree_is_a_vault_and_leaves_the_main_one_alone(vault: Vault, tmp_path: Path) -> None:
    vault.git("worktree", "add", "-q", "-b", "linked", str(tmp_path / "linked"))
    linked = Vault(tmp_path / "linked", vault.env)
    head, index = vault.git("rev-parse", "HEAD"), (vault.root / ".git/index").read_bytes()
    linked.drop("a.md", TASK)
    linked.run_once(ok=(0,))
    assert list(linked.outcomes().values()) == [1]
    assert linked.git("status", "--porcelain") == ""
    assert vault.git("rev-parse", "HEAD") == head
    assert (vault.root / ".git/index").read_bytes() == index
    linked.check()


def test_g14_a_submodule_is_a_vault_and_its_parent_is_left_alone(vault: Vault, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    vault.git("config", "receive.denyCurrentBranch", "ignore")
    git(tmp_path, "init", "-q", str(parent), env=vault.env)
    git(parent, "submodule", "--quiet", "add", str(vault.root), "vault", env=vault.env)
    git(parent, "commit", "-q", "-m", "parent", env=vault.env)
    inner = Vault(parent / "vault", vault.env)
    before = snapshot(parent / ".git", skip=("modules/",))
    inner.drop("a.md", TASK)
    inner.run_once(ok=(0,))
    assert list(inner.outcomes().values()) == [1]
    assert inner.git("status", "--porcelain") == ""
    after = snapshot(parent / ".git", skip=("modules/",))
    assert after == before
    inner.check()


def test_g26_a_submodule_inside_the_vault_is_not_entered(vault: Vault, tmp_path: Path) -> None:
    inner = tmp_path / "library"
    git(tmp_path, "init", "-q", str(inner), env=vault.env)
    git(inner, "commit", "-q", "--allow-empty", "-m", "library", env=vault.env)
    vault.git("submodule", "--quiet", "add", str(inner), "library")
    vault.git("commit", "-q", "-m", "with a library")
    link = vault.git("ls-files", "--stage", "library")
    before = snapshot(vault.root / ".git/modules")
    vault.drop("a.md", TASK)
    vault.drop("b.md", "Write 2 to library/b.md\n")
    vault.run_once()
    assert vault.git("ls-files", "--stage", "library") == link
    assert vault.git("ls-tree", "HEAD", "library").split()[:3] == ["160000", "commit", link.split()[1]]
    assert snapshot(vault.root / ".git/modules") == before
    vault.check()


def test_g36_git_status_shows_nothing_of_gofers_and_a_pull_elsewhere_is_a_fast_forward(
    vault: Vault, tmp_path: Path
) -> None:
    (vault.root / "notes/untracked.md").unlink()
    other = clone(vault, tmp_path / "other")
    vault.drop("a.md", TASK)
    vault.drop("b.md", "Review PR #214 and leave substantive comments\n")
    vault.run_once(ok=(0,))
    assert vault.git("status", "--porcelain", "--ignored", "-uall") == ""
    assert vault.git("diff", "HEAD", "--stat") == ""
    assert "up to date" in other.git("pull", "--ff-only", "-q") + other.git("pull", "--ff-only")
    assert other.git("rev-parse", "HEAD") == vault.git("rev-parse", "HEAD")
    assert (other.root / "memory/a.md").read_text() == "1\n"
    assert other.git("status", "--porcelain") == ""


def test_g01_a_report_that_the_person_took_out_of_the_outbox_leaves_the_branch_with_the_next_outcome(
    vault: Vault,
) -> None:
    vault.drop("a.md", TASK)
    vault.run_once(ok=(0,))
    (report,) = (vault.root / "outbox").glob("a-*.md")
    report.unlink()
    vault.drop("b.md", "Write 2 to memory/b.md\n")
    vault.run_once(ok=(0,))
    assert [path for path in vault.tracked("outbox") if "/a-" in path] == []
    assert not report.exists()
    assert vault.git("status", "--porcelain", "--", "outbox") == ""


def test_q02_an_effect_that_the_person_has_built_upon_is_not_made_a_second_time(vault: Vault) -> None:
    """The task appended a line; the person edits the file before the branch could follow, and the worker restarts."""
    merge(vault)
    vault.drop("a.md", '---\ntype: file\nop: append\npath: notes/log.md\ntext: "x"\n---\n')
    vault.run_once(ok=(0, 3))
    assert (vault.root / "notes/log.md").read_text() == "x\n"
    vault.write("notes/log.md", "x\nand mine\n")
    vault.git("merge", "--abort")
    vault.run_once()
    assert (vault.root / "notes/log.md").read_text() == "x\nand mine\n"
    assert list(vault.outcomes().values()) == [1]


@pytest.mark.skipif(os.geteuid() != 0, reason="another owner can only be made by root")
def test_g28_a_repository_of_another_owner_is_refused_with_what_to_do(vault: Vault) -> None:
    for path in [vault.root, *vault.root.rglob("*")]:
        os.chown(path, 12345, 12345, follow_symlinks=False)
    before = snapshot(vault.root)
    done = vault.gofer("run", "--once")
    assert done.returncode == 2
    assert "belongs to another user" in done.stderr
    assert "safe.directory" in done.stderr
    assert "safe.directory=*" not in done.stderr
    assert "safe.directory" not in (Path(vault.env["HOME"]) / ".gitconfig").read_text()
    assert snapshot(vault.root) == before
