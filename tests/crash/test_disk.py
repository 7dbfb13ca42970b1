"""A disk that is full, on a real small one: the task returns to the queue, nothing half is left, room brings it on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import scenario
from tests.support import Vault, make_vault

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a small disk of one's own can only be mounted by root")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with a disk of 8 MiB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fill the disk but for so many bytes."""
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(b"\0" * max(0, free - leave))
    return filler


@pytest.mark.parametrize("leave", [0, 16 << 10, 48 << 10, 96 << 10, 160 << 10])
def test_g38_a_full_disk_delays_and_loses_nothing(disk: Path, undisturbed: scenario.End, leave: int) -> None:
    vault = scenario.prepare(disk)
    filler = fill(disk, leave)
    done = vault.gofer("run", "--once")
    assert done.returncode in (0, 1, 2, 3), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    scenario.check_git_is_free(vault)
    whole = {path: (vault.root / path).read_text() for path in ("memory/log.md", scenario.EDITED, scenario.STAGED)}
    assert whole["memory/log.md"] in ("- first line\n", "- first line\n- one more line\n")
    for report in vault.reports().values():
        assert report.startswith("---\n")
        assert report.endswith("```\n")
    filler.unlink()
    scenario.finish(vault)
    assert scenario.look(vault) == undisturbed


def test_g38_status_and_doctor_say_that_the_disk_is_full(disk: Path) -> None:
    vault: Vault = make_vault(disk)
    vault.drop("a.md", "Write 1 to memory/a.md\n")
    fill(disk, 0)
    assert vault.gofer("run", "--once").returncode in (1, 3)
    for verb in ("status", "doctor"):
        told = vault.gofer(verb)
        assert told.returncode == 1
        assert "disk" in told.stdout.lower()
