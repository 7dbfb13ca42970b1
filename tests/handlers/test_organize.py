"""The organizer on a real vault: what moves and what does not, what it finds, when it is quiet."""

from __future__ import annotations

import os
import re
import unicodedata
from datetime import timedelta
from pathlib import Path

import pytest

from agent.defaults import default_file
from agent.errors import BadConfig, Busy, Doubt, Refused
from agent.files import Beneath
from agent.files.group import change_all
from agent.handlers.organize import HANDLER, understand
from agent.handlers.organize.rules import load_rules
from agent.text import utc
from agent.vault.values import Task
from tests.handlers.organize_place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# -- what moves ------------------------------------------------------------------------------------------------------


def test_the_rules_that_gofer_ships_file_old_day_notes_and_logs(place: Place) -> None:
    place.put("memory/daily/2026-10-01.md", "an old day\n")
    place.put("memory/daily/2026-11-19.md", "yesterday\n")
    place.put("memory/server.log", "old\n", days=400)
    place.put("memory/logs/run-2026-09-09.txt", "by its name\n")
    place.put("memory/logs/new.txt", "new\n")
    place.put("memory/archive/x.log", "kept\n", days=400)
    result = place.do()
    assert place.paths() == [
        "memory/archive/logs/2025/server.log",
        "memory/archive/logs/2026/run-2026-09-09.txt",
        "memory/archive/x.log",
        "memory/daily/2026-11-19.md",
        "memory/daily/2026/10/2026-10-01.md",
        "memory/logs/new.txt",
    ]
    assert result.findings[:2] == (
        "Moved 3 files by prompts/organize.md",
        "memory/daily/2026-10-01.md → memory/daily/2026/10/2026-10-01.md",
    )
    assert place.do(only="file").changes == (), "what is filed stays there"


def test_what_was_filed_by_the_date_of_saving_is_not_filed_anew_when_the_move_made_that_date_a_new_one(
    place: Place,
) -> None:
    place.put("memory/server.log", "old\n", days=400)
    place.do()
    place.now = place.now.replace(year=2028)
    assert place.do(only="file").changes == ()


def test_the_first_row_that_fits_decides_and_keep_keeps(place: Place) -> None:
    place.rules("`memory/a.md` | keep", "`memory/*.md` | `memory/notes/`", "`*.md` | `memory/other/`")
    place.put("memory/a.md")
    place.put("memory/b.md")
    place.put("memory/sub/c.md")
    place.do(only="file")
    assert place.paths() == ["memory/a.md", "memory/notes/b.md", "memory/other/c.md"]


def test_front_matter_tags_and_both_ages_are_conditions(place: Place) -> None:
    place.rules(
        "`status = done`, older than 1 week | `memory/done/{project}/`",
        "`#archive` and unchanged for 2 weeks | `memory/archive/`",
    )
    done = "---\nstatus: Done\nproject: alpha\ndate: 2026-01-01\n---\n"
    place.put("memory/done.md", done)
    place.put("memory/open.md", done.replace("Done", "open"))
    place.put("memory/fresh.md", done.replace("2026-01-01", "2026-11-19"))
    place.put("memory/nowhere.md", done.replace("project: alpha\n", ""))
    place.put("memory/evil.md", done.replace("alpha", "../../inbox"))
    place.put("memory/tagged.md", "text #archive/old here\n", days=20)
    place.put("memory/listed.md", "---\ntags: [Archive, x]\n---\n", days=20)
    place.put("memory/code.md", "```\n #archive\n```\n and #archived\n", days=20)
    place.put("memory/young.md", "#archive\n", days=3)
    result = place.do(only="file")
    assert place.paths() == [
        "memory/archive/listed.md", "memory/archive/tagged.md", "memory/code.md", "memory/done/alpha/done.md",
        "memory/evil.md", "memory/fresh.md", "memory/nowhere.md", "memory/open.md", "memory/young.md",
    ]  # fmt: skip
    said = "\n".join(result.findings)
    assert "left: memory/evil.md: its `project` is no folder name" in said
    assert "memory/nowhere.md: it has no `project`" in said


