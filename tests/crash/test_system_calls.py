"""Signals and errors inside single system calls, Gofer's own and those of the git commands it starts.

strace counts calls for each thread or process on its own, so Gofer as a whole and each git command are aimed at
separately. `GOFER_FULL_SWEEP=1` tries many more calls than the sample that runs every time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.crash import scenario
from tests.support import GOFER, STRACE, Vault

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed: calls cannot be made to fail")

FULL = bool(os.environ.get("GOFER_FULL_SWEEP"))
CALLS = {
    "rename": "rename,renameat,renameat2",
    "link": "link,linkat",
    "unlink": "unlink,unlinkat",
    "sync": "fsync,fdatasync,syncfs",
    "write": "write,pwrite64,writev",
    "open": "openat",
    "mkdir": "mkdir,mkdirat",
}
KILL, FULL_DISK, BAD_DISK = "signal=SIGKILL", "error=ENOSPC", "error=EIO"


def tracer(log: Path, calls: str, what: str, when: str) -> list[str]:
    """The words that run a command under strace, with one call of a kind tampered with."""
    kinds = CALLS[calls]
    return [
        str(STRACE),
        "-f",
        "-qq",
        "-o",
        str(log),
        "-e",
        f"trace={kinds}",
        "-e",
        f"inject={kinds}:{what}:when={when}",
    ]


def check_hit(log: Path) -> None:
    """A sample that hits nothing tests nothing; the full sweep goes on until it misses."""
    said = log.read_text("utf-8", "replace")
    assert FULL or "(INJECTED)" in said or "+++ killed by SIGKILL" in said, "no call was tampered with"


def disturbed_run(vault: Vault, calls: str, what: str, when: str) -> subprocess.CompletedProcess[str]:
    log = vault.root.parent.with_suffix(".strace")
    done = subprocess.run(
        [*tracer(log, calls, what, when), *GOFER, "run", "--once"], cwd=vault.root, env=vault.env, capture_output=True,
        text=True, timeout=30, check=False,
    )  # fmt: skip
    check_hit(log)
    return done


def with_git(vault: Vault, folder: Path, target: str, tracing: Iterable[str], *, together: bool) -> dict[str, str]:
    """An environment in which the first run of one git command is traced; `together`: killed, it takes Gofer along."""
    folder.mkdir()
    words = " ".join(f"'{word}'" for word in tracing)
    real = shutil.which("git")
    (folder / "git").write_text(
        f"""#!/bin/sh
case " $* " in *' {target} '*)
    if mkdir '{folder}/once' 2>/dev/null; then
        {words} {real} "$@"; code=$?
        [ $code -gt 128 ] && {"kill -9 $PPID" if together else ":"}
        exit $code
    fi
esac
exec {real} "$@"
"""
    )
    (folder / "git").chmod(0o755)
    return {"PATH": f"{folder}:{vault.env['PATH']}"}


def each(calls: str, quick: Iterable[int], full: Iterable[int]) -> list[tuple[str, int]]:
    return [(calls, n) for n in (full if FULL else quick)]


KILLED = [
    *each("rename", (2, 6), range(1, 30)),
    *each("link", (2, 8), range(1, 12)),
    *each("unlink", (5,), range(1, 20)),
    *each("sync", (3, 8), range(1, 30)),
    *each("write", (12, 40), range(1, 90, 2)),
]


def test_q01_a_kill_inside_any_call_ends_as_without_it(tmp_path: Path, undisturbed: scenario.End) -> None:
    def killed(case: tuple[str, int]) -> scenario.End:
        calls, n = case
        vault = scenario.prepare(tmp_path / f"{calls}-{n}")
        disturbed_run(vault, calls, KILL, str(n))
        scenario.check_git_is_free(vault)
        vault.git("commit", "-q", "-m", "mine")
        scenario.finish(vault)
        return scenario.look(vault)

    assert scenario.troubles(killed, KILLED, undisturbed) == {}


FAILED = [
    *[("write", FULL_DISK, when) for when in ("9+", *(("1+", "5", "20+", "30") if FULL else ()))],
    *[("rename", FULL_DISK, when) for when in ("4", *(("1", "2", "3", "6", "10+") if FULL else ()))],
    *[("sync", BAD_DISK, when) for when in ("2", "7", *(("1", "4", "10+") if FULL else ()))],
    *[("link", FULL_DISK, when) for when in ("3", *(("1", "2", "6+") if FULL else ()))],
    *[("unlink", BAD_DISK, when) for when in (("1", "3", "6", "9+") if FULL else ("4",))],
    *[("mkdir", FULL_DISK, when) for when in (("1", "3", "6+", "9+") if FULL else ("7",))],
]


def test_g38_a_disk_that_fails_in_any_call_loses_nothing(tmp_path: Path, undisturbed: scenario.End) -> None:
    def failed(case: tuple[str, str, str]) -> scenario.End:
        calls, what, when = case
        vault = scenario.prepare(tmp_path / f"{calls}-{when}".replace("+", "-on"))
        done = disturbed_run(vault, calls, what, when)
        scenario.check_git_is_free(vault)
        scenario.check_person(vault)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, 1, 2, 3), done.stderr
        scenario.finish(vault)
        return scenario.look(vault)

    assert scenario.troubles(failed, FAILED, undisturbed) == {}


COMMANDS = [
    *[("update-ref", calls, n) for calls in ("rename", "write", "unlink") for n in (range(1, 5) if FULL else (1,))],
    *[("update-index", calls, n) for calls in ("rename", "write") for n in (range(1, 4) if FULL else (1,))],
    *[("fast-import", calls, n) for calls in ("rename", "sync") for n in (range(1, 6) if FULL else (1,))],
    *[("cat-file", "write", n) for n in (range(1, 9) if FULL else (3,))],
]


@pytest.mark.parametrize("together", [False, True], ids=["git alone", "git and Gofer"])
def test_g03_a_killed_git_command_leaves_nothing_that_blocks_the_person(
    tmp_path: Path, undisturbed: scenario.End, together: bool
) -> None:
    def killed(case: tuple[str, str, int]) -> scenario.End:
        command, calls, n = case
        place = tmp_path / f"{command}-{calls}-{n}"
        vault = scenario.prepare(place)
        log = tmp_path / f"{place.name}.strace"
        env = with_git(
            vault, tmp_path / f"{place.name}.bin", command, tracer(log, calls, KILL, str(n)), together=together
        )
        done = vault.gofer("run", "--once", timeout=20, **env)
        assert "Traceback" not in done.stderr, done.stderr
        check_hit(log)
        if not together:
            scenario.check_git_is_free(vault)
        scenario.finish(vault)
        scenario.check_git_is_free(vault)
        vault.git("commit", "-q", "-m", "mine")
        return scenario.look(vault)

    assert scenario.troubles(killed, COMMANDS, undisturbed) == {}
