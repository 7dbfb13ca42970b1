"""A task for the organizer is dropped into a vault with real git: every move and every link in one commit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.e2e.support import House
from tests.e2e.test_model_tasks import FAST
from tests.engine.faults import Say
from tests.engine.standin import OllamaStandIn
from tests.support import snapshot

TODAY = datetime.now(UTC).date()
DAYS = 1000


def _notes(house: House, days: int) -> None:
    """Day notes that are all too old, each linked from a project in another way, and committed by the person."""
    folder = house.root / "memory"
    (folder / "daily").mkdir(parents=True, exist_ok=True)
    (folder / "projects").mkdir(exist_ok=True)
    forms = ("[[{0}]]", "[[memory/daily/{0}]]", "[[daily/{0}#Plan|that day]]", "[d](../daily/{0}.md)", "`[[{0}]]`")
    for number in range(days):
        day = TODAY - timedelta(days=40 + number)
        text = f"# {day}\r\n\r\nsee [the project](../projects/p{number % 50}.md)\r\n"
        (folder / "daily" / f"{day}.md").write_bytes(text.encode())
        with (folder / "projects" / f"p{number % 50}.md").open("a", encoding="utf-8") as project:
            project.write(f"- {forms[number % 5].format(day)}\n")
    house.git("add", "-A")
    house.git("commit", "-qm", "notes")


def test_a_thousand_notes_are_filed_with_their_links_in_one_commit_and_git_is_clean_afterwards(house: House) -> None:
    _notes(house, DAYS)
    before = int(house.git("rev-list", "--count", "HEAD"))
    house.drop("tidy.md", "---\nstatus: open\n---\nTidy memory/daily\n")
    (ran,) = house.once()["tasks"]
    assert (ran["status"], ran["tier"], ran["type"], ran["model"]) == ("done", "trivial", "organize", "none")
    assert int(house.git("rev-list", "--count", "HEAD")) == before + 1
    assert house.git("status", "--porcelain") == ""
    assert "fatal" not in house.git("fsck", "--strict")
    folder = house.root / "memory/daily"
    daily = [path.relative_to(folder) for path in folder.rglob("*.md")]
    assert len(daily) == DAYS
    assert all(len(path.parts) == 3 for path in daily)
    day = TODAY - timedelta(days=41)
    note = (house.root / f"memory/daily/{day:%Y/%m}/{day}.md").read_bytes()
    assert note == f"# {day}\r\n\r\nsee [the project](../../../projects/p1.md)\r\n".encode()
    lines = (house.root / "memory/projects/p1.md").read_text().split("\n")
    assert lines[0] == f"- [[memory/daily/{day:%Y/%m}/{day}]]"
    assert (house.root / "memory/projects/p0.md").read_text().startswith(f"- [[{TODAY - timedelta(days=40)}]]\n")
    (kept,) = house.memory("qwen-worker/organization-reports")
    assert f"Moved {DAYS:,} files by prompts/organize.md" in kept.read_text("utf-8")


def test_a_dry_run_of_the_worker_names_the_row_and_a_dry_run_of_the_task_changes_no_note(house: House) -> None:
    _notes(house, 3)
    house.drop("tidy.md", "---\nstatus: open\n---\nFind orphaned notes\n")
    house.drop("try.md", "---\nstatus: open\ntype: organize\ndry_run: true\n---\n")
    rows = {row["id"].rpartition("-")[0]: row for row in house.data("run", "--dry-run", shape="run-dry-run")}
    assert (rows["tidy"]["type"], rows["tidy"]["who"]) == ("organize", "code")
    assert "row 22" in rows["tidy"]["reason"]
    before = snapshot(house.root / "memory", skip=("qwen-worker", "tasks", "ledger"))
    house.once()
    assert snapshot(house.root / "memory", skip=("qwen-worker", "tasks", "ledger")) == before
    report = house.report("try") or ""
    assert "Would move 3 files by prompts/organize.md" in report
    assert "- Nothing was changed: this was a dry run." in report
    assert "## Summary\n" in report


def test_a_request_that_cannot_be_read_to_the_last_word_moves_nothing_and_goes_to_the_lead(house: House) -> None:
    _notes(house, 3)
    house.drop("tidy.md", "---\nstatus: open\n---\nArchive daily notes older than 60 days unless Anna is in them\n")
    house.once(code=None)
    assert house.header("tidy")["status"] in ("handed-off", "needs-review")
    assert len(list((house.root / "memory/daily").glob("*.md"))) == 3


def test_a_rules_page_with_a_mistake_fails_with_its_line_and_moves_nothing(house: House) -> None:
    _notes(house, 3)
    page = house.root / "prompts/organize.md"
    page.write_text(page.read_text("utf-8") + "| memory/*.md | `memory/x/` | |\n", "utf-8")
    line = page.read_text("utf-8").count("\n")
    house.drop("tidy.md", "---\nstatus: open\n---\nTidy memory/daily\n")
    house.once(code=1)
    report = (house.report("tidy") or "").replace("\\", "")
    assert f"prompts/organize.md, line {line}" in report
    assert "write patterns in backticks" in report
    assert len(list((house.root / "memory/daily").glob("*.md"))) == 3


def test_a_private_note_is_filed_like_any_other_and_its_text_is_in_no_report(house: House) -> None:
    day = TODAY - timedelta(days=50)
    note = house.root / f"memory/daily/{day}.md"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text("---\nprivate: true\n---\nthe-secret-diary\n", "utf-8")
    house.drop("tidy.md", "---\nstatus: open\ntype: organize\n---\n")
    house.once()
    assert (house.root / f"memory/daily/{day:%Y/%m}/{day}.md").exists()
    assert all("the-secret-diary" not in text for text in house.reports().values())


def _notes_now(house: House) -> dict[str, bytes]:
    return snapshot(house.root / "memory", skip=("qwen-worker", "tasks", "ledger", "changes", "decisions"))


def test_undo_brings_every_note_and_every_link_back_byte_for_byte_whether_git_had_them_or_not(house: House) -> None:
    _notes(house, 60)
    day = TODAY - timedelta(days=500)
    (house.root / f"memory/daily/{day}.md").write_bytes(b"\xef\xbb\xbfnever committed [p](../projects/p1.md)\r\n")
    (house.root / "memory/projects/p1.md").write_bytes(f"edited, not committed: [[daily/{day}]]".encode())
    before = _notes_now(house)
    house.drop("tidy.md", "---\nstatus: open\ntype: organize\nonly: file\n---\n")
    (ran,) = house.once()["tasks"]
    assert len([path for path in _notes_now(house) if path.startswith("daily/20") and path.count("/") == 3]) == 61
    commits = int(house.git("rev-list", "--count", "HEAD"))
    taken_back = house.data("undo", ran["id"])
    assert taken_back["kept"] == []
    assert _notes_now(house) == before
    assert int(house.git("rev-list", "--count", "HEAD")) == commits + 1
    assert house.git("status", "--porcelain") == ""


def test_a_task_that_asks_first_shows_the_plan_and_moves_after_the_tick(house: House) -> None:
    _notes(house, 5)
    before = _notes_now(house)
    house.drop("tidy.md", "---\nstatus: open\ntype: organize\napprove: true\n---\n")
    house.once()
    (asked,) = (house.root / "outbox/approvals").glob("*.md")
    day = TODAY - timedelta(days=41)
    assert f"- moves `memory/daily/{day}.md` to" not in asked.read_text(), "its links change with it"
    text = asked.read_text("utf-8")
    assert f"memory/daily/{day:%Y/%m}/{day}.md" in text
    assert "memory/projects/p1.md" in text
    assert _notes_now(house) == before
    asked.write_text(text.replace("- [ ] Approve", "- [x] Approve"), "utf-8")
    (ran,) = house.once()["tasks"]
    assert ran["status"] == "done"
    assert f"daily/{day:%Y/%m}/{day}.md" in _notes_now(house)
    assert house.data("undo", ran["id"])["kept"] == []
    assert _notes_now(house) == before


def test_a_dry_run_of_the_worker_shows_the_plan_of_the_moves(house: House) -> None:
    _notes(house, 2)
    house.drop("tidy.md", "---\nstatus: open\n---\nTidy memory/daily\n")
    (row,) = house.data("run", "--dry-run", shape="run-dry-run")
    day = TODAY - timedelta(days=41)
    assert any(f"memory/daily/{day:%Y/%m}/{day}.md" in line for line in row["plan"])
    assert (house.root / f"memory/daily/{day}.md").exists()


def test_a_model_that_stands_ready_words_the_day_and_one_that_is_away_changes_nothing(
    tmp_path: Path, standin: OllamaStandIn
) -> None:
    standin.faults.append(Say(json.dumps({"text": "Three old day notes were filed.", "confidence": 0.9})))
    for place, url in (("ready", standin.url), ("away", "")):
        (tmp_path / place).mkdir()
        house = House(tmp_path / place, settings=FAST, ollama=url)
        _notes(house, 3)
        house.drop("tidy.md", "---\nstatus: open\ntype: organize\nwording: true\n---\n")
        (record,) = house.drain()
        report, header = house.report("tidy") or "", house.header("tidy")
        assert record.status == "done"
        assert "Moved 3 files" in report and "\n- Filed: 3 files\n" in report
        assert ("## Summary\nIn short: Three old day notes were filed.\n" in report) == bool(url)
        assert header["model"] == ("qwen3:8b" if url else "none")