def test_control_files_records_and_what_is_no_text_never_move(place: Place) -> None:
    place.rules("`**` | `notes/`")
    kept = [
        "AGENTS.md", "gofer.toml", "inbox/task.md", "outbox/report.md", "prompts/SOUL.md", "memory/tasks/2026-11/t.md",
        "memory/qwen-worker/task-reports/r.md", "memory/ledger/w.txt", ".obsidian/app.json", "templates/day.md",
        "memory/picture.png", "memory/.hidden.md",
    ]  # fmt: skip
    for path in kept:
        place.put(path)
    place.put("free.md", "free\n")
    place.do(path="/")
    assert sorted(place.files()) == sorted([*kept, "notes/free.md", "prompts/organize.md"])


def test_only_the_folder_that_is_named_is_organized_and_links_from_elsewhere_follow(place: Place) -> None:
    place.rules("`*.txt` | `memory/texts/`")
    place.put("memory/a/one.txt")
    place.put("memory/b/two.txt")
    place.put("index.md", "[one](memory/a/one.txt) [two](memory/b/two.txt)\n")
    place.do(path="memory/a")
    assert place.text("index.md") == "[one](memory/texts/one.txt) [two](memory/b/two.txt)\n"
    with pytest.raises(Refused, match="no such folder"):
        place.ask(path="memory/nothing")


def test_d5_what_ran_before_the_last_summary_is_no_reason_to_speak_again(place: Place) -> None:
    place.put("memory/a.md", "a")

    def ran(type_: str, minutes: int) -> dict[str, str]:
        return {"task": "x", "type": type_, "finished": utc(place.now + timedelta(minutes=minutes))}

    place.facts = {"day": [{"type": "fetch", "status": "done", "runs": 1}], "recent": [ran("fetch", -60)]}
    assert not place.do(scheduled=True).quiet
    place.now += timedelta(minutes=1)
    assert place.do(scheduled=True).quiet
    place.facts["recent"].insert(0, ran("fetch", 1))
    place.now += timedelta(minutes=2)
    assert not place.do(scheduled=True).quiet
    place.facts["recent"] = [ran("heartbeat", 1)] * 20  # the fetch is among older ones, which nobody sees
    place.now += timedelta(minutes=2)
    assert not place.do(scheduled=True).quiet


def test_a_new_vault_without_notes_is_no_trouble(place: Place) -> None:
    assert str(place.ask().status) == "done"


@pytest.mark.parametrize("path", ["..", "../", "memory/..", "/../x"])
def test_s12_a_folder_above_the_vault_is_no_folder_of_it(place: Place, path: str) -> None:
    place.put("memory/a.md")
    with pytest.raises(Refused, match="this path is not allowed"):
        place.ask(path=path)


def test_an_age_in_the_task_takes_the_place_of_those_of_the_rows_and_what_fits_no_row_is_told(place: Place) -> None:
    place.put("memory/daily/2026-11-10.md", "ten days old\n")
    place.put("memory/loose.md", days=50)
    result = place.do("Archive notes older than 1 week")
    assert "memory/daily/2026/11/2026-11-10.md" in place.paths()
    assert any("1 file older than 1 week fit no row" in line for line in result.findings)


def test_a_dry_run_says_all_and_changes_nothing(place: Place) -> None:
    place.put("memory/daily/2026-10-01.md", "an old day\n")
    place.put("memory/x.md", "[d](daily/2026-10-01.md)\n")
    result = place.do(dry_run="true")
    assert result.changes == ()
    assert "Would move 1 file by prompts/organize.md" in result.findings
    assert "1 link in 1 note would follow" in result.findings
    assert "memory/daily/2026-10-01.md → memory/daily/2026/10/2026-10-01.md" in result.raw


