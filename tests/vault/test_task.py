"""Reading tasks: what a person writes, and what comes of it."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.text import normal_form
from agent.vault.conversions import seconds
from agent.vault.task import read_task
from agent.vault.task_keys import RESERVED
from agent.vault.values import Priority, Problem, Status, Task

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "task_vectors.json").read_text("utf-8"))


def read(text: str | bytes, **options: Any) -> Task:
    raw = text.encode() if isinstance(text, str) else text
    folder = "inbox/schedules" if options.get("scheduled") else "inbox"
    return read_task(raw, f"{folder}/My note.md", **options)


def good(header: str, body: str = "Do it.\n", **options: Any) -> Task:
    task = read(f"---\n{header}\n---\n{body}", **options)
    assert task.problem is None, task.problem
    return task


def bad(text: str | bytes) -> Problem:
    problem = read(text).problem
    assert problem is not None
    assert problem.what
    assert problem.fix
    return problem


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["what"] for vector in VECTORS])
def test_ids_and_revisions_are_the_same_on_every_machine(vector: dict[str, str]) -> None:
    task = read_task(base64.b64decode(vector["base64"]), f"inbox/{vector['name']}")
    assert (task.id, task.revision) == (vector["id"], vector["revision"])


def test_a_file_without_header_is_a_task_whose_text_is_the_request() -> None:
    task = read("Write 42 to test.txt\n")
    assert (task.text, task.title, task.type, task.model) == ("Write 42 to test.txt",) * 2 + ("auto", "auto")
    assert (task.status, task.marked_open, task.explicit_id, dict(task.params)) == (Status.OPEN, False, False, {})
    assert task.problem is None


def test_every_key_of_the_table_is_read() -> None:
    task = good(
        "type: Research\nmodel: openai/gpt-4.1\npriority: HIGH\nthinking: low\ntier: standard\nstatus: open\n"
        "id: nightly-1\ntitle: 'Re: it'\nnot_before: 2026-11-20\ndue: 2026-11-21 09:30\n"
        "after: [a, '[[b|shown]]']\nneeds: gpu, lan\ntimeout: 1h30m\nbudget_usd: 0.50\nprivate: yes\n"
        "verify: tests\napprove: true\nmissed: skip\nactive_hours: 8:00-23:00\ntimezone: Europe/Berlin\njitter: 5m\n"
        "url: https://example.org/\nitems: [1, 02]"
    )
    assert (task.type, task.model, task.priority, task.thinking) == ("research", "openai/gpt-4.1", Priority.HIGH, "low")
    assert (task.tier, task.status, task.marked_open, task.id) == ("standard", Status.OPEN, True, "nightly-1")
    assert (task.title, task.explicit_id) == ("Re: it", True)
    assert task.not_before == datetime(2026, 11, 20, tzinfo=UTC)
    assert task.due == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    assert (task.after, task.needs, task.timeout, task.budget_usd) == (("a", "b"), ("gpu", "lan"), 5400.0, 0.5)
    assert (task.private, task.verify, task.approve) == (True, "tests", True)
    assert (task.missed, task.active_hours, task.timezone, task.jitter) == ("skip", "08:00-23:00", "Europe/Berlin", 300)
    assert dict(task.params) == {"url": "https://example.org/", "items": ["1", "02"]}


@pytest.mark.parametrize(
    ("header", "field", "value"),
    [
        ("task_type: file", "type", "file"),
        ("handler: file", "type", "file"),
        ("action: file", "type", "file"),
        ("priority: medium", "priority", Priority.NORMAL),
        ("priority: urgent", "priority", Priority.CRITICAL),
        ("priority: P0", "priority", Priority.CRITICAL),
        ("priority: p1", "priority", Priority.HIGH),
        ("priority: P3", "priority", Priority.LOW),
        ("complexity: trivial", "tier", "trivial"),
        ("route: complex", "tier", "complex"),
        ("state: draft", "status", Status.DRAFT),
        ("ready: true", "marked_open", True),
        ("ready: false", "status", Status.DRAFT),
        ("name: Call", "title", "Call"),
        ("scheduled: 2026-11-20T09:30:00+02:00", "not_before", datetime(2026, 11, 20, 7, 30, tzinfo=UTC)),
        ("start: 2026/11/2", "not_before", datetime(2026, 11, 2, tzinfo=UTC)),
        ("wait: '[[2026-11-20]]'", "not_before", datetime(2026, 11, 20, tzinfo=UTC)),
        ("due_date: 2026-11-20", "due", datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)),
        ("depends_on: a, b", "after", ("a", "b")),
        ("blocked_by: [[a]], [[folder/b]]", "after", ("a", "folder/b")),
        ("timeout_s: 90", "timeout", 90.0),
        ("if_missed: all", "missed", "all"),
        ("thinking: false", "thinking", "off"),
        ("Priority: low", "priority", Priority.LOW),
        ("Not Before: 2026-11-20", "not_before", datetime(2026, 11, 20, tzinfo=UTC)),
        ("type: [file]", "type", "file"),
        ("budget_usd: $0", "budget_usd", 0.0),
        ("private: ON", "private", True),
        ("model: Local", "model", "local"),
    ],
)
def test_aliases_and_spellings_are_understood(header: str, field: str, value: object) -> None:
    task = good(header)
    assert getattr(task, field) == value
    assert not task.params


@pytest.mark.parametrize(
    ("header", "field", "value"),
    [
        ("every: 30m", "every", "30m"),
        ("cron: 0 9 * * 1-5", "cron", "0 9 * * 1-5"),
        ("cron: '@daily'", "cron", "@daily"),
        ("schedule: 1d", "every", "1d"),
        ("schedule: daily", "every", "1d"),
        ("schedule: 0 9 * * *", "cron", "0 9 * * *"),
    ],
)
def test_a_schedule_says_when_it_is_due(header: str, field: str, value: str) -> None:
    assert getattr(good(header, scheduled=True), field) == value


@pytest.mark.parametrize("header", ["every: 30m", "cron: 0 9 * * 1-5", "schedule: daily", "Every: 1d"])
def test_d12_a_file_that_recurs_and_does_not_lie_among_the_schedules_is_told_where_it_belongs(header: str) -> None:
    text = f"---\ntype: status\n{header}\n---\nHow is it?\n"
    problem = bad(text)
    assert "does not lie in inbox/schedules/" in problem.what
    assert (problem.line, "move the file to inbox/schedules/" in problem.fix) == (3, True)
    assert problem.corrected == text.replace(header, f"# {header}")
    assert read(problem.corrected).problem is None


@pytest.mark.parametrize(
    ("header", "line", "what", "corrected"),
    [
        ("type: status", 1, "does not say when it is due", "type: status\nevery: 1d"),
        ("every: 1d\ncron: 0 9 * * *", 3, "`every` and `cron` are both there", "every: 1d\n# cron: 0 9 * * *"),
        ("every: 90s", 2, "no whole number of minutes", 'every: "2m"'),
        ("every: 30m\njitter: 30m", 3, "`jitter` is as long", "every: 30m\n# jitter: 30m"),
        ("cron: 61 9 * * *", 2, "`cron: 61 9 * * *` is not valid", "# cron: 61 9 * * *\nevery: 1d"),
        ("cron: 0 0 30 2 *", 2, "is not valid", "# cron: 0 0 30 2 *\nevery: 1d"),
        ("cron: 0 0 29 2 */7", 2, "it would never run", "# cron: 0 0 29 2 */7\nevery: 1d"),
        ("every: often", 2, "`every: often` is not valid", "# every: often\nevery: 1d"),
        ("tier: hard", 2, "`tier: hard` is not valid", "# tier: hard\nevery: 1d"),
        ("every: 2h\ncron: 61 9 * * *", 3, "`cron: 61 9 * * *` is not valid", "every: 2h\n# cron: 61 9 * * *"),
        ("every: 1d\ntimezone: Mars/Base", 3, "`timezone: Mars/Base` is not", "every: 1d\n# timezone: Mars/Base"),
        ("every: 1d\ntimezone: ../../etc/passwd", 3, "is not valid", "every: 1d\n# timezone: ../../etc/passwd"),
        ("cron: 0 1 * * *\nactive_hours: 13:00-14:00", 3, "never run", "cron: 0 1 * * *\n# active_hours: 13:00-14:00"),
    ],
)  # fmt: skip
def test_d12_a_schedule_that_is_none_is_told_with_its_line_and_the_file_mended(
    header: str, line: int, what: str, corrected: str
) -> None:
    task = read(f"---\n{header}\n---\nHow is it?\n", scheduled=True)
    assert task.problem is not None
    assert what in task.problem.what
    assert task.problem.line == line
    assert task.problem.corrected == f"---\n{corrected}\n---\nHow is it?\n"
    assert read(task.problem.corrected, scheduled=True).problem is None


def test_a_draft_among_the_schedules_need_not_say_when() -> None:
    assert good("type: status\nstatus: draft", scheduled=True).status is Status.DRAFT


def test_an_id_that_looks_like_the_run_of_a_schedule_is_refused() -> None:
    assert "is not valid" in bad("---\nid: beat-20261120t0930z\n---\nDo it.\n").what


def test_an_alias_is_a_parameter_when_the_key_is_there_or_its_value_is_not_valid() -> None:
    task = good("type: file\naction: copy\ntask: weekly digest\nscheduled: soon\nname: x\ntitle: Y\nstate: CA")
    assert task.type == "file"
    assert dict(task.params) == {
        "action": "copy", "task": "weekly digest", "scheduled": "soon", "name": "x", "state": "CA",
    }  # fmt: skip


def test_with_known_types_an_alias_must_name_one_of_them() -> None:
    task = good("task: groceries\nhandler: file", types={"file"})
    assert (task.type, dict(task.params)) == ("file", {"task": "groceries"})
    problem = read("---\ntype: flie\n---\nDo it.\n", types={"file"}).problem  # asked for by name: refused, not guessed
    assert problem is not None and problem.fix == "did you mean `type: file`?"


def test_unfilled_template_placeholders_count_as_absent() -> None:
    task = good("due: {{date}}\ntitle: '{{title}}'\npriority: <% tp.prompt() %>\nurl: {{url}}", "# Head\n")
    assert (task.due, task.title, task.priority) == (None, "Head", Priority.NORMAL)
    assert dict(task.params) == {"url": "{{url}}"}


def test_a_clock_time_and_tomorrow_need_to_know_what_day_it_is() -> None:
    task = good("not_before: 09:30\ndue: tomorrow", today=date(2026, 11, 20))
    assert task.not_before == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    assert task.due == datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC)
    assert bad("---\ndue: tomorrow\n---\nx").line == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("2 days", 172_800), ("45 sec", 45), ("1w", 604_800)],
)
def test_durations_are_seconds_or_units(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "0", "0m", "-1", "m", "1y", "1h30", "inf", "nan", "1e9", "999999999", "٣m "])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        seconds(text)


# --- the request and its title


def test_c5_tags_in_the_text_set_model_and_thinking_and_leave_the_request() -> None:
    task = read("[model:cheap] Summarise this [thinking:HIGH] please.\n\n- [ ] [model:other] more\n")
    assert (task.model, task.thinking) == ("cheap", "high")
    assert task.text == "Summarise this please.\n\n- [ ] more"


def test_c5_the_front_matter_wins_over_tags() -> None:
    task = good("thinking: off\nmodel: local", "Do it [thinking:high] [model:cheap]\n")
    assert (task.thinking, task.model, task.text) == ("off", "local", "Do it")


def test_tags_in_fenced_code_and_in_links_are_text() -> None:
    body = "Explain:\n```text\n[model:cheap]\n```\nand [model:x](y.md)"
    assert (read(body).model, read(body).text) == ("auto", body)


def test_a_tag_that_is_not_valid_is_told_with_its_line() -> None:
    problem = bad("---\ntype: ask\n---\nOne\nTwo [thinking:hgih]\n")
    assert (problem.line, problem.corrected) == (5, "---\ntype: ask\n---\nOne\nTwo [thinking:high]\n")


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ("Intro\n\n## The *plan*\n", "The *plan*"),
        ("```\n# no\n```\n", "no"),
        ("- [ ] **Buy** milk\nmore", "Buy milk"),
        ("\n\n> 1. quoted", "quoted"),
        ("#tag first", "tag first"),
        ("---\n", "My note"),
    ],
)
def test_the_title_is_the_first_heading_else_the_first_line_else_the_file_name(body: str, title: str) -> None:
    assert read(f"---\ntype: ask\n---\n{body}").title == title


def test_a_title_alone_is_a_request() -> None:
    assert good("title: Buy milk", "").text == "Buy milk"


def test_a_type_alone_is_a_task() -> None:
    assert good("type: heartbeat", "").text == ""


def test_a_header_that_asks_for_nothing_is_a_problem_unless_it_is_a_draft() -> None:
    assert bad("---\ntags: [a]\n---\n").what == "the file asks for nothing"
    assert good("tags: [a]\nstatus: draft", "").status is Status.DRAFT


# --- problems


@pytest.mark.parametrize(
    ("line", "corrected"),
    [
        ("priority: urgnt", "priority: urgent"),
        ("thinking: hihg", "thinking: high"),
        ("status: done", "# status: done"),
        ("tier: standart", "tier: standard"),
        ("id: Foo Bar", "id: foo-bar"),
        ("id: " + "x" * 81, "id: " + "x" * 48),
        ("due: soon", "# due: soon"),
        ("due: 2026-13-45", "# due: 2026-13-45"),
        ("timeout: 0", "# timeout: 0"),
        ("budget_usd: -1", "# budget_usd: -1"),
        ("private: mabye", "# private: mabye"),
        ("missed: onec", "missed: once"),
        ("active_hours: 8-25", "# active_hours: 8-25"),
        ("active_hours: 08:00-25:00", "# active_hours: 08:00-25:00"),
        ("cron: hourly please", "# cron: hourly please"),
        ("type: a b", "# type: a b"),
        ("type: {a: b}", "# type: {a: b}"),
        ("model: --upload-pack=x", "# model: --upload-pack=x"),
        ("after: [[a, b], c]", "# after: [[a, b], c]"),
    ],
)
def test_a_value_that_is_not_valid_is_told_with_its_line_and_the_file_mended(line: str, corrected: str) -> None:
    text = f"---\ntitle: T\n{line}\nurl: x\n---\nDo it.\n"
    problem = bad(text)
    assert problem.line == 3
    assert problem.corrected == text.replace(line, corrected)
    assert read(problem.corrected).problem is None


def test_all_values_that_are_not_valid_are_mended_at_once_and_the_first_is_told() -> None:
    problem = bad("---\ntier: hard\npriority: hihg\ndue: soon\n---\nx\n")
    assert problem.line == 2
    assert problem.corrected == "---\n# tier: hard\npriority: high\n# due: soon\n---\nx\n"


def test_d12_a_header_that_cannot_be_read_keeps_the_text_and_says_the_line() -> None:
    text = '---\ntype: file\ntitle: "open\n---\nDo it.\n'
    task = read(text)
    assert (task.raw, task.problem and task.problem.line) == (text, 3)
    assert read(task.problem.corrected or "").problem is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        "---\n<<<<<<< HEAD\ntype: a\n=======\ntype: b\n>>>>>>> theirs\n---\nx",
        "---\ntype: a\n=======\n---\nx",
        "---\ntype: a\n>>>>>>> theirs\nx",
        "<<<<<<< HEAD\n---\ntype: a\n---\nx",
    ],
)
def test_g13_conflict_markers_in_the_header_are_never_run(text: str) -> None:
    assert "conflicted" in bad(text).what


def test_g13_conflict_markers_in_the_body_are_text() -> None:
    assert read("Explain:\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> x\n").problem is None
    assert good("type: ask", "A heading\n=======\n\n<<<<<<< HEAD\n").type == "ask"


@pytest.mark.parametrize(
    ("raw", "what", "corrected"),
    [
        (b"", "empty", None),
        (b" \r\n\t\n", "empty", None),
        (b"\xef\xbb\xbf\n", "empty", None),
        (b"x" * (1 << 20) + b"y", "too big", None),
        ("Do it".encode("utf-16"), "UTF-16", "Do it"),
        ("Fähre".encode("cp1252"), "not UTF-8", "Fähre"),
        (b"Do\n\0it", "NUL", "Do\nit"),
        (b"\xed\xa0\x80", "not UTF-8", None),
    ],
)
def test_w21_what_is_no_text_is_a_task_with_a_problem(raw: bytes, what: str, corrected: str | None) -> None:
    problem = bad(raw)
    assert what in problem.what
    if corrected:
        assert problem.corrected == corrected
    assert read(raw).id.startswith("my-note-")


@pytest.mark.parametrize(
    "text",
    [
        "[thinking:zz] [model:-]\n" * 40_000,
        "---\nafter: '[[" + "a" * 900_000 + "'\n---\nx",
        "---\n" + "a: b\n" * 200_000,
    ],
    ids=["tags", "an open link", "an open header"],
)
def test_s30_the_largest_hostile_file_is_read_in_seconds(text: str) -> None:
    started = time.process_time()
    read(text)
    assert time.process_time() - started < 10


def test_w21_a_file_of_exactly_one_mebibyte_is_read() -> None:
    assert read(b"x" * (1 << 20)).problem is None


def test_a_schedule_instance_says_so() -> None:
    assert good("type: heartbeat\nevery: 1h", "", scheduled=True).scheduled


def test_reserved_words_cover_the_table_and_its_aliases() -> None:
    assert {"type", "due_date", "ready", "schedule", "blocked_by"} <= RESERVED


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(sorted(RESERVED)) | st.text(max_size=8),
        st.text(max_size=20)
        | st.sampled_from(["2026-11-20", "10m", "yes", "[[x]]", "{{date}}", "[a, b]", "low", "&a", "- x"]),
    ),
    max_size=6,
).map(lambda pairs: "---\n" + "".join(f"{key}: {value}\n" for key, value in pairs) + "---\nDo it [model:x].\n")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | HEADERS.map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"---\n[\n---\n")
@example(b"---\nid: \xef\xbb\xbf\n---\n")
def test_s04_reading_never_raises_and_the_text_is_never_lost(raw: bytes) -> None:
    task = read(raw)
    assert task.id
    assert task.title
    assert len(task.revision) == 12
    try:
        whole = normal_form(raw)
    except UnicodeDecodeError:
        assert task.problem is not None
        return
    if b"\0" not in raw and whole:
        assert task.raw == whole
    if task.problem and task.problem.corrected is not None:
        read(task.problem.corrected)


def test_an_id_that_has_the_form_of_a_token_is_refused() -> None:
    """It would stand in names, commit messages and claims, where nothing can be left out."""
    problem = bad("---\nid: xo" + "xb-0123abcdefghijk2345\n---\nDo it.\n")
    assert "no secret" in f"{problem.why} {problem.fix}"
    assert good("id: sk-review-of-the-slovak-edition").id == "sk-review-of-the-slovak-edition"
