"""Every form of a clone: shallow, partial, sparse, linked, a submodule; and what a remote may hold that is no note."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import Vault, git, snapshot
from tests.sync.support import Clone, Fleet, append, config_of, write

TASK = append("once")


def grow(clone: Clone) -> None:
    """Some history, with a folder that a sparse checkout can leave out."""
    for number in range(4):
        clone.write(f"wide/deep/{number}.md", f"{number}\n")
        clone.write("notes/same.md", f"version {number}\n")
        clone.commit(f"number {number}")
    clone.push()


def test_g14_a_shallow_clone_stays_shallow_and_is_merged_with_the_remote(fleet: Fleet, a: Clone) -> None:
    grow(a)
    fleet.bare.configure("uploadpack.allowFilter", "true")
    b = fleet.clone("b", "--depth=1", url=f"file://{fleet.remote.path}")
    boundary = (b.git_dir / "shallow").read_bytes()
    b.drop("t.md", TASK)
    b.drain()
    assert list(fleet.outcomes().values()) == [1]
    a.pull()
    a.share("notes/theirs.md", "theirs\n")
    b.write("notes/mine.md", "mine\n")
    b.commit("mine")
    b.drain()
    assert b.head == fleet.tip()
    assert b.text("notes/theirs.md") == "theirs\n"
    assert (b.git_dir / "shallow").read_bytes() == boundary
    fleet.unharmed(b)


def test_g35_a_partial_clone_works_with_what_it_has(fleet: Fleet, a: Clone) -> None:
    grow(a)
    fleet.bare.configure("uploadpack.allowFilter", "true")
    fleet.bare.configure("uploadpack.allowAnySHA1InWant", "true")
    b = fleet.clone("b", "--filter=blob:none", url=f"file://{fleet.remote.path}")
    b.drop("t.md", TASK)
    b.drain()
    a.pull()
    a.share("notes/same.md", "theirs\n")
    b.write("notes/mine.md", "mine\n")
    b.commit("mine")
    b.drain()
    assert b.head == fleet.tip()
    assert b.text("notes/same.md") == "theirs\n"
    fleet.unharmed(b)


@pytest.mark.parametrize("kind", ["cone", "sparse-index", "patterns"])
def test_g14_a_sparse_clone_stays_sparse_while_it_follows(fleet: Fleet, a: Clone, kind: str) -> None:
    grow(a)
    b = fleet.clone("b")
    if kind == "patterns":
        b.git("sparse-checkout", "set", "--no-cone", "/*", "!/wide/", "!/out*/")
    else:
        b.git("sparse-checkout", "set", *(["--sparse-index"] if kind == "sparse-index" else []), "notes", "inbox",
              "prompts", "memory", "outbox")  # fmt: skip
    assert not (b.root / "wide").exists()
    b.config.clear()
    b.config.update(config_of(b))
    a.write("wide/deep/1.md", "changed\n")
    a.write("wide/new.md", "new\n")
    a.write("wider/newer.md", "new\n")
    (a.root / "wide/deep/2.md").unlink()
    a.write("notes/theirs.md", "theirs\n")
    a.commit()
    a.push()
    b.drop("t.md", TASK)
    b.drain()
    assert b.head == fleet.tip()
    assert b.text("notes/theirs.md") == "theirs\n"
    assert not (b.root / "wide").exists()
    assert (b.root / "wider").exists() == (kind == "patterns")
    assert b.status() == []
    b.git("commit", "-q", "--allow-empty", "-m", "mine")
    assert {"wide/new.md", "wide/deep/1.md", "wider/newer.md"} <= set(b.tracked())
    assert "wide/deep/2.md" not in b.tracked()
    fleet.unharmed(b)


def test_g14_a_linked_work_tree_follows_and_the_main_one_is_left_alone(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.git("worktree", "add", "-q", "-b", "linked", str(fleet.place / "linked"))
    linked = Clone(fleet.place / "linked", a.env, "linked")
    linked.git("push", "-q", "-u", "origin", "linked")
    before, index = a.head, (a.git_dir / "index").read_bytes()
    b.git("fetch", "-q")
    b.git("switch", "-q", "linked")
    b.share("notes/theirs.md", "theirs\n")
    linked.drop("t.md", TASK)
    linked.drain()
    assert list(fleet.outcomes("linked").values()) == [1]
    assert linked.head == fleet.tip("linked")
    assert linked.text("notes/theirs.md") == "theirs\n"
    assert linked.status() == []
    assert a.head == before
    assert (a.git_dir / "index").read_bytes() == index
    linked.check()


def test_g14_a_submodule_is_a_vault_of_its_own_and_its_parent_is_left_alone(fleet: Fleet, a: Clone) -> None:
    parent = fleet.place / "parent"
    git(fleet.place, "init", "-q", "-b", "main", str(parent), env=a.env)
    git(parent, "submodule", "--quiet", "add", "-b", "main", fleet.remote.url, "vault", env=a.env)
    git(parent, "commit", "-q", "-m", "parent", env=a.env)
    inner = Clone(parent / "vault", a.env, "inner")
    before = snapshot(parent / ".git", skip=("modules/",))
    inner.drop("t.md", TASK)
    inner.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert inner.status() == []
    assert inner.head == fleet.tip()
    assert snapshot(parent / ".git", skip=("modules/",)) == before
    Vault(parent / "vault", a.env).check()


def test_g26_a_submodule_that_the_remote_adds_is_noted_and_not_entered(fleet: Fleet, a: Clone, b: Clone) -> None:
    inner = fleet.place / "library"
    git(fleet.place, "init", "-q", "-b", "main", str(inner), env=a.env)
    git(inner, "commit", "-q", "--allow-empty", "-m", "library", env=a.env)
    b.drain()
    a.git("submodule", "--quiet", "add", str(inner), "library")
    a.commit("with a library")
    a.push()
    b.drop("t.md", TASK)
    b.drain()
    assert b.head == fleet.tip()
    assert b.git("ls-tree", "HEAD", "library").split()[:2] == ["160000", "commit"]
    assert b.git("diff", "--cached", "HEAD") == ""
    assert not (b.root / "library").exists() or os.listdir(b.root / "library") == []
    assert not (b.git_dir / "modules").exists()


def test_s13_links_within_the_vault_come_change_and_go_like_files(fleet: Fleet, a: Clone, b: Clone) -> None:
    b.drain()
    os.symlink("log.md", a.root / "notes/link.md")
    os.symlink("../notes", a.root / "inbox/folder")
    a.write("notes/kind.md", "a file\n")
    a.commit()
    a.push()
    b.drain()
    assert os.readlink(b.root / "notes/link.md") == "log.md"
    assert os.readlink(b.root / "inbox/folder") == "../notes"
    fleet.unharmed(b)
    (a.root / "notes/link.md").unlink()
    os.symlink("same.md", a.root / "notes/link.md")
    (a.root / "inbox/folder").unlink()
    (a.root / "notes/kind.md").unlink()
    os.symlink("log.md", a.root / "notes/kind.md")
    a.commit()
    a.push()
    b.drain()
    assert os.readlink(b.root / "notes/link.md") == "same.md"
    assert os.readlink(b.root / "notes/kind.md") == "log.md"
    assert not os.path.lexists(b.root / "inbox/folder")
    fleet.unharmed(b)
    (a.root / "notes/kind.md").unlink()
    a.write("notes/kind.md", "a file again\n")
    a.commit()
    a.push()
    b.drain()
    assert not (b.root / "notes/kind.md").is_symlink()
    assert b.text("notes/kind.md") == "a file again\n"
    fleet.unharmed()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "../.git/config", "../.GIT/hooks"])
def test_s13_a_link_that_leads_out_of_the_vault_waits_for_the_person(
    fleet: Fleet, a: Clone, b: Clone, target: str
) -> None:
    b.drain()
    os.symlink(target, a.root / "notes/link.md")
    a.commit()
    a.push()
    b.drop("t.md", TASK)
    with b.desk() as driven:
        driven.settle()
        assert "notes/link.md, which leads out of the vault" in driven.stuck
    assert list(fleet.outcomes().values()) == [1]
    assert not os.path.lexists(b.root / "notes/link.md")


def test_s13_a_persons_file_where_the_remote_has_a_link_is_in_the_way(fleet: Fleet, a: Clone, b: Clone) -> None:
    b.drain()
    os.symlink("log.md", a.root / "notes/link.md")
    a.commit()
    a.push()
    b.write("notes/link.md", "mine\n")
    b.drop("t.md", TASK)
    with b.desk() as driven:
        driven.settle()
        assert "notes/link.md" in driven.stuck
    assert b.text("notes/link.md") == "mine\n"


def test_s11_nothing_is_written_through_a_link_of_the_persons(fleet: Fleet, a: Clone, b: Clone) -> None:
    outside = fleet.place / "outside"
    outside.mkdir()
    b.drain()
    os.symlink(outside, b.root / "linked")
    a.share("linked/file.md", "theirs\n")
    b.drop("t.md", TASK)
    with b.desk() as driven:
        driven.settle()
        assert "linked" in driven.stuck
    assert os.listdir(outside) == []


@pytest.mark.parametrize("at_once", [True, False])
def test_g24_a_repository_that_the_remote_hides_in_the_vault_is_not_followed(
    fleet: Fleet, a: Clone, b: Clone, at_once: bool
) -> None:
    b.drain()
    a.write("notes/bare/HEAD", "ref: refs/heads/main\n")
    a.write("notes/bare/objects/x", "")
    a.write("notes/bare/config", "[core]\n\tfsmonitor = touch /tmp/harmed\n")
    if not at_once:
        a.commit("one half")
        a.push()
        b.drain()
        assert b.head == fleet.tip()
    a.write("notes/bare/refs/x", "")
    a.commit("the other half")
    a.push()
    b.drop("t.md", TASK)
    with b.desk() as driven:
        driven.settle()
        assert "a repository inside the vault (notes/bare)" in driven.stuck
    assert not (b.root / "notes/bare/refs").exists()
    assert list(fleet.outcomes().values()) == [1]


def test_odd_names_from_the_remote_are_followed_or_named(fleet: Fleet, a: Clone, b: Clone) -> None:
    b.drain()
    for name in ("tab\there.md", 'quote"s.md', "back\\slash.md", "-dash.md", "ä ö.md", "..twodots", "a:b.md"):
        (a.root / "notes" / name).write_text(name)
    a.commit()
    a.push()
    b.drain()
    if b.head != fleet.tip():
        with b.desk() as driven:
            driven.settle()
            assert "in the way" in str(driven.said["reason"])
        for name in ("tab\there.md", "back\\slash.md"):
            (a.root / "notes" / name).unlink()
        a.commit()
        a.push()
        b.drain()
    assert b.head == fleet.tip()
    fleet.unharmed()


def test_g28_filters_hooks_and_attributes_of_a_pusher_do_nothing(
    fleet: Fleet, a: Clone, b: Clone, tmp_path: Path
) -> None:
    b.drain()
    b.git("config", "filter.evil.smudge", f"touch {tmp_path}/smudged; cat")
    b.git("config", "filter.evil.clean", f"touch {tmp_path}/cleaned; cat")
    b.git("config", "merge.evil.driver", f"touch {tmp_path}/merged; false")
    for hook in ("post-merge", "post-checkout", "reference-transaction", "pre-push", "post-index-change"):
        (b.git_dir / "hooks").mkdir(exist_ok=True)
        (b.git_dir / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
        (b.git_dir / "hooks" / hook).chmod(0o755)
    a.write(".gitattributes", "*.md filter=evil merge=evil working-tree-encoding=UTF-16\n")
    git(a.root, "-c", "core.attributesFile=/dev/null", "add", ".gitattributes", env=a.env)
    a.git("commit", "-q", "-m", "attributes")
    a.push()
    b.write("notes/mine.md", "mine\n")
    b.git("-c", "core.hooksPath=/dev/null", "add", "notes/mine.md")
    git(b.root, "-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "mine",
        env={**b.env, "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z"})  # fmt: skip
    b.drop("t.md", TASK)
    b.drain()
    assert b.head == fleet.tip()
    assert [name for name in ("smudged", "cleaned", "merged", "hooked") if (tmp_path / name).exists()] == []


def test_one_text_in_two_folders_is_two_tasks(fleet: Fleet, a: Clone, b: Clone) -> None:
    a.drop("one/t.md", TASK)
    a.drop("two/t.md", TASK)
    a.commit("two tasks")
    a.push()
    b.drain()
    assert sorted(fleet.outcomes().values()) == [1, 1]
    assert fleet.text("notes/log.md") == "once\nonce\n"
    a.drain()
    fleet.unharmed()


def test_a_deep_vault_of_unknown_settings_is_exchanged(fleet: Fleet, a: Clone) -> None:
    a.git("config", "fetch.prune", "true")
    a.git("config", "push.default", "nothing")
    a.git("config", "remote.origin.push", "HEAD:refs/for/main")
    a.git("config", "remote.origin.mirror", "true")
    a.git("config", "pull.rebase", "true")
    a.config.update(config_of(a))
    a.drop("t.md", write("1", "notes/one.md"))
    a.drain()
    assert list(fleet.outcomes().values()) == [1]
    assert sorted(fleet.bare.refs()) == ["refs/heads/main"]
    fleet.unharmed()