def test_more_than_the_limit_waits_for_the_next_run(place: Place) -> None:
    place.rules("`*.txt` | `memory/texts/`")
    for number in range(5):
        place.put(f"memory/{number}.txt", f"{number}\n")
    result = place.do(limit=3)
    assert len(place.paths("memory/texts")) == 3
    assert any(line.startswith("2 files more wait for the next run") for line in result.findings)
    place.do(limit=3)
    assert len(place.paths("memory/texts")) == 5


def test_d13_a_note_with_a_secret_stays_since_its_new_place_would_not_be_committed(place: Place) -> None:
    place.put("memory/daily/2026-10-01.md", f"the key is AKIA{'ABCDEFGH' * 2}\n")
    place.put("memory/daily/2026-10-02.md", "another day\n")
    result = place.do(only="file")
    assert place.paths() == ["memory/daily/2026-10-01.md", "memory/daily/2026/10/2026-10-02.md"]
    assert any("looks like a secret (aws" in line for line in result.findings)


# -- names in use ----------------------------------------------------------------------------------------------------


def test_a_name_in_use_is_never_overwritten_and_the_same_text_is_told_as_a_duplicate(place: Place) -> None:
    place.rules("`memory/in/` | `memory/out/`")
    place.put("memory/out/a.md", "theirs\n")
    place.put("memory/in/a.md", "another\n")
    place.put("memory/out/b.md", "same\n")
    place.put("memory/in/b.md", "same\n")
    result = place.do(only="file")
    assert place.text("memory/out/a.md") == "theirs\n"
    assert place.text("memory/out/a-2.md") == "another\n"
    assert place.paths("memory/in") == ["memory/in/b.md"]
    assert "left: memory/in/b.md: it is a duplicate of memory/out/b.md, which lies there already" in result.findings


def test_names_that_differ_in_case_or_unicode_form_alone_never_come_together_in_one_folder(place: Place) -> None:
    place.rules("`memory/in/**` | `memory/Out/`")
    composed, decomposed = unicodedata.normalize("NFC", "é.md"), unicodedata.normalize("NFD", "é.md")
    for number, path in enumerate(
        ["out/Note.md", "in/note.md", "in/x/NOTE.md", f"in/{composed}", f"in/x/{decomposed}"]
    ):
        place.put(f"memory/{path}", f"{number}\n")
    place.do(only="file")
    names = [path.removeprefix("memory/out/") for path in place.paths()]
    assert len(names) == 5
    assert all(path.startswith("memory/out/") for path in place.paths()), "the folder keeps the spelling that it has"
    assert len({unicodedata.normalize("NFC", name).casefold() for name in names}) == 5


def test_links_and_hard_links_are_neither_moved_nor_written_through(place: Place, tmp_path: Path) -> None:
    place.rules("`memory/in/` | `memory/out/`")
    outside = tmp_path / "outside.md"
    outside.write_text("outside\n")
    place.put("memory/in/real.md")
    (place.root / "memory/in/link.md").symlink_to(outside)
    os.link(outside, place.root / "memory/in/hard.md")
    (place.root / "memory/out").mkdir()
    (place.root / "memory/out/real.md").symlink_to(outside)
    result = place.do(only=["file", "broken"])
    assert outside.read_text() == "outside\n"
    assert (place.root / "memory/in/link.md").is_symlink()
    assert (place.root / "memory/in/hard.md").stat().st_nlink == 2
    assert (place.root / "memory/in/real.md").exists()
    assert any(line.startswith("left: memory/in/real.md: it is a link") for line in result.findings)


def test_a_folder_that_is_a_file_or_a_link_is_told_and_nothing_is_tried_for_ever(place: Place, tmp_path: Path) -> None:
    place.rules("`memory/in/` | `memory/out/`")
    place.put("memory/in/a.md")
    (tmp_path / "elsewhere").mkdir()
    (place.root / "memory/out").symlink_to(tmp_path / "elsewhere")
    result = place.do(only="file")
    assert place.paths("memory/in") == ["memory/in/a.md"]
    assert any("link" in line for line in result.findings)


