"""The `logs` type: patterns, levels, bursts and what is new, counted by code."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Doubt, Refused
from agent.handlers.base import Context
from agent.handlers.logs import HANDLER, LogsParams, by_code
from agent.handlers.logs.drain import PATTERNS, REST, SIBLINGS, Tree, masked
from agent.handlers.logs.lines import Entry, entries, entry
from agent.handlers.logs.mining import Mined, mine
from agent.handlers.logs.report import Shown, result_of
from agent.handlers.logs.request import read_wish
from agent.models.fake import FakeModel
from agent.vault.params import read_params
from agent.vault.task import read_task
from agent.vault.values import Result
from tests.handlers.model_place import ModelPlace

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def mined(lines: list[str], known: tuple[str, ...] = ()) -> Mined:
    return mine(entries(lines, NOW), known)


# -- lines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "when", "level", "message"),
    [
        ("2026-11-20T09:30:00Z ERROR disk full", "2026-11-20T09:30:00+00:00", "error", "ERROR disk full"),
        ("2026-11-20 09:30:00,123 WARN slow", "2026-11-20T09:30:00+00:00", "warning", "WARN slow"),
        ("[2026-11-20T09:30:00.5+02:00] INFO up", "2026-11-20T07:30:00+00:00", "info", "INFO up"),
        (
            "Nov 19 23:59:01 host sshd[7]: error: no key", "2026-11-19T23:59:01+00:00", "error",
            "sshd[7]: error: no key",
        ),
        ("Dec 31 10:00:00 host cron: ran", "2025-12-31T10:00:00+00:00", "", "cron: ran"),
        (
            '10.0.0.1 - - [20/Nov/2026:09:30:00 +0100] "GET /a HTTP/1.1" 503 12', "2026-11-20T08:30:00+00:00", "error",
            '"GET /a HTTP/1.1" 503 12',
        ),
        ("E1120 09:30:00.123456       7 main.go:3] failed", "2026-11-20T09:30:00+00:00", "error", "main.go:3] failed"),
        (
            '{"ts": 1795167000, "level": "warn", "msg": "late"}', "2026-11-20T09:30:00+00:00", "warning", "late",
        ),
        (
            '{"time":"2026-11-20T09:30:00Z","severity":"ERROR","message":"gone"}', "2026-11-20T09:30:00+00:00", "error",
            "gone",
        ),
        (
            '{"ts": 1795167000000000000, "level": "warn", "msg": "in ns"}', "2026-11-20T09:30:00+00:00", "warning",
            "in ns",
        ),
        ("level=error msg=\"x\"", None, "error", 'level=error msg="x"'),
        ("ValueError: not a number", None, "error", "ValueError: not a number"),
        ("2026-13-45T99:00:00Z broken time", None, "", "broken time"),
        ("{not json", None, "", "{not json"),
        ("just words", None, "", "just words"),
    ],
)  # fmt: skip
def test_the_usual_forms_of_a_line_are_read(line: str, when: str | None, level: str, message: str) -> None:
    assert entry(line, NOW) == Entry(at(when) if when else None, level, message)


@pytest.mark.parametrize(
    "line",
    [
        "0001-01-01 00:00:00+14:00 ERROR y", "9999-12-31T23:59:59-12:00 ERROR z", "1969-12-31T23:59:59Z x",
        '{"time": 1e999, "msg": "x"}', '{"time": -1e300, "msg": "x"}', '{"time": NaN, "msg": "x"}',
        f'{{"time": 1{"0" * 400}, "msg": "x"}}', '1.1.1.1 - - [01/Jan/0001:00:00:00 +1400] "GET / HTTP/1.1" 500 1',
    ],
)  # fmt: skip
def test_a_time_that_no_clock_can_show_is_none(line: str) -> None:
    assert entry(line, NOW).at is None
    result_of(mined([line, "2026-11-20T09:30:00Z ok"]), Shown(("a.log",), "", None, 20, False))


def test_a_time_without_a_zone_is_of_the_zone_that_is_given() -> None:
    assert entry("2026-11-20 09:30:00 x", NOW, timezone(timedelta(hours=2))).at == at("2026-11-20T07:30:00+00:00")


def test_a_stack_trace_belongs_to_the_entry_before_it() -> None:
    lines = ["2026-11-20T09:30:00Z ERROR boom", "  File a.py, line 3", "\tat x.y", "", "2026-11-20T09:31:00Z INFO on"]
    assert [found and found.level for found in entries(lines, NOW)] == ["error", None, None, "info"]
    assert (mined(lines).entries, mined(lines).lines) == (2, 4)


@given(st.text(max_size=300))
def test_any_line_is_an_entry(line: str) -> None:
    found = entry(line, NOW)
    assert found.level in ("error", "warning", "info", "")
    masked(found.message)


# -- patterns ------------------------------------------------------------------------------------------------------


def test_numbers_addresses_ids_and_times_are_masked() -> None:
    message = (
        "job 123e4567-e89b-12d3-a456-426614174000 from 10.1.2.3:80 took 12.5ms at 2026-11-20T09:30:00Z, deadbeef01"
    )
    assert masked(message) == "job <id> from <ip> took <num> at <time>, <id>"


def test_words_without_numbers_are_not_masked() -> None:
    assert masked("face the facade of deed in v2x") == "face the facade of deed in v2x"


def test_messages_that_differ_in_words_share_a_pattern_and_others_do_not() -> None:
    found = mined(["user ada logged in from berlin", "user bob logged in from paris", "disk is full"])
    assert [(p.count, p.text) for p in found.patterns] == [(2, "user <*> logged in from <*>"), (1, "disk is full")]


def test_what_the_last_look_had_is_not_new() -> None:
    first = mined(["user ada logged in from berlin", "user bob logged in from paris", "took 3 s"])
    again = mined(
        ["user eve logged in from rome", "took 99 s", "Traceback in worker"], tuple(p.text for p in first.patterns)
    )
    assert [p.text for p in again.new] == ["Traceback in worker"]


def test_patterns_are_bounded_and_nothing_is_left_out_of_the_count() -> None:
    tree = Tree()
    kinds = [f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676 % 26)} " * (1 + n % 7) for n in range(6000)]
    for kind in kinds:
        tree.of(kind).count += 1
    assert len(tree.patterns) <= PATTERNS + 1
    assert sum(p.count for p in tree.patterns) == len(kinds)
    assert any(p.text == REST for p in tree.patterns)


def test_lines_that_are_all_unlike_cost_no_more_than_so_many_comparisons() -> None:
    tree = Tree()
    for n in range(600):
        tree.of(f"1{n} " + " ".join(f"{chr(97 + n % 26)}{chr(97 + n // 26)}{k}x" for k in range(5))).count += 1
    assert len(tree.patterns) <= SIBLINGS + 1
    assert sum(p.count for p in tree.patterns) == 600


@given(st.lists(st.text(alphabet="ab 1<*>", max_size=30), max_size=40))
def test_every_message_is_counted_once(messages: list[str]) -> None:
    found = mine(Entry(None, "", message) for message in messages)
    assert sum(p.count for p in found.patterns) == found.entries == len(messages)


def test_a_burst_is_seen_and_steady_messages_are_none() -> None:
    start = datetime(2026, 11, 20, 9, tzinfo=UTC)
    lines = [f"{start + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ} INFO beat {n}" for n in range(60)]
    lines += [f"2026-11-20T09:30:{n:02}Z ERROR cannot connect {n}" for n in range(40)]
    (spike,) = mined(lines).spikes()
    assert (spike.pattern.text, spike.count, spike.seconds) == ("ERROR cannot connect <num>", 40, 60)
    assert spike.at == at("2026-11-20T09:30:00+00:00")


# -- requests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "level", "since", "until", "top"),
    [
        ("Look at logs/build.log and list repeated errors", "error", None, None, 0),
        ("Summarise the error log from last night", "error", "2026-11-19T18:00", "2026-11-20T08:00", 0),
        ("top 5 error messages in the app log", "error", None, None, 5),
        ("What repeated warnings are in logs/gateway.log this week?", "warning", "2026-11-16T00:00", None, 0),
        ("Report error patterns from the gateway logs of the past 24 hours", "error", "2026-11-19T12:00", None, 0),
        (
            "Which errors showed up most often in nginx/error.log yesterday?", "error", "2026-11-19T00:00",
            "2026-11-20T00:00", 0,
        ),
        ("Any errors in logs/worker.log since yesterday?", "error", "2026-11-19T00:00", None, 0),
        ("show patterns in logs/sync.log", "", None, None, 0),
    ],
)  # fmt: skip
def test_plain_requests_are_clear(text: str, level: str, since: str | None, until: str | None, top: int) -> None:
    wish = read_wish(text, NOW)
    assert wish.clear, wish
    assert (wish.level, wish.top) == (level, top)
    assert wish.since == (datetime.fromisoformat(f"{since}+00:00") if since else None)
    assert wish.until == (datetime.fromisoformat(f"{until}+00:00") if until else None)


@pytest.mark.parametrize(
    "text",
    [
        "How many 502s are in access.log since Monday?",
        "Tally the status codes in logs/proxy.log per hour",
        "Were there failed logins in auth.log since Friday?",
        "Explain the errors in app.log to my mother",
    ],
)
def test_questions_of_their_own_are_not_clear(text: str) -> None:
    assert not read_wish(text, NOW).clear


def test_code_is_enough_without_a_text_and_for_a_clear_one() -> None:
    task = read_task(b"---\ntype: logs\npath: a.log\n---\n", "inbox/t.md")
    assert by_code(task)
    assert not by_code(read_task(b"Tally the status codes in a.log per hour", "inbox/t.md"))


# -- the type ------------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> ModelPlace:
    return ModelPlace(tmp_path, HANDLER)


LOG = "\n".join(
    [
        *(f"2026-11-20T0{n % 10}:00:00Z INFO request {n} took {n} ms" for n in range(30)),
        *(f"2026-11-20T05:00:0{n}Z ERROR cannot open /data/{n}.bin" for n in range(5)),
        "2026-11-20T06:00:00Z WARN disk is 91% full",
    ]
)


def test_a_report_counts_levels_and_patterns(place: ModelPlace) -> None:
    place.write("logs/app.log", LOG)
    result = place.do(FakeModel(), "", path=["logs/app.log"])
    assert result.findings[0] == (
        "logs/app.log: 36 lines, 2026-11-20 00:00:00 to 2026-11-20 09:00:00. "
        "36 messages of 3 patterns: 5 errors, 1 warning, 30 info."
    )
    assert "- 30 × INFO request <num> took <num> ms (info, " in result.sections[0].text
    assert json.loads(result.raw.splitlines()[0])["count"] == 30


def test_level_since_and_match_narrow_it(place: ModelPlace) -> None:
    place.write("logs/app.log", LOG)
    result = place.do(FakeModel(), "", path=["logs/app.log"], level="warning", since="2026-11-20T05:30:00Z")
    assert "1 errors and warnings of 1 pattern" in result.findings[0]
    assert place.do(FakeModel(), "", path=["logs/app.log"], match="no such words").findings[0].startswith("No messages")


def test_the_second_look_tells_what_is_new(place: ModelPlace) -> None:
    place.write("logs/app.log", LOG)
    assert not any("new since" in finding for finding in place.do(FakeModel(), "", path=["logs/app.log"]).findings)
    place.write(
        "logs/app.log",
        LOG + "\n2026-11-20T07:00:00Z ERROR cannot open /data/9.bin\n2026-11-20T07:00:01Z ERROR out of memory",
    )
    # ModelPlace gives every task one id: as a run that is repeated it must see what it saw before, so nothing is new.
    assert place.do(FakeModel(), "", path=["logs/app.log"]).findings[1:] == ()
    remembered = next(place.root.glob("*.json"))
    remembered.write_text(remembered.read_text().replace('"t-1"', '"t-0"'))
    place.write("logs/app.log", LOG + "\n2026-11-20T08:00:00Z FATAL core dumped")
    result = place.do(FakeModel(), "", path=["logs/app.log"])
    assert any(f.startswith("new since last time: 1 × FATAL core dumped") for f in result.findings)
    assert result.actions == ("look at this new error: FATAL core dumped",)


def test_a_line_of_the_future_hides_nothing_from_the_next_look(place: ModelPlace) -> None:
    place.write("a.log", LOG + "\n2999-01-01T00:00:00Z ERROR clock")
    place.do(FakeModel(), "", path=["a.log"])
    remembered = next(place.root.glob("*.json"))
    remembered.write_text(remembered.read_text().replace('"t-1"', '"t-0"'))
    later = place.do(FakeModel(), "", path=["a.log"], since="last").findings
    assert "since 2999" not in later[0]


def test_a_log_in_utf_16_is_read_as_one(place: ModelPlace) -> None:
    (place.root / "a.log").write_bytes(LOG.encode("utf-16"))
    assert "36 messages of 3 patterns: 5 errors" in place.do(FakeModel(), "", path=["a.log"]).findings[0]


def test_a_log_that_is_too_large_says_what_to_do(place: ModelPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.handlers.logs.MOST_BYTES", 10)
    place.write("a.log", LOG)
    with pytest.raises(Refused, match="list it under"):
        place.do(FakeModel(), "", path=["a.log"])


def test_one_of_a_kind_is_told_as_one(place: ModelPlace) -> None:
    place.write("a.log", "ERROR boom\n")
    result = place.do(FakeModel(), "", path=["a.log"])
    assert result.findings[0] == "a.log: 1 line. 1 message of 1 pattern: 1 error."
    place.write("b.log", "boom\n")
    assert place.do(FakeModel(), "", path=["b.log"]).sections[0].text == "- 1 × boom"


def test_s25_what_is_remembered_holds_no_secret_and_is_known_again(place: ModelPlace) -> None:
    token = "gh" + "p_a1B2c3D4e5F6a7B8a1B2c3D4e5F6a7B8a1B2"
    line = f"2026-11-20T07:00:00Z ERROR the server at hub refused the key {token} of the worker\n"
    place.write("a.log", line)
    place.do(FakeModel(), "", path=["a.log"])
    remembered = next(place.root.glob("*.json"))
    assert token not in remembered.read_text() and "refused the key" in remembered.read_text()
    remembered.write_text(remembered.read_text().replace('"t-1"', '"t-0"'))
    place.write("a.log", line + "2026-11-20T08:00:00Z ERROR something else\n")
    fresh = [finding for finding in place.do(FakeModel(), "", path=["a.log"]).findings if "new since" in finding]
    assert len(fresh) == 1 and "something else" in fresh[0]


def test_a_spoilt_memory_counts_as_a_first_look(place: ModelPlace) -> None:
    place.write("a.log", LOG)
    place.do(FakeModel(), "", path=["a.log"])
    next(place.root.glob("*.json")).write_text("[}")
    assert len(place.do(FakeModel(), "", path=["a.log"]).findings) == 1


def test_a_question_chooses_patterns_and_code_keeps_the_numbers(place: ModelPlace) -> None:
    place.write("logs/app.log", LOG)
    model = FakeModel({"patterns": [2], "known": True, "confidence": 0.9})
    result = place.do(model, "Which files could not be opened according to logs/app.log?")
    assert result.findings[1] == "What was asked about: 5 messages of 1 pattern"
    assert result.sections[0].text.startswith("- 5 × ERROR cannot open")
    assert result.confidence == 0.9


def test_an_unsure_model_takes_a_question_to_the_lead(place: ModelPlace) -> None:
    place.write("logs/app.log", LOG)
    model = FakeModel({"patterns": [], "known": False, "confidence": 0.9})
    with pytest.raises(Doubt, match="cannot say which messages"):
        place.do(model, "Which planet is meant in logs/app.log?")


def test_a_log_that_is_not_there_is_named(place: ModelPlace) -> None:
    with pytest.raises(Doubt, match="no log called 'gateway' is in the vault"):
        place.do(FakeModel(), "Look through the gateway log and list recurring errors")
    with pytest.raises(Refused, match=r"no such text file, in nowhere.log"):
        place.do(FakeModel(), "", path=["nowhere.log"])
    with pytest.raises(Refused, match=r"no log is called 'syslog' here.*\[logs.syslog\]"):
        place.do(FakeModel(), "", log=["syslog"])


def test_a_log_is_found_by_the_word_before_it(place: ModelPlace) -> None:
    place.write("logs/gateway.log", LOG)
    place.write("logs/other.log", "nothing")
    result = place.do(FakeModel(), "Look through the gateway log and list recurring errors")
    assert result.findings[0].startswith("logs/gateway.log: ")


def test_a_log_of_the_machine_is_read_by_its_name(tmp_path: Path) -> None:
    place = ModelPlace(tmp_path, HANDLER)
    task = read_task(b"---\ntype: logs\nlog: [syslog]\n---\n", "inbox/t.md")

    def run() -> Result:
        ctx = Context(
            task, NOW, files=None, ask=None, facts=dict, note=place.notes.append, check=lambda: None,  # type: ignore[arg-type]
            memory=tmp_path, run_dir=tmp_path, logs={"syslog": LOG.splitlines},
        )  # fmt: skip
        return HANDLER.run(ctx, read_params(task, LogsParams))

    assert run().findings[0].startswith("log:syslog: 36 lines")


@pytest.mark.parametrize("since", ["soon", "5", "h", "2026-13-01", "99999999999d", "²d"])
def test_a_since_that_is_none_is_refused(place: ModelPlace, since: str) -> None:
    place.write("a.log", LOG)
    with pytest.raises(Exception, match="since"):
        place.do(FakeModel(), "", path=["a.log"], since=since)


def test_one_log_of_several_that_cannot_be_read_is_left_out_and_told(place: ModelPlace) -> None:
    place.write("logs/a.log", LOG)
    place.write("logs/b.log", b"\0" * (65 << 20))
    result = place.do(FakeModel(), "", path=["logs"])
    assert "36 messages" in result.findings[0]
    assert result.findings[-1].startswith("left out: the file is too big, in logs/b.log")
    with pytest.raises(Refused, match="too big"):
        place.do(FakeModel(), "", path=["logs/b.log"])
