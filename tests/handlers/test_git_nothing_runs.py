"""No program that a repository's settings name runs for a git task, but what reaching the remote needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import Refused
from tests.git.test_nothing_runs import HOOKS
from tests.handlers.git_place import Place
from tests.support import git, snapshot


@pytest.fixture
def marks(place: Place) -> Path:
    """Traps in every hook and setting that names a program; each leaves a file in this folder when it runs."""
    marks = place.root / "marks"
    marks.mkdir()
    trap = place.script("trap", f'tr "\\0" " " < /proc/$PPID/cmdline > "{marks}/$(basename "$0")-$$"\ncat\n')
    for name in HOOKS:
        hook = place.site / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_bytes(trap.read_bytes())
        hook.chmod(0o755)
    for key in (
        "core.fsmonitor", "core.pager", "core.editor", "sequence.editor", "diff.external", "core.askPass",
        "core.alternateRefsCommand", "diff.trap.textconv", "diff.trap.command", "merge.trap.driver", "pager.log",
        "pager.status", "interactive.diffFilter", "trailer.trap.command",
    ):  # fmt: skip
        place.git("config", key, str(trap))
    for verb in ("status", "log", "fetch", "push", "commit", "add", "merge", "ls-files", "rev-list", "rev-parse"):
        place.git("config", f"alias.{verb}", f"!{trap}")
    place.git("config", "core.hooksPath", str(place.site / ".git/hooks"))
    place.git("config", "log.showSignature", "true")
    place.git("config", "gpg.program", str(trap))
    (place.site / ".git/info").mkdir(exist_ok=True)
    (place.site / ".git/info/attributes").write_text("* diff=trap merge=trap\n")
    return marks


def add_filter(place: Place, attributes: str = "* filter=trap\n") -> None:
    for key in ("clean", "smudge", "process"):
        place.git("config", f"filter.trap.{key}", str(place.root / "trap"))
    place.git("config", "filter.trap.required", "true")
    with (place.site / ".git/info/attributes").open("a") as file:
        file.write(attributes)


def ran(marks: Path) -> list[str]:
    return sorted(f"{mark.name.rpartition('-')[0]}: {mark.read_text()}" for mark in marks.iterdir())


def test_g23_no_hook_alias_monitor_pager_or_driver_runs_for_any_operation(place: Place, marks: Path) -> None:
    place.publish()
    place.write(place.site, "c.txt", "x\n")
    (place.site / "a.txt").touch()
    said = place.say("pull") + place.say("branch", branch="x") + place.say("add", paths=["c.txt"])
    said += (
        place.say("commit", paths=["c.txt"], message="m") + place.say("push") + place.say("status") + place.say("log")
    )
    assert "committed 1 file" in said and "pushed main" in said
    assert ran(marks) == []


def test_g23_the_traps_of_the_test_above_do_run_for_the_person(place: Place, marks: Path) -> None:
    place.write(place.site, "c.txt", "x\n")
    git(place.site, "-c", "core.fsmonitor=false", "add", "c.txt")
    git(place.site, "-c", "core.fsmonitor=false", "commit", "-q", "-m", "m")
    assert {"pre-commit", "post-commit"} <= {line.partition(":")[0] for line in ran(marks)}


def test_g25_no_filter_runs_for_a_status_and_a_touched_file_is_compared_as_it_is(place: Place, marks: Path) -> None:
    add_filter(place)
    (place.site / "a.txt").write_text("new\n")
    assert "1 changed" in place.say("status")
    assert ran(marks) == []


@pytest.mark.parametrize("op", ["add", "commit"])
def test_g25_a_file_that_would_have_to_pass_a_filter_is_refused(place: Place, marks: Path, op: str) -> None:
    add_filter(place, "*.bin filter=trap\n")
    place.write(place.site, "docs/big.bin", "x\n")
    place.write(place.site, "docs/plain.md", "x\n")
    before = place.git("-c", "core.fsmonitor=false", "ls-files", "--stage"), place.at
    message = {"message": "m"} if op == "commit" else {}
    with pytest.raises(Refused, match=r"filter 'trap', in docs/big\.bin"):
        place.say(op, paths=["docs"], **message)
    assert (place.git("-c", "core.fsmonitor=false", "ls-files", "--stage"), place.at) == before
    place.say(op, paths=["docs/plain.md"], **message)
    assert ran(marks) == []


@pytest.mark.parametrize("comes", ["before", "with it"])
def test_g25_a_fast_forward_that_would_have_to_pass_a_filter_is_refused(place: Place, marks: Path, comes: str) -> None:
    if comes == "before":
        add_filter(place, "*.bin filter=trap\n")
    else:
        add_filter(place, "")
        place.commit(place.other, ".gitattributes", "*.bin filter=trap\n")
    place.publish("big.bin")
    old, before = place.at, snapshot(place.site, skip=(".git/",))
    with pytest.raises(Refused, match="filter"):
        place.say("pull")
    assert place.at == old and snapshot(place.site, skip=(".git/",)) == before
    assert ran(marks) == []


def test_a_filter_with_an_odd_name_is_emptied_too(place: Place, marks: Path) -> None:
    place.git("config", "filter.a=b.c.clean", str(place.root / "trap"))
    (place.site / ".git/info/attributes").write_text("* filter=a=b.c\n")
    (place.site / "a.txt").write_text("new\n")
    assert "1 changed" in place.say("status")
    assert ran(marks) == []


def test_g26_an_address_that_is_a_command_never_runs(place: Place) -> None:
    mark = place.root / "mark"
    place.git("config", "protocol.ext.allow", "always")
    place.git("config", "remote.origin.url", f"ext::sh -c touch% {mark}")
    for op in ("fetch", "push"):
        with pytest.raises(Refused):
            place.say(op)
    assert not mark.exists()
    git(place.site, "fetch", ok=(128,))
    assert mark.exists(), "for the person it runs"


def test_variables_of_another_repository_lead_nowhere(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(place.other)
    monkeypatch.setenv("GIT_DIR", str(place.other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(place.other / ".git/index"))
    place.write(place.site, "c.txt", "x\n")
    import agent.git.command as command

    command._git_class.cache_clear()
    try:
        assert "committed 1 file" in place.say("commit", paths=["c.txt"], message="m")
    finally:
        command._git_class.cache_clear()
    assert snapshot(place.other) == before