# -- links -----------------------------------------------------------------------------------------------------------


def test_a_bare_name_that_still_leads_there_is_not_touched(place: Place) -> None:
    place.put("memory/daily/2026-10-01.md", "an old day\n")
    place.put("memory/x.md", "[[2026-10-01]] and [[daily/2026-10-01|that day]] [[memory/daily/2026-10-01#h]]\n")
    place.do()
    moved = "memory/daily/2026/10/2026-10-01"
    assert place.text("memory/x.md") == f"[[2026-10-01]] and [[{moved}|that day]] [[{moved}#h]]\n"


def test_a_note_that_moves_keeps_its_own_relative_links_and_pictures(place: Place) -> None:
    place.put("memory/daily/2026-10-01.md", "![p](../img/p.png) [x](../x.md#part) [w](https://a.b/c.md) [[x]]\r\n")
    place.put("memory/img/p.png", b"\x89PNG")
    place.put("memory/x.md")
    place.do()
    text = place.text("memory/daily/2026/10/2026-10-01.md")
    assert text == "![p](../../../img/p.png) [x](../../../x.md#part) [w](https://a.b/c.md) [[x]]\r\n"


def test_notes_that_only_a_person_changes_are_left_and_named(place: Place) -> None:
    place.put("memory/daily/2026-10-01.md", "an old day\n")
    place.put("inbox/later.md", "[d](../memory/daily/2026-10-01.md)\n")
    place.put("HEARTBEAT.md", "- [ ] [d](memory/daily/2026-10-01.md)\n")
    place.put("AGENTS.md", "[d](memory/daily/2026-10-01.md)\n")
    result = place.do()
    assert place.text("inbox/later.md") == "[d](../memory/daily/2026-10-01.md)\n"
    assert place.text("HEARTBEAT.md") == "- [ ] [d](memory/daily/2026/10/2026-10-01.md)\n"
    assert result.actions == ("mend the links to moved notes in AGENTS.md, inbox/later.md",)


def test_a_note_that_was_saved_between_plan_and_delivery_wins_and_the_task_runs_again(place: Place) -> None:
    place.put("memory/daily/2026-10-01.md", "an old day\n")
    place.put("memory/x.md", "[d](daily/2026-10-01.md)\n")
    result = place.ask()
    place.put("memory/x.md", "theirs [d](daily/2026-10-01.md)\n")
    assert change_all(Beneath(place.root), [result.changes]) == {0}
    assert place.text("memory/x.md") == "theirs [d](daily/2026-10-01.md)\n"
    assert place.text("memory/daily/2026-10-01.md") == "an old day\n"
    assert place.paths() == ["memory/daily/2026-10-01.md", "memory/x.md"], "nothing of the plan was begun"
    place.do()
    assert place.text("memory/x.md") == "theirs [d](daily/2026/10/2026-10-01.md)\n"


def test_a_note_that_moves_and_was_saved_meanwhile_wins_too_and_leaves_no_copy_behind(place: Place) -> None:
    place.put("memory/daily/2026-10-01.md", "an old day\n")
    place.put("memory/daily/2026-10-02.md", "another\n")
    result = place.ask()
    place.put("memory/daily/2026-10-02.md", "theirs\n")
    assert change_all(Beneath(place.root), [result.changes]) == {0}
    assert place.paths() == ["memory/daily/2026-10-01.md", "memory/daily/2026-10-02.md"]
    place.do()
    assert place.text("memory/daily/2026/10/2026-10-02.md") == "theirs\n"


