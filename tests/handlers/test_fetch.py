"""Fetching from real servers on loopback, through the real door: readings, thresholds, history, and what goes wrong."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from agent.errors import BadHeader, Doubt, Refused, TimeUp
from agent.handlers.fetch import fetching
from agent.handlers.fetch.handler import understand
from agent.handlers.fetch.sources import sources_of
from agent.vault.values import Status, Task
from tests.handlers.fetch_place import Place, said
from tests.web.server import Server, busy, json_say, redirect, say, serving

RECORDED = Path(__file__).parent.parent / "data" / "dexscreener"
PRICE = "fields: [price:number = price]\nunits: [price = USD]"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests wait for nothing but what a server asks for."""
    monkeypatch.setattr(fetching, "FIRST_PAUSE", 0.001)


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, server: Server) -> Place:
    place = Place(tmp_path, (server.address,))
    place.source("coin", f"url: {server.url}/coin\n{PRICE}")
    return place


# -- readings ---------------------------------------------------------------------------------------------------------


def test_a_price_is_reported_with_its_unit_and_kept_as_history(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": "0.00001234"}))
    result = place.fetch("source: coin")
    assert result.status is Status.DONE
    assert said(result) == "coin: price 0.00001234 USD"
    assert place.history("coin") == "time,key,price (USD)\n2026-11-20T09:30:00Z,,0.00001234\n"
    assert json.loads(result.raw) == {"source": "coin", "key": "", "values": {"price": "0.00001234"}}


@pytest.mark.parametrize(
    "sent", ["0.10", "12345678901234567890", "1e-9", "0.1234567890123456789012345", "-0.0", "1E+30", "100000000.000"]
)
def test_a_number_loses_no_digit_on_its_way(place: Place, server: Server, sent: str) -> None:
    server.on("/coin", say(f'{{"price": {sent}}}', "application/json"))
    result = place.fetch("source: coin")
    assert result.findings[0] == f"coin: price {sent} USD"
    assert list(csv.reader(place.history("coin").splitlines()))[1][2] == sent


def test_a_second_reading_says_by_how_much_it_changed(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 80}), json_say({"price": 100}))
    place.fetch("source: coin")
    place.later(hours=1)
    result = place.fetch("source: coin")
    assert said(result) == "coin: price 100 USD (+25.00 %)"
    assert place.history("coin").count("\n") == 3
    table, chart = result.sections
    assert chart.chart and [str(value) for value in chart.chart.values] == ["80", "100"]
    assert table.table and table.table.rows == (("coin", "100 (+25.00 %)"),)


def test_an_unchanged_scheduled_run_is_quiet_and_a_dropped_one_is_not(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 80}))
    assert not place.fetch("source: coin", scheduled=True).quiet
    place.later(minutes=5)
    assert place.fetch("source: coin", scheduled=True).quiet
    result = place.fetch("source: coin")
    assert not result.quiet and said(result) == "coin: price 80 USD"
    assert place.history("coin").count("\n") == 2


def test_what_the_server_says_is_unchanged_is_shown_with_its_age(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 80}, etag='"a"'))
    place.fetch("source: coin")
    place.later(minutes=12)
    result = place.fetch("source: coin")
    assert [seen.headers.get("if-none-match") for seen in server.requests] == [None, '"a"']
    assert said(result) == "coin: price 80 USD (unchanged, read 12 min ago)"
    assert json.loads(result.raw)["read"] == "2026-11-20T09:30:00Z"


def test_a_source_that_is_written_anew_is_asked_without_conditions(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 80, "cap": 5}, etag='"a"'))
    place.fetch("source: coin")
    place.source("coin", f"url: {server.url}/coin\nfields: [price = price, cap = cap]\nunits: [price = USD]")
    result = place.fetch("source: coin")
    assert "cap 5" in said(result)
    assert place.history("coin") == (
        "time,key,price (USD),cap\n2026-11-20T09:30:00Z,,80,\n2026-11-20T09:30:00Z,,80,5\n"
    )


def test_a_304_that_nobody_asked_for_is_an_anomaly(place: Place, server: Server) -> None:
    server.on("/coin", say(status=304))
    assert place.fetch("source: coin").status is Status.FAILED


def test_a_crash_before_the_report_was_out_loses_no_reading(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 80}, etag='"a"'))
    place.fetch("source: coin", kept=False)
    result = place.fetch("source: coin", scheduled=True)
    assert not result.quiet
    assert place.history("coin").endswith(",80\n")


