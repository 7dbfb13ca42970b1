"""The worker dies at every durable step of an organizing: every note is filed once, and every link leads there."""

from __future__ import annotations

from pathlib import Path

from tests.support import Vault, make_vault, snapshot

MOST_STEPS = 60


def _prepare(place: Path) -> Vault:
    vault = make_vault(place)
    for day in ("2026-01-01", "2026-01-02", "2026-02-01"):
        vault.write(f"memory/daily/{day}.md", f"# {day}\n[x](../x.md)\n")
    vault.write("memory/x.md", "[[daily/2026-01-01]] [d](daily/2026-01-02.md) [[2026-02-01]]\n")
    vault.write("memory/old-2026-01-01.log", "log\n")
    vault.commit()
    vault.drop("tidy.md", "---\nstatus: open\n---\nTidy memory/\n")
    return vault


def _notes(vault: Vault) -> dict[str, bytes]:
    own = ("qwen-worker", "tasks", "ledger", "changes", "decisions")
    return snapshot(vault.root / "memory", skip=own)


def test_whenever_the_worker_dies_every_note_is_filed_once_with_its_links(tmp_path: Path) -> None:
    undisturbed = _prepare(tmp_path / "undisturbed")
    before = _notes(undisturbed)
    undisturbed.run_once(ok=(0,))
    wanted = _notes(undisturbed)
    assert "archive/logs/2026/old-2026-01-01.log" in wanted
    assert wanted.keys() & before.keys() == {"x.md", ".gitkeep"}
    for step in range(1, MOST_STEPS):
        vault = _prepare(tmp_path / f"killed-{step}")
        died = vault.gofer("run", "--once", GOFER_CRASH_AT=str(step)).returncode
        assert died in (0, 137)
        vault.run_once(ok=(0,))
        assert _notes(vault) == wanted, f"killed at step {step}"
        assert set(vault.outcomes().values()) == {1}
        if died == 0:
            break  # there are no more steps
    assert step > 15
    vault.check()