def test_a_note_that_is_saved_while_the_plan_is_made_makes_the_task_wait(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("memory/daily/2026-10-01.md", "an old day\n")
    from agent.handlers import organize

    plan = organize.plan_moves

    def late(*args: object) -> object:
        moves = plan(*args)  # type: ignore[arg-type]
        place.put("memory/daily/2026-10-01.md", "saved meanwhile\n")
        return moves

    monkeypatch.setattr(organize, "plan_moves", late)
    with pytest.raises(Busy, match="while it was being looked at"):
        place.ask()


# -- what is wrong ---------------------------------------------------------------------------------------------------


def test_orphans_duplicates_empty_files_and_broken_links_are_found(place: Place) -> None:
    place.put("memory/alone.md", "nobody knows me\n")
    place.put("memory/day/2026-11-19.md", "a day needs no link\n")
    place.put("memory/a.md", "see [[b]]\n")
    place.put("memory/b.md", "b\n")
    place.put("memory/c.md", "[web](https://example.org)\n")
    place.put("memory/twin1.md", "same [[b]]\n")
    place.put("memory/twin2.md", "same [[b]]  \r\n\r\n")
    place.put("memory/empty.md", " \n\n")
    place.put("memory/broken.md", '---\nup: "[[gone]]"\n---\n[x](nope.md)\n`[[code]]`\n[f](sub/) [b](b.md)\n')
    place.put("outside.md", "[[alone-too]]\n")
    place.put("memory/alone-too.md", "linked from outside the folder\n")
    result = place.do()
    said = result.raw.split("\n")
    assert "# Orphans, notes without links in or out: 3" in said
    assert said[said.index("# Orphans, notes without links in or out: 3") + 1 :][:3] == [
        "memory/alone.md", "memory/c.md", "memory/empty.md",
    ]  # fmt: skip
    assert "memory/twin1.md = memory/twin2.md" in said
    assert "Empty files: 1" in result.findings
    assert "memory/broken.md line 2: gone is not there" in said
    assert "memory/broken.md line 4: nope.md is not there" in said
    assert "# Broken links: 2" in said


def test_a_long_list_is_cut_in_the_findings_and_whole_in_the_raw_data(place: Place) -> None:
    for number in range(30):
        place.put(f"memory/{number}.md", f"{number}\n")
    result = place.do(only="orphans")
    assert len(result.findings) == 12
    assert result.findings[-1] == "… and 20 more, in the raw data"
    assert result.raw.count(".md") == 30


# -- the day ---------------------------------------------------------------------------------------------------------


def test_the_summary_names_what_came_changed_and_went_but_not_what_it_did_itself(place: Place) -> None:
    place.put("memory/daily/2026-10-21.md", "thirty days old tomorrow\n- [ ] call\n")
    place.put("memory/stays.md", "[d](daily/2026-10-21.md)\n- [ ] one\n```\n- [ ] no\n```\n")
    place.put("memory/goes.md", "x\n")
    place.do(scheduled=True)
    place.now = place.now.replace(day=21)
    result = place.do(scheduled=True)
    assert "Filed: 1 file" in result.sections[0].text
    place.now = place.now.replace(day=22)
    place.put("memory/new.md", "n\n", days=0.1)
    place.put("memory/stays2.md", "[[stays]]\n", days=0.1)
    (place.root / "memory/goes.md").unlink()
    place.facts["day"] = [
        {"type": "fetch", "status": "done", "runs": 3},
        {"type": "ask", "status": "failed", "runs": 1},
    ]
    text = place.do(scheduled=True).sections[0].text
    assert text.split("\n") == [
        "Since 2026-11-21 09:30 UTC:",
        "- New notes: 2 (memory/new.md, memory/stays2.md)",
        "- Changed notes: 0",
        "- Notes that went: 1 (memory/goes.md)",
        "- Filed: 0 files",
        "- Open check boxes: 2 in 2 notes",
        "- Tasks in the last 24 hours: 4 (3 done, 1 failed)",
    ]


def test_a_scheduled_run_with_nothing_to_do_and_nothing_new_is_quiet_and_a_dropped_one_reports(
    place: Place,
) -> None:
    place.put("memory/a.md", "alone\n")
    assert not place.do(scheduled=True).quiet, "the first one tells what there is"
    for _ in range(2):
        assert place.do(scheduled=True).quiet
    assert not place.do().quiet
    place.put("memory/b.md", "b\n", days=0)
    assert not place.do(scheduled=True).quiet
    assert place.do(scheduled=True).quiet


def test_what_stays_as_it_was_told_is_no_reason_to_speak_again(place: Place) -> None:
    place.rules("`memory/in/` | `memory/out/`")
    place.put("memory/in/b.md", "same\n")
    place.put("memory/out/b.md", "same\n")
    assert not place.do(scheduled=True).quiet
    assert place.do(scheduled=True).quiet


def test_words_come_on_top_of_the_facts_and_only_when_they_can_be_believed(place: Place) -> None:
    place.put("memory/a.md", "alone\n", days=0)
    said = "One new note: memory/b.md."
    assert place.do(wording="true").sections[0].text.startswith("Since "), "no model stands ready"
    place.put("memory/b.md", "new\n", days=0)
    place.says = {"text": said, "confidence": 0.9}
    result = place.do(wording="true")
    assert result.sections[0].text.split("\n")[:3] == [f"In short: {said}", "", "Since 2026-11-20 09:30 UTC:"]
    assert "memory/b.md" in place.prompts[-1]
    assert len(result.usage) == 1
    for doubtful in ({"text": said, "confidence": 0.2}, {"text": "77 notes changed", "confidence": 1.0}):
        place.says = doubtful
        assert place.do(wording="true").sections[0].text.startswith("Since ")
    place.leaves = True
    assert len(place.prompts) == 3
    place.do(wording="true")
    assert len(place.prompts) == 3, "the names of notes go to no other machine"


def test_a_run_that_starts_again_after_a_crash_tells_the_same_day(place: Place) -> None:
    place.put("memory/a.md", "alone\n")
    place.do(scheduled=True)
    place.put("memory/b.md", "b\n", days=0)
    first = place.ask(scheduled=True)
    assert place.ask(scheduled=True, again=True) == first
    assert place.ask(scheduled=True).sections == first.sections, "its report never came out"
    place.put(f"memory/tasks/2026-11/organize-{place.number}.md")
    assert place.ask(scheduled=True).quiet, "it came out, and was taken out of the outbox since"


# -- the rules page --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("memory/*.md | `memory/x/`", "write patterns in backticks"),
        ("`*.md` older than soon | `memory/x/`", "'older than soon' is not understood"),
        ("`*.md` | `memory/x`", "it must be a folder"),
        ("`*.md` | `/memory/x/`", "it must be a folder"),
        ("`*.md` | `inbox/`", "nothing may be moved to 'inbox/'"),
        ("`*.md` | `memory/tasks/`", "nothing may be moved to"),
        ("`*.md` | `../x/`", "nothing may be moved to"),
        ("`*.md` | `.trash/`", "nothing may be moved to"),
        ("`*.md` | `memory/{year/`", "a brace"),
        ("`*.md` | `memory/c#/`", "no link can lead into"),
        (" | `memory/x/`", "column When is empty"),
        ("`a**b.md` | `memory/x/`", "`**` stands for whole folders"),
        ("`/a.md` | `memory/x/`", "no path from the vault's top"),
        ("`YYYY/YYYY.md` | `memory/x/`", "each stand in it once"),
        ("`*.md`, older than 1 day, older than 2 days | `memory/x/`", "stands twice"),
    ],
)
def test_a_row_that_cannot_be_used_is_an_error_with_its_line_and_nothing_moves(
    place: Place, row: str, why: str
) -> None:
    place.rules("`memory/a.md` | `memory/x/`", row)
    place.put("memory/a.md")
    with pytest.raises(BadConfig, match="line 4") as caught:
        place.ask(only="file")
    assert why in caught.value.why
    assert "prompts/organize.md" in caught.value.where