def test_items_become_rows_with_their_keys_in_any_script(place: Place, server: Server) -> None:
    server.on("/x", json_say({"größe": [{"имя": "Ω", "π": 3.14}, {"имя": "ß|x", "π": 2}]}))
    result = place.fetch(f"url: {server.url}/x\nitems: '\"größe\"'\nkey: '\"имя\"'\nfields: ['wert = \"π\"']")
    (section,) = result.sections
    assert section.table and section.table.rows == (("Ω", "3.14"), ("ß|x", "2"))
    assert result.status is Status.DONE


def test_an_address_in_plain_english_is_shown_as_it_came(place: Place, server: Server) -> None:
    server.on("/any", say('{"a": 1.50, "b": {"c": 2}}', "application/json"))
    task = Task("x", "inbox/x.md", "x", f"Fetch {server.url}/any", "", "0" * 12)
    result = place.run(task)
    assert result.raw == '{"a": 1.50, "b": {"c": 2}}'
    assert said(result).endswith(": a 1.50")
    assert result.changes == ()


def test_a_plain_text_without_fields_is_raw_data(place: Place, server: Server) -> None:
    server.on("/any", say("a,b\n1,2\n", "text/csv"))
    result = place.run(Task("x", "inbox/x.md", "x", f"Fetch {server.url}/any", "", "0" * 12))
    assert (result.status, result.raw) == (Status.DONE, "a,b\n1,2\n")


def test_sources_are_asked_side_by_side_and_those_of_one_shape_share_a_table(place: Place, server: Server) -> None:
    for number in range(20):
        place.source(f"coin-{number:02}", f"url: {server.url}/{number}\n{PRICE}")
        server.on(f"/{number}", json_say({"price": number}, delay=0.2))
    server.on("/coin", json_say({"price": 99}))
    result = place.fetch("source: 'coin-*'")
    assert server.most_at_once >= 10
    (section,) = result.sections
    assert section.table and section.table.header == ("source", "price (USD)")
    assert section.table.rows[7] == ("coin-07", "7") and len(section.table.rows) == 20
    assert "… and 10 more rows of 20 sources, in the table below" in said(result)


def test_a_report_of_many_rows_is_bounded_and_says_so(place: Place, server: Server) -> None:
    server.on("/x", json_say([{"v": number} for number in range(500)]))
    result = place.fetch(f"url: {server.url}/x\nitems: '@'\nlimit: 400\nfields: [v = v]")
    assert "the tables show 200 of 400 rows; the history has them all" in said(result)
    assert "only the first 400 of 500 items were read" in said(result)
    assert sum(len(section.table.rows) for section in result.sections if section.table) == 200


# -- thresholds -------------------------------------------------------------------------------------------------------


def test_thresholds_come_first_with_value_unit_previous_and_percent(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 120}), json_say({"price": "90.5"}))
    alert = 'alert: ["price < 100", "price change > 20%", "price rises > 1%"]'
    assert place.fetch(f"source: coin\n{alert}").actions == ()
    place.later(hours=3)
    result = place.fetch(f"source: coin\n{alert}", scheduled=True)
    assert result.findings[0] == (
        "threshold: coin: price is 90.5 USD, alert price < 100 (before: 120 USD, -24.58 %, 3 h ago)"
    )
    assert "alert price change > 20%" in result.findings[1]
    assert len(result.actions) == 2 and result.status is Status.DONE


def test_a_threshold_that_goes_on_unchanged_is_told_once_a_day_and_when_it_is_over(
    place: Place, server: Server
) -> None:
    server.on("/coin", *[json_say({"price": 90})] * 4, json_say({"price": 90}), json_say({"price": 110}))
    task = "source: coin\nalert: price < 100"
    assert place.fetch(task, scheduled=True).findings[0].startswith("threshold")
    for _ in range(2):
        place.later(minutes=5)
        assert place.fetch(task, scheduled=True).quiet
    assert place.fetch(task).findings[0].startswith("threshold")  # dropped: all is told
    place.later(days=1)
    assert place.fetch(task, scheduled=True).findings[0].startswith("threshold")
    place.later(minutes=5)
    assert said(place.fetch(task, scheduled=True)).startswith("over: coin: price is 90 USD, alert price < 100")


