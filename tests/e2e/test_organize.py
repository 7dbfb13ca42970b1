"""A task for the organizer is dropped into a vault with real git: every move and every link in one commit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.e2e.support import House
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