def test_a_page_without_a_table_or_with_other_columns_is_told(place: Place) -> None:
    place.put("prompts/organize.md", "# Nothing here\n")
    with pytest.raises(BadConfig, match="no table"):
        place.ask()
    place.put("prompts/organize.md", "| If | Then |\n|---|---|\n| `a` | keep |\n")
    with pytest.raises(BadConfig, match="its columns are If"):
        place.ask()
    place.put("memory/a.md")
    assert place.ask(only="empty").findings == ("Empty files: 0",), "what moves nothing needs no rules"


def test_the_page_of_a_new_vault_is_the_one_that_counts_where_there_is_none(place: Place) -> None:
    place.put("memory/daily/2026-10-01.md")
    without = place.ask(only="file")
    place.put("prompts/organize.md", default_file("prompts/organize.md").replace("\n", "\r\n"))
    assert place.ask(only="file").changes == without.changes != ()


def test_the_page_for_users_shows_only_rules_and_requests_that_work() -> None:
    page = (Path(__file__).parents[2] / "docs/errands/organize.md").read_text("utf-8")
    tables = [part for part in page.split("\n\n") if part.startswith("| When |")]
    assert [len(load_rules(table)) for table in tables] == [4, 2]
    assert tables[0] in default_file("prompts/organize.md")
    said = page.partition("Other requests that are understood: ")[2].partition(". What cannot")[0]
    requests = re.findall(r"`([^`]+)`", said)
    assert len(requests) == 6
    assert all(asked(request) for request in requests)