def test_a_source_that_is_down_all_night_is_one_report_and_one_when_it_is_back(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 80}), *[say("x", status=404)] * 20, json_say({"price": 80}))
    place.fetch("source: coin", scheduled=True)
    runs = []
    for _ in range(22):
        place.later(minutes=30)
        runs.append(place.fetch("source: coin", scheduled=True))
    assert [number for number, run in enumerate(runs) if not run.quiet] == [0, 20]
    assert runs[0].status is Status.FAILED
    assert said(runs[20]).startswith("over: coin: there is nothing at this address")


def test_trouble_whose_report_never_came_out_is_told_again(place: Place, server: Server) -> None:
    server.on("/coin", say("x", status=404))
    assert not place.fetch("source: coin", scheduled=True, kept=False).quiet
    assert not place.fetch("source: coin", scheduled=True, kept=False).quiet
    assert not place.fetch("source: coin", scheduled=True).quiet
    assert place.fetch("source: coin", scheduled=True).quiet


def test_a_value_that_stays_the_same_for_too_long_is_stale(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 90}))
    place.fetch("source: coin\nalert: stale > 2h")
    place.later(hours=1)
    assert place.fetch("source: coin\nalert: stale > 2h", scheduled=True).quiet
    place.later(hours=2)
    result = place.fetch("source: coin\nalert: stale > 2h", scheduled=True)
    assert result.findings[0] == "threshold: coin: no new value for 3 h, alert stale > 2h"


def test_a_field_in_another_unit_is_never_compared(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 90}))
    place.fetch("source: coin")
    place.source("coin", f"url: {server.url}/coin\nfields: [price = price]\nunits: [price = EUR]")
    result = place.fetch('source: coin\nalert: ["price change > 0%"]')
    assert said(result) == "coin: price 90 EUR"


def test_an_optional_field_that_is_missing_is_told_only_when_asked_for(place: Place, server: Server) -> None:
    server.on("/x", json_say({"a": 1}))
    source = f"url: {server.url}/x\nfields: [a = a, b? = b]"
    assert said(place.fetch(source)).endswith("a 1")
    assert "b is missing" in place.fetch(f"{source}\nalert: b missing").findings[0]


def test_a_change_is_counted_from_the_last_number_across_a_gap(place: Place, server: Server) -> None:
    server.on("/x", *(json_say(said) for said in ({"a": 1, "b": 1}, {"b": 2}, {"a": 2, "b": 2})))
    source = f"url: {server.url}/x\nfields: [a:number = a, b:number = b]\nalert: a rises > 50%"
    place.fetch(source)
    place.later(hours=1)
    assert "a is missing; last recorded 1 h ago: 1" in place.fetch(source).findings[0]
    place.later(hours=1)
    assert "(before: 1, +100.00 %, 2 h ago)" in place.fetch(source).findings[0]


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_busy_server_is_asked_again_when_it_says(place: Place, server: Server) -> None:
    server.on("/coin", busy(0), busy(0, status=503), json_say({"price": 1}))
    assert place.fetch("source: coin").status is Status.DONE
    assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_an_anomaly_and_no_number(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 80}), say("down", status=502))
    place.fetch("source: coin")
    place.later(hours=3)
    result = place.fetch("source: coin", scheduled=True)
    assert result.status is Status.FAILED
    assert said(result) == "coin: it answered HTTP 502 (4 tries). Last recorded 3 h ago: price (USD) 80"
    assert result.changes == () and result.sections == () and result.raw == ""


def test_who_asks_to_come_back_in_an_hour_is_not_waited_for(place: Place, server: Server) -> None:
    server.on("/coin", busy(3600))
    assert "HTTP 429, and asks to come back in 3600 s (1 try)" in said(place.fetch("source: coin"))
    assert len(server.requests) == 1


def test_a_server_that_is_gone_is_an_anomaly(place: Place, server: Server) -> None:
    server.close()
    result = place.fetch("source: coin")
    assert result.status is Status.FAILED
    assert "4 tries" in said(result)


