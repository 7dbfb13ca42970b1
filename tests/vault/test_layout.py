"""Every path of a vault, and nothing that could lead out of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Refused
from agent.vault import layout
from agent.vault.values import Role

WHEN = datetime(2026, 11, 20, 9, 30, 5, tzinfo=UTC)
ID = "weekly-digest-1a2b3c4d"


def test_paths_are_those_of_the_format() -> None:
    assert layout.report_path(ID) == "outbox/weekly-digest-1a2b3c4d.md"
    assert layout.handoff_path(ID) == "outbox/handoffs/weekly-digest-1a2b3c4d.handoff.md"
    assert layout.finished_task_path(ID, WHEN) == "memory/tasks/2026-11/weekly-digest-1a2b3c4d.md"
    assert layout.decision_path(ID, WHEN) == "memory/decisions/2026-11-20-weekly-digest-1a2b3c4d.md"
    assert layout.answer_path(ID) == "inbox/answer-weekly-digest-1a2b3c4d.md"
    assert layout.claim_path(ID) == "inbox/claim-weekly-digest-1a2b3c4d.md"
    assert layout.approval_path(ID) == "outbox/approvals/weekly-digest-1a2b3c4d.md"
    assert layout.ledger_path("laptop-1", date(2026, 11, 20), 3) == "memory/ledger/laptop-1-2026-11-20-03.jsonl"
    assert layout.invalid_report_path("Bad Note!", "0123456789abcdef") == "outbox/bad-note-01234567.md"


@pytest.mark.parametrize(
    ("role", "folder"),
    [
        (Role.HEARTBEAT, "heartbeat-reports"),
        (Role.DATA, "data-reports"),
        (Role.ORGANIZATION, "organization-reports"),
        (Role.RESEARCH, "research-drafts"),
        (Role.TASK, "task-reports"),
    ],
)
def test_each_role_keeps_its_reports_in_its_own_folder(role: Role, folder: str) -> None:
    path = layout.memory_report_path(role, ID, WHEN)
    assert path == f"memory/qwen-worker/{folder}/2026-11/2026-11-20-weekly-digest-093005-1a2b.md"


def test_ids_that_are_not_derived_give_four_digits_of_their_own_digest() -> None:
    digits = sha256(b"job.7").hexdigest()[:4]
    assert layout.memory_report_path(Role.TASK, "job.7", WHEN).endswith(f"/2026-11-20-job-7-093005-{digits}.md")


def test_a_second_run_of_the_same_text_in_the_same_second_has_a_name_of_its_own() -> None:
    names = {layout.memory_report_path(Role.TASK, run, WHEN) for run in (ID, f"{ID}-2", f"{ID}-3")}
    assert len(names) == 3
    assert all("/2026-11-20-weekly-digest-093005-" in name for name in names)


def test_g12_a_taken_name_gets_more_digits_and_never_the_same_file() -> None:
    first = layout.memory_report_path(Role.TASK, ID, WHEN)
    second = layout.memory_report_path(Role.TASK, ID, WHEN, taken={first})
    assert second.endswith("-1a2b3c.md")
    assert layout.memory_report_path(Role.TASK, ID, WHEN, taken={first, second}).endswith("-1a2b3c4d.md")


def test_names_are_utc_whatever_zone_the_time_came_in() -> None:
    east = WHEN.replace(hour=1, day=1, month=12).astimezone(timezone(timedelta(hours=-5)))
    assert "/2026-12/2026-12-01-" in layout.memory_report_path(Role.TASK, ID, east)
    assert layout.finished_task_path(ID, east).startswith("memory/tasks/2026-12/")


@pytest.mark.parametrize(("full", "wanted"), [(0, ""), (1, "-b"), (2, "-c"), (25, "-z"), (26, "-27")])
def test_a_full_month_goes_on_in_a_folder_of_its_own(full: int, wanted: str) -> None:
    seen: list[str] = []

    def entries(folder: str) -> int:
        seen.append(folder)
        return layout.FOLDER_LIMIT if len(seen) <= full else layout.FOLDER_LIMIT - 1

    assert layout.finished_task_path(ID, WHEN, entries) == f"memory/tasks/2026-11{wanted}/{ID}.md"
    assert len(set(seen)) == len(seen) == full + 1


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", ".git", "a" * 97, "a\n", "a b", "<% x %>", "é"])
def test_s12_what_is_no_id_never_becomes_a_path(name: str) -> None:
    for path in (layout.report_path, layout.handoff_path, layout.answer_path, layout.approval_path):
        with pytest.raises(Refused):
            path(name)
    with pytest.raises(Refused):
        layout.memory_report_path(Role.TASK, name, WHEN)


@given(st.text(max_size=40), st.text(max_size=40))
def test_g12_two_workers_never_share_a_ledger_segment(one: str, other: str) -> None:
    day = date(2026, 11, 20)
    paths = {layout.ledger_path(name, day, 1) for name in (one, other)}
    assert len(paths) == len({one, other})
    assert all(path.count("/") == 2 and ".." not in path.split("/") for path in paths)