# -- plain English ---------------------------------------------------------------------------------------------------


def asked(text: str) -> dict[str, object]:
    task = Task("t", "inbox/t.md", "t", text, text, "0" * 12)
    return understand(task).model_dump(exclude_defaults=True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("Tidy memory/daily", {"only": ("file",), "path": "memory/daily"}),
        ("Please tidy up the vault.", {"only": ("file",), "path": ""}),
        ("# Nightly\n\nOrganize my memory folder", {"only": ("file",)}),
        ("Archive old logs", {"only": ("archive",), "match": ("*.log", "**/logs/**")}),
        ("Move logs older than a month to the archive",
         {"only": ("archive",), "match": ("*.log", "**/logs/**"), "older_than": "a month"}),
        ("Find orphaned notes", {"only": ("orphans",)}),
        ("Which notes in memory/projects have no links pointing at them?",
         {"only": ("orphans",), "path": "memory/projects"}),
        ("List broken wiki links in the vault", {"only": ("broken",), "path": ""}),
        ("Find duplicate files in memory/", {"only": ("duplicates",)}),
        ("Tidy memory/ and list orphaned notes", {"only": ("file", "orphans")}),
    ],
)  # fmt: skip
def test_plain_requests_are_understood(text: str, found: dict[str, object]) -> None:
    assert asked(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "Purge logs/ of anything older than two weeks",
        "clean out old logs",
        "Delete the orphans",
        "Archive meeting notes from 2024",
        "File yesterday's notes",
        "Archive notes",
        "Tidy memory/daily and archive logs older than 30 days",
        "Tidy memory/daily but not the ones about Anna",
        "Tidy memory/a and memory/b",
        "Put all screenshots lying around in the root under assets/",
        "Find orphaned notes and delete them",
    ],
)
def test_what_is_not_beyond_doubt_goes_to_somebody_with_a_mind(text: str) -> None:
    with pytest.raises(Doubt):
        asked(text)


def test_only_what_moves_files_waits_for_its_mark_in_an_obsidian_vault() -> None:
    def waits(text: str = "", **params: str) -> bool:
        return HANDLER.waits_unmarked(Task("t", "inbox/t.md", "t", text, text, "0" * 12, params=params))

    assert waits("Tidy memory/")
    assert waits()
    assert not waits("Find orphaned notes")
    assert not waits(dry_run="true")
    assert not waits("Sing a song")