def test_one_of_two_that_fails_needs_review_and_the_other_is_read(place: Place, server: Server) -> None:
    place.source("other", f"url: {server.url}/other\n{PRICE}")
    server.on("/coin", json_say({"price": 1}))
    result = place.fetch("source: [other, coin]")
    assert result.status is Status.NEEDS_REVIEW
    assert result.findings[0].startswith("other: there is nothing at this address (HTTP 404)")
    assert result.findings[1] == "coin: price 1 USD"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"cost": 1}', "price is missing"),
        ('{"price": null}', "price is missing"),
        ('{"price": "n/a"}', "price is text ('n/a'), not a number"),
        ('{"price": true}', "price is true or false ('true'), not a number"),
        ('{"price": [1]}', "price is a list, not a number"),
        ('{"price": {"usd": 1}}', "price is an object, not a number"),
        ('{"price": "NaN"}', "price is text ('NaN'), not a number"),
        ('{"price": 1e999}', "price is a number beyond all measure"),
        (f'{{"price": {"9" * 200}}}', "price is a number beyond all measure"),
        ('{"price": "1,5"}', "price is text ('1,5'), not a number"),
        ('{"price": "١٢"}', "price is text ('١٢'), not a number"),
        ('{"price": NaN}', "it answered no JSON: NaN is no number of JSON"),
        ('{"price": -Infinity}', "it answered no JSON"),
        (f'{{"price": {"9" * 5000}}}', "it answered no JSON"),
        ('{"price": 1', "it answered no JSON"),
        ("[" * 100_000, "it answered no JSON"),
        ("", "it answered no JSON: the answer is empty"),
        ("[]", "price is missing"),
        ("null", "price is missing"),
    ],
)
def test_what_is_not_as_it_should_be_is_an_anomaly_and_never_a_number(
    place: Place, server: Server, body: str, told: str
) -> None:
    server.on("/coin", json_say({"price": 80}), say(body, "application/json"))
    place.fetch("source: coin")
    place.later(minutes=5)
    result = place.fetch("source: coin", scheduled=True)
    assert told in result.findings[0], said(result)
    assert result.status is Status.FAILED
    assert "5 min ago" in result.findings[0]
    assert result.changes == () and result.actions[0].startswith("look at coin")


def test_nothing_at_all_is_told_too(place: Place, server: Server) -> None:
    server.on("/x", json_say({}), say(""))
    assert "none of its fields is there" in said(place.fetch(f"url: {server.url}/x\nfields: ['a? = a', 'b? = b']"))
    assert "the answer is empty" in said(place.run(_said(f"Fetch {server.url}/x")))


def test_a_page_instead_of_json_is_named(place: Place, server: Server) -> None:
    server.on("/coin", say("<html>Sign in</html>", "text/html"))
    assert "it answered no JSON but text/html" in said(place.fetch("source: coin"))


def test_a_list_that_is_none_any_more_is_a_change_of_shape(place: Place, server: Server) -> None:
    server.on("/x", json_say({"pairs": None}), json_say({"pairs": {"a": 1}}), json_say({"pairs": []}))
    source = f"url: {server.url}/x\nitems: pairs\nfields: [a = a]"
    assert "`pairs` is missing, not a list" in said(place.fetch(source))
    assert "`pairs` is an object, not a list" in said(place.fetch(source))
    assert "`pairs` is empty" in said(place.fetch(source))


def test_items_without_a_key_or_with_the_same_are_left_out_and_told(place: Place, server: Server) -> None:
    server.on("/x", json_say([{"k": "a", "v": 1}, {"k": "a", "v": 2}, {"v": 3}]))
    result = place.fetch(f"url: {server.url}/x\nitems: '@'\nkey: k\nfields: [v = v]")
    assert "two items have the key a; the first counts" in said(result)
    assert "an item has no `k`" in said(result)
    assert result.raw.count("\n") == 0 and '"v":"1"' in result.raw


def test_s20_a_server_of_this_machine_is_refused_and_said_so(place: Place) -> None:
    result = place.fetch(f"url: http://127.0.0.1:1/x\n{PRICE}")
    assert result.status is Status.FAILED
    assert "127.0.0.1" in said(result) or "private" in said(result)


def test_a_cancelled_run_stops_all_of_its_sources(place: Place, server: Server) -> None:
    server.on("/coin", busy(30))

    def check() -> None:
        if server.requests:
            raise TimeUp("the run was cancelled")

    place.check = check
    place.source("other", f"url: {server.url}/coin\n{PRICE}")
    with pytest.raises(TimeUp):
        place.fetch("source: [coin, other]")


