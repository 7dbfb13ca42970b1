"""Nothing that a repository or a pusher names as a program ever runs for Gofer; attributes change no byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import Vault, make_vault, snapshot

HOOKS = (
    "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit", "prepare-commit-msg",
    "commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge", "pre-push", "pre-receive", "update",
    "post-receive", "post-update", "reference-transaction", "push-to-checkout", "pre-auto-gc", "post-rewrite",
    "sendemail-validate", "fsmonitor-watchman", "post-index-change", "proc-receive",
)  # fmt: skip


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = make_vault(tmp_path)
    vault.write("memory/log.md", "one\n")
    vault.commit()
    return vault


def add_a_note_of_tomorrow(vault: Vault) -> None:
    """What is no older than the index may have been edited since: git compares its content, filtered, whenever it
    writes the index. With a clock that runs ahead, or in the second of a `git add`, that happens all the time."""
    note = vault.write("memory/tomorrow.md", "one\n")
    tomorrow = note.stat().st_mtime + 86_400
    os.utime(note, (tomorrow, tomorrow))
    vault.git("add", "memory/tomorrow.md")


def traps(vault: Vault) -> tuple[str, Path]:
    """A program that leaves a mark when it runs, and the folder of the marks."""
    marks = vault.root.parent / "marks"
    marks.mkdir()
    program = vault.root.parent / "trap"
    program.write_text(f'#!/bin/sh\ntr "\\\\0" " " < /proc/$PPID/cmdline > "{marks}/$(basename "$0")-$$"\ncat\n')
    program.chmod(0o755)
    return str(program), marks


def run_all_kinds(vault: Vault) -> None:
    vault.drop("write.md", "Write 1 to memory/a.md\n")
    vault.drop("append.md", '---\nop: append\npath: memory/log.md\ntext: "two"\ntype: file\n---\n')
    vault.drop("status.md", "---\ntype: status\n---\nstatus\n")
    vault.drop("beat.md", "---\ntype: heartbeat\n---\nbeat\n")
    vault.drop("review.md", "Review PR #214 and leave substantive comments\n")
    vault.run_once()
    assert len(vault.outcomes()) == 5
    vault.gofer("status")
    vault.gofer("doctor")


def test_g23_no_hook_monitor_pager_editor_or_filter_ever_runs(vault: Vault) -> None:
    program, marks = traps(vault)
    add_a_note_of_tomorrow(vault)
    hooks = vault.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in HOOKS:
        (hooks / name).write_bytes(Path(program).read_bytes())
        (hooks / name).chmod(0o755)
    for key in (
        "core.fsmonitor", "core.pager", "core.editor", "sequence.editor", "diff.external", "core.sshCommand",
        "core.askPass", "credential.helper", "gpg.program", "filter.trap.clean", "filter.trap.smudge",
        "filter.trap.process", "diff.trap.textconv", "diff.trap.command", "merge.trap.driver", "pager.log",
        "pager.status", "core.alternateRefsCommand", "uploadpack.packObjectsHook", "interactive.diffFilter",
        "trailer.trap.command", "log.showSignature",
    ):  # fmt: skip
        vault.git("config", key, "true" if key == "log.showSignature" else program)
    vault.git("config", "core.hooksPath", str(hooks))
    vault.git("config", "alias.cat-file", f"!{program}")
    vault.git("config", "trailer.trap.key", "Gofer-Task")
    (vault.root / ".gitattributes").write_text("* filter=trap diff=trap merge=trap\n")
    run_all_kinds(vault)
    assert [mark.read_text() for mark in marks.iterdir()] == []


def test_g23_the_traps_of_the_test_above_do_run_for_others(vault: Vault) -> None:
    program, marks = traps(vault)
    hooks = vault.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "post-commit").write_bytes(Path(program).read_bytes())
    (hooks / "post-commit").chmod(0o755)
    vault.git("config", "filter.trap.clean", program)
    (vault.root / ".gitattributes").write_text("*.md filter=trap\n")
    vault.write("memory/mine.md", "mine\n")
    vault.commit()
    assert {mark.name.rpartition("-")[0] for mark in marks.iterdir()} == {"post-commit", "trap"}


def test_g24_a_bare_repository_hidden_in_the_vault_runs_nothing(vault: Vault) -> None:
    program, marks = traps(vault)
    bare = vault.root / "memory" / "bare"
    for folder in ("objects", "refs"):
        (bare / folder).mkdir(parents=True)
    (bare / "HEAD").write_text("ref: refs/heads/main\n")
    (bare / "config").write_text(f"[core]\n\tbare = true\n\tfsmonitor = {program}\n\thooksPath = {program}\n")
    run_all_kinds(vault)
    done = vault.gofer("list", "--vault", str(bare))
    assert "Traceback" not in done.stderr
    assert list(marks.iterdir()) == []


@pytest.mark.parametrize(
    "attributes",
    [
        "*.md working-tree-encoding=UTF-16LE",
        "*.md ident",
        "*.md text eol=crlf",
        "*.md text=auto",
        "*.md filter=lfs diff=lfs merge=lfs -text",
        "*.md merge=union",
        "*.md export-ignore export-subst",
        "*.md -diff binary",
        "[attr]odd filter=lfs\n* odd",
    ],
)
def test_g25_attributes_change_no_byte_of_what_is_committed(vault: Vault, attributes: str) -> None:
    vault.write(".gitattributes", f"{attributes}\n")
    vault.write(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:9/\n")
    (vault.root / ".git/info").mkdir(exist_ok=True)
    (vault.root / ".git/info/attributes").write_text(f"{attributes}\n")
    vault.git("config", "core.autocrlf", "true")
    vault.git("config", "core.safecrlf", "true")
    vault.drop("write.md", 'Write "$Id$ ä" to memory/a.md\n')
    vault.drop("append.md", '---\nop: append\npath: memory/log.md\ntext: "two"\ntype: file\n---\n')
    vault.run_once(ok=(0,))
    assert vault.git("cat-file", "blob", "HEAD:memory/a.md") == "$Id$ ä\n"
    assert vault.git("cat-file", "blob", "HEAD:memory/log.md") == "one\ntwo\n"
    assert (vault.root / "memory/a.md").read_text("utf-8") == "$Id$ ä\n"
    for path in vault.tracked("outbox") + vault.tracked("memory"):
        assert vault.git("cat-file", "blob", f"HEAD:{path}").encode() == (vault.root / path).read_bytes()
        assert vault.git("rev-parse", f":{path}") == vault.git("rev-parse", f"HEAD:{path}")
    vault.check()


def test_g26_a_link_in_the_vault_is_neither_followed_nor_replaced(vault: Vault, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret\n")
    (vault.root / "memory/way-out").symlink_to(outside)
    (vault.root / "memory/link.md").symlink_to(outside / "secret.md")
    vault.commit("links")
    before = snapshot(outside)
    vault.drop("a.md", "Write 1 to memory/way-out/a.md\n")
    vault.drop("b.md", "Overwrite memory/link.md with 2\n")
    vault.drop("c.md", "Move memory/link.md to memory/moved.md\n")
    vault.run_once()
    assert snapshot(outside) == before
    assert os.readlink(vault.root / "memory/link.md") == str(outside / "secret.md")
    assert vault.git("ls-files", "--stage", "memory/link.md").startswith("120000")
    assert vault.git("ls-tree", "HEAD", "memory/way-out").startswith("120000")
    assert not any("secret" in report for report in vault.reports().values() if "secret.md" not in report)
    vault.check()


def test_g27_only_gofers_own_paths_are_committed_and_ignored_files_stay_out(vault: Vault) -> None:
    vault.write(".gitignore", "*.log\nprivate/\n")
    vault.commit()
    vault.write("private/diary.md", "mine\n")
    vault.write("loud.log", "noise\n")
    vault.drop("a.md", "Write 1 to memory/a.md\n")
    vault.run_once(ok=(0,))
    assert [path for path in vault.tracked() if path.startswith(("private", "loud"))] == []
    changed = vault.git("show", "--format=", "--name-only", "HEAD").split()
    assert all(path.startswith(("outbox/", "memory/")) for path in changed), changed


def test_g16_variables_of_another_repository_lead_nowhere(vault: Vault, tmp_path: Path) -> None:
    """As left over by a hook: GIT_DIR, GIT_INDEX_FILE and the like name another repository."""
    other = make_vault(tmp_path / "other")
    before = snapshot(other.root / ".git", skip=("objects/",))
    vault.drop("a.md", "Write 1 to memory/a.md\n")
    vault.run_once(
        GIT_DIR=str(other.root / ".git"), GIT_WORK_TREE=str(other.root), GIT_INDEX_FILE=str(other.root / ".git/index"),
        GIT_OBJECT_DIRECTORY=str(other.root / ".git/objects"), GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="core.bare",
        GIT_CONFIG_VALUE_0="true",
    )  # fmt: skip
    assert list(vault.outcomes().values()) == [1]
    assert snapshot(other.root / ".git", skip=("objects/",)) == before
    vault.check()
