"""The organizer shows its plan first, does just that, and all of it can be taken back."""

from __future__ import annotations

import json
from pathlib import Path

from agent.vault.actions import parse
from tests.support import Vault, make_vault


def prepared(place: Path, count: int) -> Vault:
    """A vault with day notes of last year, one of which another note links to."""
    vault = make_vault(place)
    for number in range(count):
        vault.write(
            f"memory/daily/2025-{number // 28 + 1:02}-{number % 28 + 1:02}.md", f"# Day {number}\n\ntext {number}\n"
        )
    vault.write("memory/index.md", "See [the first](daily/2025-01-01.md).\n")
    vault.commit()
    return vault


def notes(vault: Vault) -> dict[str, str]:
    own = ("memory/qwen-worker", "memory/tasks", "memory/ledger", "memory/decisions", "memory/changes")
    return {
        path.relative_to(vault.root).as_posix(): path.read_text("utf-8")
        for path in sorted((vault.root / "memory").rglob("*.md"))
        if not path.relative_to(vault.root).as_posix().startswith(own)
    }


def test_the_organizer_shows_moves_them_and_takes_all_of_it_back(tmp_path: Path) -> None:
    vault = prepared(tmp_path, 40)
    before = notes(vault)
    vault.drop("tidy.md", "---\ntype: organize\nstatus: open\napprove: true\n---\n")
    (row,) = json.loads(vault.gofer("run", "--dry-run", "--json").stdout)["data"]
    assert len(row["plan"]) > 40
    assert vault.run_once(ok=(0,))["waiting"] == 1
    assert notes(vault) == before
    (path,) = (vault.root / "outbox/approvals").glob("*.md")
    shown = [line.removeprefix("- ") for line in path.read_text("utf-8").splitlines() if line.startswith("- ")]
    assert row["plan"] == shown[2:]  # after the two boxes
    assert vault.gofer("approve", path.stem).returncode == 0
    assert vault.run_once(ok=(0,))["done"] == 1
    after = notes(vault)
    assert after != before
    (journal,) = (vault.root / "memory/changes").glob(f"*/{path.stem}.jsonl")
    assert len(parse(journal.read_text("utf-8"))) == len(row["plan"])
    assert vault.gofer("undo", path.stem).returncode == 0
    assert notes(vault) == before
    vault.check()