def test_s21_s23_text_from_outside_is_inert_in_report_and_history(place: Place, server: Server) -> None:
    bad = "=cmd()\n<% tp.x %> [[secret]] \u202e"
    server.on("/x", json_say([{"k": bad, "v": bad}]))
    place.fetch(f"url: {server.url}/x\nitems: '@'\nkey: k\nfields: [v:text = v]")
    (path,) = (place.root / "memory/qwen-worker/data-reports").rglob("*.csv")
    text = path.read_text("utf-8")
    assert "<%" not in text and "[[" not in text and "\u202e" not in text
    assert next(csv.reader(text.splitlines()[1:]))[1].startswith("'=cmd()")


# -- secrets, pages, redirects ----------------------------------------------------------------------------------------


def test_a_secret_is_named_in_the_vault_and_known_to_this_machine_only(place: Place, server: Server) -> None:
    server.on(
        "/x", lambda seen: json_say({"price": 1 if seen.headers.get("authorization") == "Bearer s3cret-token" else 0})
    )
    secret = {"env": "TOKEN", "hosts": [server.address], "prefix": "Bearer "}
    place.network, place.env = {"secrets": {"api": secret}}, {"TOKEN": "s3cret-token"}
    result = place.fetch(f"url: {server.url}/x\nheaders: ['Authorization = secret:api']\n{PRICE}")
    assert "price 1 USD" in said(result)
    with serving() as other:
        place.hosts = (server.address, other.address)
        refused = place.fetch(f"url: {other.url}/x\nheaders: ['Authorization = secret:api']\n{PRICE}")
        assert refused.status is Status.FAILED and other.requests == []
    assert "s3cret" not in said(refused) + said(result)


def test_pages_by_link_header_are_read_as_one(place: Place, server: Server) -> None:
    server.pages("/x", [[{"k": "a", "v": 1}], [{"k": "b", "v": 2}], [{"k": "c", "v": 3}]])
    result = place.fetch(f"url: {server.url}/x\nitems: '@'\nkey: k\nnext: link-header\nfields: [v = v]")
    assert [json.loads(line)["key"] for line in result.raw.splitlines()] == ["a", "b", "c"]
    assert result.status is Status.DONE


def test_pages_by_a_cursor_and_no_further_than_allowed(place: Place, server: Server) -> None:
    server.on("/x", lambda seen: json_say({"rows": [{"v": 1}], "next": int(seen.query.get("after", 0)) + 1}))
    source = f"url: {server.url}/x?n=1\nitems: rows\nnext: next\ncursor: after\nmax_pages: 3\nfields: [v = v]"
    result = place.fetch(source)
    assert [seen.target for seen in server.requests] == ["/x?n=1", "/x?n=1&after=1", "/x?n=1&after=2"]
    assert "only the first 3 pages were read" in said(result)
    assert [json.loads(line)["key"] for line in result.raw.splitlines()] == ["1", "2", "3"]


def test_s19_a_next_page_on_another_server_is_not_followed(place: Place, server: Server) -> None:
    with serving() as other:
        place.hosts = (server.address, other.address)
        server.on("/x", json_say({"rows": [{"v": 1}], "next": f"{other.url}/x"}))
        result = place.fetch(f"url: {server.url}/x\nitems: rows\nnext: next\nfields: [v = v]")
        assert "another server" in said(result) and other.requests == []


@pytest.mark.parametrize("link", ["\x80", '<http://[>; rel="next"', "<>; rel=next", "nonsense", "<a;b>,,<c>;"])
def test_a_link_header_that_cannot_be_read_is_no_defect(place: Place, server: Server, link: str) -> None:
    server.on("/x", json_say([{"v": 1}], headers={"Link": link}))
    place.fetch(f"url: {server.url}/x\nitems: '@'\nnext: link-header\nmax_pages: 2\nfields: [v = v]")


def test_pages_in_a_circle_are_told(place: Place, server: Server) -> None:
    server.on("/x", json_say({"rows": [{"v": 1}], "next": "/x"}))
    result = place.fetch(f"url: {server.url}/x\nitems: rows\nnext: next\nfields: [v = v]")
    assert "go in a circle" in said(result)


def test_a_redirect_within_the_server_is_followed(place: Place, server: Server) -> None:
    server.on("/coin", redirect("/new"))
    server.on("/new", json_say({"price": 3}))
    assert said(place.fetch("source: coin")) == "coin: price 3 USD"


