"""The pages of `approve` and `undo` say what is: their examples are tried."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support import make_vault

PAGES = Path(__file__).parent.parent.parent / "docs" / "errands"
CHANGES = re.compile(r"^(from|created|expires): .*$", re.M)  # the worker and the time


def blocks(page: str, language: str) -> list[str]:
    text = (PAGES / page).read_text("utf-8")
    return [found[2] for found in re.finditer(rf"^(`{{3,4}}){language}\n(.*?)^\1$", text, re.M | re.S)]


def test_the_approval_on_the_page_is_the_one_that_its_task_leads_to(tmp_path: Path) -> None:
    task, shown = blocks("approve.md", "markdown")
    vault = make_vault(tmp_path)
    vault.write("notes/a.md", "old a\n")
    vault.commit()
    vault.drop("tidy.md", task)
    vault.run_once(ok=(0,))
    (path,) = (vault.root / "outbox/approvals").glob("*.md")
    assert CHANGES.sub("", path.read_text("utf-8")) == CHANGES.sub("", shown)
    lines = blocks("approve.md", "sh")[0].splitlines()
    assert lines[0] == f"gofer approve {path.stem}"
    assert lines[1].startswith(f"gofer approve {path.stem} --reject ")
    assert vault.gofer("approve", path.stem).returncode == 0
    assert vault.run_once(ok=(0,))["done"] == 1
    (undo,) = blocks("undo.md", "markdown")
    vault.drop("back.md", re.sub(r"^of: .*$", f"of: {path.stem}", undo, flags=re.M))
    assert vault.run_once(ok=(0,))["done"] == 1
    assert (vault.root / "notes/a.md").read_text("utf-8") == "old a\n"


def test_what_undo_prints_has_the_form_of_the_page(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    vault.write("memory/daily/2026-10-01.md", "a day\n")
    vault.commit()
    vault.drop("tidy-logs.md", "---\nstatus: open\n---\nMove memory/daily/2026-10-01.md to memory/archive/\n")
    (row,) = vault.run_once(ok=(0,))["tasks"]
    said = vault.gofer("undo", row["id"]).stdout
    (page,) = blocks("undo.md", "console")
    command, _, output = page.partition("\n")
    named = re.compile(r"-[0-9a-f]{8}\b")
    assert command.startswith("$ gofer undo tidy-logs-")
    assert named.sub("", said) == named.sub("", output)
