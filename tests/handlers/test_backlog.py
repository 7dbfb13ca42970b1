"""The `backlog` type: items by section, with owner, date and state, read by code."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import BadHeader, Doubt, Refused
from agent.handlers.backlog import HANDLER, by_code
from agent.handlers.backlog.items import read_items
from agent.handlers.backlog.request import Wish, read_wish
from agent.models.fake import FakeModel
from agent.vault.task import read_task
from agent.vault.values import Result
from tests.handlers.model_place import ModelPlace

LIST = """\
---
title: Backlog
---
# Backlog

Some words.

## Mobile

- [ ] Fix login on Safari @ada #bug P1 (due 2026-11-10)
- [x] Dark mode @ben ✅ 2026-10-01
  - [ ] Its icon
- [-] Widgets

## Infra
### Backups

1. [ ] Test the restore (owner: ada) 📅 2026-12-24
2. Buy a disk, due 2026-13-01

```
- [ ] no item, this is code
```
"""


@pytest.fixture
def place(tmp_path: Path) -> ModelPlace:
    made = ModelPlace(tmp_path, HANDLER)
    made.write("BACKLOG.md", LIST)
    return made


def texts(result: Result) -> list[str]:
    return [item["text"].split(" ")[0] for item in json.loads(result.raw or "[]")]


def test_items_carry_section_state_owner_tag_priority_and_dates() -> None:
    found = {item.text.split(" ")[0]: item for item in read_items(LIST)}
    assert list(found) == ["Fix", "Dark", "Its", "Widgets", "Test", "Buy"]
    fix, restore, disk = found["Fix"], found["Test"], found["Buy"]
    assert (fix.section, fix.state, fix.owners, fix.tags, fix.priority) == ("Mobile", "open", ("ada",), ("bug",), "P1")
    assert (fix.due, fix.line) == (date(2026, 11, 10), 10)
    assert (restore.path, restore.owners, restore.due) == (
        ("Backlog", "Infra", "Backups"), ("ada",), date(2026, 12, 24),
    )  # fmt: skip
    assert (found["Dark"].state, found["Dark"].ended) == ("done", date(2026, 10, 1))
    assert (found["Its"].depth, found["Widgets"].state) == (1, "dropped")
    assert (disk.state, disk.due, disk.bad_date) == ("none", None, "2026-13-01")


@given(st.text(alphabet="-*# []xX@\n1.a`", max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    for item in read_items(text):
        assert item.text and 1 <= item.line <= text.count("\n") + 1


def test_a_report_counts_by_section_and_names_what_is_overdue(place: ModelPlace) -> None:
    result = place.do(FakeModel(), "")
    assert result.findings[0] == "BACKLOG.md: 6 items: 3 open, 1 without a box, 1 done, 1 dropped."
    assert result.findings[1:3] == ("Mobile: 4 (2 open, 2 closed)", "Backups: 2 (2 open, 0 closed)")
    assert "overdue since 2026-11-10: Fix login on Safari @ada #bug P1 (due 2026-11-10) (BACKLOG.md line 10)" in (
        result.findings
    )
    assert any(finding.startswith("2026-13-01 is no date: Buy a disk") for finding in result.findings)
    assert result.findings[-1] == "Owners: ada 2, ben 1; 3 without one."
    assert "Mobile:\n- (open) Fix login" in result.sections[0].text


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"section": "infra"}, ["Test", "Buy"]),
        ({"owner": "@Ada"}, ["Fix", "Test"]),
        ({"tag": "#bug"}, ["Fix"]),
        ({"prio": "p1"}, ["Fix"]),
        ({"state": "done"}, ["Dark"]),
        ({"state": "open"}, ["Fix", "Its", "Test", "Buy"]),
        ({"overdue": "true"}, ["Fix"]),
        ({"match": "RESTORE"}, ["Test"]),
        ({"section": "Nowhere"}, []),
    ],
)
def test_parameters_narrow_it(place: ModelPlace, params: dict[str, str], names: list[str]) -> None:
    assert texts(place.do(FakeModel(), "", **params)) == names


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("List the open items of BACKLOG.md by section", Wish(state="open")),
        ('Give me the open backlog items under "Infra"', Wish(state="open", section="Infra")),
        ("What open items are in the Frontend section of BACKLOG.md?", Wish(state="open", section="Frontend")),
        ('List everything under "Mobile" in BACKLOG.md', Wish(section="Mobile")),
        ("Parse docs/backlog.md and give me the sections with their unchecked boxes", Wish("docs/backlog.md", "open")),
        ("Give me a list of the backlog's P2 items", Wish(priority="P2")),
        ("Which backlog items are tagged #infra?", Wish(tag="infra")),
        ("Read the backlog and tell me which items have no owner", Wish(unowned=True)),
        ("Which items in BACKLOG.md mention the printer?", Wish(text="printer")),
        ("How many items in the backlog are done?", Wish(state="done")),
        ("Which items are assigned to Ada?", Wish(owner="Ada")),
        ("Print the backlog by section with counts", Wish()),
    ],
)
def test_plain_requests_are_clear(text: str, wish: Wish) -> None:
    found = read_wish(text)
    assert found.clear
    assert found == wish


@pytest.mark.parametrize(
    "text",
    [
        "How many backlog items did we close in January?",
        "Which backlog items could a beginner take?",
        "Decide which backlog items go into the next release",
        "Estimate the items of BACKLOG.md",
    ],
)
def test_questions_of_their_own_are_not_clear(text: str) -> None:
    assert not read_wish(text).clear
    assert not by_code(read_task(text.encode(), "inbox/t.md"))


def test_a_question_chooses_items_and_their_words_stay_the_persons(place: ModelPlace) -> None:
    model = FakeModel({"items": [1, 3], "known": True, "confidence": 0.8})
    result = place.do(model, "Which items of BACKLOG.md could a beginner take?")
    assert texts(result) == ["Fix", "Its"]
    assert result.confidence == 0.8
    assert result.findings[0].startswith("BACKLOG.md: 2 of 6 items")


def test_an_unsure_model_takes_a_question_to_the_lead(place: ModelPlace) -> None:
    with pytest.raises(Doubt, match="which items are meant"):
        place.do(FakeModel({"items": [], "known": False, "confidence": 0.9}), "Estimate the items of BACKLOG.md")


def test_a_private_list_is_not_shown_to_a_model_elsewhere(place: ModelPlace) -> None:
    place.write("BACKLOG.md", "---\nprivate: true\n---\n- [ ] Buy a ring\n")
    place.leaves = True
    with pytest.raises(Refused, match="may not leave"):
        place.do(FakeModel(), "Which items of BACKLOG.md are romantic?")
    assert texts(place.do(FakeModel(), "")) == ["Buy"]


def test_a_list_in_a_folder_is_found_by_its_name(tmp_path: Path) -> None:
    place = ModelPlace(tmp_path, HANDLER)
    place.write("projects/backlog.md", "- [ ] One\n")
    assert place.do(FakeModel(), "List the backlog by section").findings[0].startswith("projects/backlog.md: 1 item")
    place.write("other/Backlog.md", "- [ ] Two\n")
    with pytest.raises(Refused, match=r"other/Backlog\.md, projects/backlog\.md have that name"):
        place.do(FakeModel(), "List the backlog by section")


def test_what_gofer_itself_keeps_under_that_name_is_no_list(tmp_path: Path) -> None:
    place = ModelPlace(tmp_path, HANDLER)
    for own in (
        "inbox/templates/backlog.md",
        "prompts/backlog.md",
        "memory/tasks/2026-11/backlog.md",
        "outbox/backlog.md",
    ):
        place.write(own, "- [ ] no item\n")
    with pytest.raises(Refused, match="no note has that name"):
        place.do(FakeModel(), "")
    place.write("projects/BACKLOG.md", "- [ ] One\n")
    assert place.do(FakeModel(), "").findings[0].startswith("projects/BACKLOG.md: 1 item")


def test_no_list_and_no_items_are_told(place: ModelPlace) -> None:
    with pytest.raises(Refused, match=r"there is no such list, in docs/none\.md"):
        place.do(FakeModel(), "", path="docs/none.md")
    place.write("empty.md", "# Nothing\n")
    with pytest.raises(Doubt, match="the note has no list"):
        place.do(FakeModel(), "", path="empty.md")
    with pytest.raises(BadHeader, match="prio"):
        place.do(FakeModel(), "", prio="P9")