# -- what a task may say ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("source: coni", "did you mean coin?"),
        ("source: coin\nalert: pirce < 1", "names no field"),
        ("source: coin\nchain: sui", "unknown parameter `chain`"),
        ("source: coin\nfields: [a = b]", "`fields` belongs into the source"),
        ("source: dexscreener-pairs\nchain: sui", "`pair`: nothing fills that in the address"),
        ("source: dexscreener-pairs\nchain: sui\npair: ..", "cannot be part of an address"),
        ("source: 'nothing-*'", "no source fits"),
        ("url: ftp://x/y", "is no address"),
        ("url: 'https://[::1/x'", "Invalid IPv6 URL"),
        ("url: https://{host}/y\nhost: x", "is no address"),
        ("url: https://a.example/x\nfields: [price]", "write it as name = path"),
        ("url: https://a.example/x\nfields: ['price = a[']", "is no JMESPath"),
        ("url: https://a.example/x\nfields: [a = a]\nunits: [b = USD]", "none of the fields a"),
        ("url: https://a.example/x\nfields: [a = a]\nalert: a is too high", "is no alert"),
        ("url: https://a.example/x\nheaders: [Authorization = Bearer abc]", "may only name a secret"),
        ("url: https://a.example/x\nheaders: [Host = b]", "is set by Gofer alone"),
        ("url: https://a.example/x\nsource: coin", "give `url`, or `source`"),
        ("alert: a < 1", "give `url`, or `source`"),
        ("url: https://a.example/x\nmax_pages: 1000", "it must be at most 50"),
    ],
)
def test_a_task_that_cannot_be_used_says_how_it_is_written(place: Place, server: Server, text: str, told: str) -> None:
    with pytest.raises((Refused, BadHeader)) as error:
        place.fetch(text)
    assert told in str(error.value)
    assert server.requests == []


def test_a_mistake_in_a_sources_file_names_file_and_line(place: Place) -> None:
    place.source("bad", "url: https://a.example/x\nfields: [a = a]\nunits: [a USD]")
    with pytest.raises(BadHeader) as error:
        place.fetch("source: bad")
    assert "prompts/sources/bad.md line 4" in str(error.value)
    assert "price = USD" in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "Why is it so?", "Check the price and buy some", "Fetch https://a.b/c and sum it up"]
)
def test_what_is_not_clear_is_a_doubt(text: str) -> None:
    with pytest.raises(Doubt):
        understand(Task("x", "inbox/x.md", "x", text, "", "0" * 12))


def test_the_source_whose_whole_name_was_said_is_meant(place: Place, server: Server) -> None:
    place.source("coin-eur", f"url: {server.url}/eur\n{PRICE}")
    server.on("/eur", json_say({"price": 4}))
    assert said(place.run(_said("Get the current coin price in EUR"))).startswith("coin-eur: price 4")


def test_a_source_is_found_by_its_name_in_plain_english_and_an_unknown_one_is_a_doubt(
    place: Place, server: Server
) -> None:
    place.source("eth-price", f"url: {server.url}/coin\n{PRICE}")
    server.on("/coin", json_say({"price": 5}))
    assert "price 5 USD" in said(place.run(Task("x", "inbox/x.md", "x", "Check eth-price", "", "0" * 12)))
    with pytest.raises(Doubt, match="no source is called 'btc-price'"):
        place.run(Task("x", "inbox/x.md", "x", "Check btc-price", "", "0" * 12))


def test_a_pattern_means_all_sources_that_need_nothing_more(place: Place, server: Server) -> None:
    place.source("more", f"url: {server.url}/more\n{PRICE}")
    server.on("/coin", json_say({"price": 5}))
    server.on("/more", json_say({"price": 6}))
    assert said(place.fetch("source: '*'")) == "coin: price 5 USD\nmore: price 6 USD"


# -- history ----------------------------------------------------------------------------------------------------------


def test_another_worker_compares_with_what_the_first_one_recorded(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 80}), json_say({"price": 100}), json_say({"price": 50}))
    place.fetch("source: coin")
    other = Place(place.folder, place.hosts, now=place.now, worker="w2")
    other.later(hours=1)
    assert said(other.fetch("source: coin")) == "coin: price 100 USD (+25.00 %)"
    place.later(hours=2)
    assert said(place.fetch("source: coin")) == "coin: price 50 USD (-50.00 %)"
    folder = place.root / "memory/qwen-worker/data-reports/coin"
    assert sorted(path.name for path in folder.iterdir()) == ["w1-2026-11-01.csv", "w2-2026-11-01.csv"]


def test_a_new_month_and_a_full_file_begin_a_new_segment(place: Place, server: Server) -> None:
    server.on("/coin", *(json_say({"price": n}) for n in range(1, 5)))
    place.fetch("source: coin")
    folder = place.root / "memory/qwen-worker/data-reports/coin"
    first = folder / "w1-2026-11-01.csv"
    first.write_text(first.read_text() + "2026-11-20T09:30:01Z,other,1\n" * 3000)
    place.later(hours=1)
    assert said(place.fetch("source: coin")) == "coin: price 2 USD (+100.00 %)"
    place.later(days=20)
    assert said(place.fetch("source: coin")) == "coin: price 3 USD (+50.00 %)"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["w1-2026-11-01.csv", "w1-2026-11-02.csv", "w1-2026-12-01.csv"]


def test_a_history_that_a_merge_spoilt_is_left_alone_and_told(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 1}), json_say({"price": 2}))
    place.fetch("source: coin")
    folder = place.root / "memory/qwen-worker/data-reports/coin"
    (folder / "w1-2026-11-01.csv").write_text("<<<<<<< HEAD\ntime,key\n")
    result = place.fetch("source: coin")
    assert "w1-2026-11-01.csv is no history and was left aside" in said(result)
    assert (folder / "w1-2026-11-02.csv").read_text().endswith(",2\n")
    assert (folder / "w1-2026-11-01.csv").read_text().startswith("<<<<")


# -- DEX Screener, as recorded ----------------------------------------------------------------------------------------


def dexscreener(place: Place, server: Server, name: str) -> str:
    """The ready-made source, word for word, but for its host."""
    shipped = (Path(__file__).parent.parent.parent / "prompts/sources" / f"{name}.md").read_text("utf-8")
    place.source(name, shipped.split("---\n")[1].replace("https://api.dexscreener.com", server.url))
    return name


def test_pairs_of_dexscreener_are_read_from_what_it_really_answered(place: Place, server: Server) -> None:
    body = (RECORDED / "pairs-sui.json").read_bytes()
    pair = json.loads(body)["pair"]["pairAddress"]
    server.on(f"/latest/dex/pairs/sui/{pair}", say(body, "application/json; charset=utf-8"))
    result = place.fetch(f"source: {dexscreener(place, server, 'dexscreener-pairs')}\nchain: sui\npair: '{pair}'")
    assert result.status is Status.DONE
    assert "price 1.0015 USD" in said(result) and "liquidity 1039196.25 USD" in said(result)
    assert '"pair":"USDC/SUI"' in result.raw


def test_two_pairs_with_tiny_prices_are_two_rows(place: Place, server: Server) -> None:
    body = (RECORDED / "pairs-solana.json").read_bytes()
    pairs = [pair["pairAddress"] for pair in json.loads(body)["pairs"]]
    server.on(f"/latest/dex/pairs/solana/{','.join(pairs)}", say(body, "application/json"))
    source = dexscreener(place, server, "dexscreener-pairs")
    result = place.fetch(f"source: {source}\nchain: solana\npair: [{', '.join(pairs)}]")
    assert [json.loads(line)["values"]["price"] for line in result.raw.splitlines()] == ["0.0007094", "0.000007488"]
    assert "0.000007488" in place.history(source)


def test_tokens_and_search_of_dexscreener_have_the_same_pairs_in_another_frame(place: Place, server: Server) -> None:
    recorded = json.loads((RECORDED / "pairs-solana.json").read_bytes())
    token = recorded["pairs"][0]["baseToken"]["address"]
    server.on(f"/tokens/v1/solana/{token}", json_say(recorded["pairs"]))
    server.on("/latest/dex/search", json_say({"schemaVersion": "1.0.0", "pairs": recorded["pairs"]}))
    tokens = place.fetch(f"source: {dexscreener(place, server, 'dexscreener-tokens')}\nchain: solana\ntoken: {token}")
    assert tokens.status is Status.DONE and tokens.raw.count("\n") == 1
    found = place.fetch(f"source: {dexscreener(place, server, 'dexscreener-search')}\nquery: sym/SOL & more")
    assert found.status is Status.DONE and '"chain":"solana"' in found.raw
    assert server.seen("/latest/dex/search")[0].query == {"q": "sym/SOL & more"}


def test_a_pair_that_is_not_there_is_an_anomaly(place: Place, server: Server) -> None:
    server.on("/latest/dex/pairs/sui/0xdead", json_say({"schemaVersion": "1.0.0", "pairs": None, "pair": None}))
    source = dexscreener(place, server, "dexscreener-pairs")
    result = place.fetch(f"source: {source}\nchain: sui\npair: 0xdead")
    assert result.status is Status.FAILED and "`pairs` is missing, not a list" in said(result)


# -- plain English ----------------------------------------------------------------------------------------------------


def _said(text: str) -> Task:
    return Task("x", "inbox/x.md", "x", text, "", "0" * 12)


def test_values_are_found_by_the_names_that_the_request_says(place: Place, server: Server) -> None:
    server.on("/x", say('{"status": "ok", "db": {"status": "bad", "errorRate": 0.10}}', "application/json"))
    result = place.run(_said(f"Fetch {server.url}/x and report status and error rate"))
    assert said(result).endswith("status ok, error rate 0.10")
    assert result.changes == ()


@pytest.mark.parametrize(
    "body", ['{"a": {"total": 1}, "b": {"total": 2}}', '{"sum": 1}', '{"total": {"n": 1}}', "total 5"]
)
def test_a_name_that_is_not_there_or_not_alone_is_a_doubt(place: Place, server: Server, body: str) -> None:
    server.on("/x", say(body))
    with pytest.raises(Doubt, match="does not say beyond doubt"):
        place.run(_said(f"Grab {server.url}/x and give me total"))


def test_a_warning_in_the_request_is_a_threshold(place: Place, server: Server) -> None:
    server.on("/x", json_say({"humidity": 81}))
    result = place.run(_said(f"Check {server.url}/x and warn me if humidity is above 80 %"))
    assert "humidity is 81, alert humidity > 80" in result.findings[0]


def test_the_price_of_something_is_that_of_the_source_with_its_name(place: Place, server: Server) -> None:
    server.on("/coin", json_say({"price": 5}))
    assert "price 5 USD" in said(place.run(_said("What's the coin price right now?")))
    result = place.run(_said("Fetch the latest coin price and tell me if it dropped below 10"))
    assert "alert price < 10" in result.findings[0]
    place.source("coin-eur", f"url: {server.url}/coin\n{PRICE}")
    for text in (
        "What is the price of bitcoin?",
        "Fetch the data",
        "Get the coin temperature",
        "Get the coin price in Berlin",
        "Get the coin price and warn me if volume is above 3",
    ):
        with pytest.raises(Doubt):
            place.run(_said(text))


@pytest.mark.parametrize("status", [200, 404, 503])
def test_whether_a_server_is_up_is_told_by_its_status_code(place: Place, server: Server, status: int) -> None:
    server.on("/health", say("x", status=status))
    result = place.run(_said(f"Is {server.url}/health up?"))
    assert result.status is Status.DONE and said(result).endswith(f"status code {status}")
    assert len(server.requests) == 1


# -- the page for users -----------------------------------------------------------------------------------------------


def test_every_example_of_the_page_can_be_used(place: Place) -> None:
    page = (Path(__file__).parent.parent.parent / "docs/errands/fetch.md").read_text("utf-8")
    examples = re.findall(r"```markdown\n(---\n.*?)```", page, re.DOTALL)
    assert len(examples) == 4
    (source,) = [text for text in examples if "type: fetch" not in text]
    place.source("releases", source.split("---\n")[1])
    place.hosts = ()
    for text in examples:
        if "type: fetch" in text:
            ctx = place.context(place.task(text))
            assert sources_of(ctx, understand(ctx.task))


def test_a_source_like_the_one_on_the_page_reads_what_github_answers(place: Place, server: Server) -> None:
    # Shape of "List releases" of GitHub's REST API, version 2022-11-28.
    assets = [{"name": "a.tgz", "download_count": 7}, {"name": "b.tgz", "download_count": 5}]
    server.on(
        "/repos/o/r/releases",
        json_say([{"tag_name": "v1.0", "published_at": "2026-11-01T00:00:00Z", "assets": assets}]),
    )
    result = place.fetch(
        f"url: {server.url}/repos/{{owner}}/{{repo}}/releases?per_page=5\nowner: o\nrepo: r\nitems: '@'\n"
        "key: tag_name\n"
        "fields: ['downloads:number = sum(assets[].download_count)', 'published:text = published_at']"
    )
    assert said(result).endswith("v1.0: downloads 12, published 2026-11-01T00:00:00Z")
