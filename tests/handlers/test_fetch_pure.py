"""The parts of fetching that touch nothing: lines of a source, rows of a document, thresholds, history, requests."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Refused
from agent.handlers.fetch import grammar, history
from agent.handlers.fetch.reading import NotJson, Row, decode, number, read, safe
from agent.handlers.fetch.request import read_wish
from agent.handlers.fetch.sources import Source, filled
from agent.handlers.fetch.thresholds import age, crossed, percent, percent_text

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
PRICE = Source("coin", "https://a.example/x", (grammar.Field("price", "price"),))

json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


class Folder:
    """Files in memory, as far as a history needs them."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        if path not in self.data:
            raise FileNotFoundError(path)
        if len(self.data[path]) > limit:
            raise Refused("the file is too big")
        return self.data[path]

    def list(self, folder: str, suffixes: object = ()) -> list[str]:
        return sorted(path for path in self.data if path.startswith(f"{folder}/"))

    def keep(self, source: Source, rows: list[Row], now: datetime, worker: str = "w1") -> None:
        past = history.load(self, source, worker, now)  # type: ignore[arg-type]
        change = history.record(self, source, history.changed(source, rows, past), worker, now)  # type: ignore[arg-type]
        if change:
            old = self.data.get(change.path)
            assert change.before == (None if old is None else hashlib.sha256(old).hexdigest())
            assert change.after is not None
            self.data[change.path] = change.after


# -- lines ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("price = a.b[0]", grammar.Field("price", "a.b[0]")),
        ("price:number=a", grammar.Field("price", "a", "number")),
        ("fdv? = fdv", grammar.Field("fdv", "fdv", "", True)),
        ("n:text? = join('/', [a, b])", grammar.Field("n", "join('/', [a, b])", "text", True)),
        ('größe = "größe"', grammar.Field("größe", '"größe"')),
        ("x = a[?b == 'c=d'] | [0]", grammar.Field("x", "a[?b == 'c=d'] | [0]")),
    ],
)
def test_a_field_is_a_name_and_a_path(line: str, field: grammar.Field) -> None:
    assert grammar.field(line) == field


@pytest.mark.parametrize(
    ("line", "alert"),
    [
        ("price < 100", ("value", "price", "<", "100")),
        ("price<=1e-5", ("value", "price", "<=", "0.00001")),
        ("price == -1.5", ("value", "price", "=", "-1.5")),
        ("price change > 5%", ("change", "price", ">", "5")),
        ("price changes >= 5.5 %", ("change", "price", ">=", "5.5")),
        ("price falls > 3%", ("falls", "price", ">", "3")),
        ("price is missing", ("missing", "price", "", "0")),
        ("stale > 2h", ("stale", "", "", "7200")),
    ],
)
def test_an_alert_is_read_as_it_is_written(line: str, alert: tuple[str, str, str, str]) -> None:
    found = grammar.alert(line)
    assert (found.test, found.field, found.sign) == alert[:3]
    assert found.limit == Decimal(alert[3])


@given(st.text(max_size=60))
def test_no_line_breaks_the_grammars(line: str) -> None:
    for parse in (grammar.field, grammar.alert, grammar.unit, grammar.header):
        try:
            parse(line)
        except ValueError as error:
            assert str(error)


# -- reading ----------------------------------------------------------------------------------------------------------


@given(st.decimals(allow_nan=False, allow_infinity=False, places=30, min_value=-(10**20), max_value=10**20))
def test_every_digit_of_a_fraction_comes_through(value: Decimal) -> None:
    text = f"{value:f}"
    reading = read(PRICE, decode(f'{{"price": {text}}}'.encode()))
    assert reading.rows[0].values["price"] == text and reading.rows[0].number("price") == value


@given(json_values)
def test_any_document_is_read_or_told_and_nothing_is_invented(document: object) -> None:
    source = Source("s", "https://a.example/", (grammar.Field("a", "a", "number"), grammar.Field("b", "b", "", True)))
    body = json.dumps(document).encode()
    try:
        said = decode(body)
    except NotJson:
        return
    reading = read(source, said)
    for row in reading.rows:
        for name in row.values:
            sent = document[name]  # type: ignore[index]
            if name in row.numbers:
                assert row.number(name) == Decimal(sent if isinstance(sent, str) else json.dumps(sent).strip('"'))
    if not (isinstance(document, dict) and "a" in document):
        assert any(trouble.field == "a" for trouble in reading.troubles)


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_not(body: bytes) -> None:
    try:
        decode(body)
    except NotJson as error:
        assert len(str(error)) <= 120


@pytest.mark.parametrize(
    "text", ["", " 1", "1_000", "١", "0x10", "1e5000", "9" * 101, "nan", "inf", "--1", "1.2.3", "½"]
)
def test_what_is_no_decimal_number_is_none(text: str) -> None:
    assert number(text) is None


@pytest.mark.parametrize("copies", [".".join(["[@,@,@,@,@,@,@,@,@,@]"] * 10), "|".join(["[@,[@,@,@]]"] * 9),
                                    ".".join(["{a:@,b:@}"] * 12)])  # fmt: skip
def test_s18_a_path_that_multiplies_the_answer_is_refused(copies: str) -> None:
    with pytest.raises(ValueError, match="copies the answer more than"):
        grammar.expression(copies)


@pytest.mark.parametrize("path", ["[a, b, c]", "max_by(pairs, &volume.h24).priceUsd", "sum(assets[].download_count)",
                                  "{a: x.y, b: join(',', [p, q])}", "a[?b > `1`].{k: v, w: z} | [0]"])  # fmt: skip
def test_paths_of_every_day_are_taken(path: str) -> None:
    assert grammar.expression(path) == path


@pytest.mark.parametrize("name", ["X-Access-Token", "Private-Token", "X-CMC_PRO_API_KEY", "X-Auth-Key", "apikey",
                                  "x-cg-demo-api-key", "Set-Cookie", "X-Secret", "X-Api-Key"])  # fmt: skip
def test_s25_a_header_that_says_who_asks_names_a_secret(name: str) -> None:
    assert grammar.header(f"{name} = secret:api") == (name, "", "api")
    with pytest.raises(ValueError, match="may only name a secret"):
        grammar.header(f"{name} = 0123456789")


@pytest.mark.parametrize("name", ["Accept", "X-Requested-With", "If-Match", "X-Author", "X-Monkey", "Accept-Language"])
def test_other_headers_say_what_they_like(name: str) -> None:
    assert grammar.header(f"{name} = x") == (name, "x", "")


def test_a_number_of_thousands_of_digits_is_told_so() -> None:
    with pytest.raises(NotJson, match="a number in it has thousands of digits"):
        decode(b'{"a": ' + b"9" * 5000 + b"}")


def test_jmespath_can_count_with_the_numbers() -> None:
    found = decode(b'{"p": [{"n": "a", "v": 1.50}, {"n": "b", "v": 2.5}]}')
    source = Source(
        "s", "https://a.example/", (grammar.Field("best", "max_by(p, &v).v"), grammar.Field("sum", "sum(p[].v)"))
    )
    assert dict(read(source, found).rows[0].values) == {"best": "2.5", "sum": "4.0"}
    one = Source("s", "https://a.example/", (grammar.Field("v", "p[?v > `1.4` && v < `2`] | [0].v"),))
    assert read(one, found).rows[0].values["v"] == "1.50"


@given(st.text(max_size=50))
def test_text_from_outside_is_one_line_that_is_no_formula(text: str) -> None:
    line = safe(text)
    assert "\n" not in line and "<%" not in line
    assert line[:1] not in ("=", "+", "-", "@") or number(line) is not None


# -- thresholds -------------------------------------------------------------------------------------------------------


def _past(value: str, hours: float = 1) -> history.History:
    row = history.Past(NOW - timedelta(hours=hours), "", {"price": value})
    return history.History([row])


def _crossed(alert: str, now: str, before: str | None) -> bool:
    source = Source("coin", "https://a.example/x", PRICE.fields, alerts=(grammar.alert(alert),))
    row = Row("", {"price": now}, frozenset({"price"}))
    past = history.History() if before is None else _past(before)
    return bool(list(crossed(source, [row], past, NOW)))


@pytest.mark.parametrize(
    ("alert", "now", "before", "holds"),
    [
        ("price < 100", "99.999999999999999999999", None, True),
        ("price < 100", "100", None, False),
        ("price <= 100", "100.0", None, True),
        ("price != 100", "1e2", None, False),
        ("price change > 5%", "105", "100", False),
        ("price change > 5%", "105.0000000001", "100", True),
        ("price change > 5%", "94.9", "100", True),
        ("price rises > 5%", "94", "100", False),
        ("price falls > 5%", "94", "100", True),
        ("price rises > 5%", "-94", "-100", True),
        ("price change > 5%", "1", None, False),
        ("price change > 5%", "1", "0", True),
        ("price change > 5%", "0", "0", False),
        ("price falls > 5%", "1", "0", False),
        ("price change > 5%", "1e300", "1e-300", True),
        ("price change >= 0%", "1", "1", True),
    ],
)
def test_a_threshold_holds_exactly(alert: str, now: str, before: str | None, holds: bool) -> None:
    assert _crossed(alert, now, before) is holds


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("1e-12"), max_value=Decimal("1e12")),
    st.integers(-99, 10_000),
)
def test_percent_is_the_reverse_of_growing_by_percent(value: Decimal, by: int) -> None:
    found = percent(value, value * (Decimal(100 + by) / Decimal(100)))
    assert found is not None and abs(found - by) < Decimal("1e-6") * max(1, abs(by))


@pytest.mark.parametrize(
    ("change", "shown"),
    [("25", "+25.00 %"), ("-0.004", "-0.004 %"), ("0", "+0.00 %"), ("123456789012", "+1.23e+11 %")],
)
def test_a_percentage_is_short_and_never_rounded_to_nothing(change: str, shown: str) -> None:
    assert percent_text(Decimal(change)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (10_800, "3 h"), (90_000, "25 h"), (172_800, "2 days")],
)
def test_an_age_is_told_in_one_unit(seconds: int, shown: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == shown


# -- history ----------------------------------------------------------------------------------------------------------

values = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12).map(safe)
rows = st.lists(st.tuples(st.sampled_from(["", "a", "b,c", 'd"e']), st.dictionaries(st.sampled_from("xyz"), values)))


@given(st.lists(rows, max_size=6))
def test_what_was_recorded_is_what_is_remembered(readings: list[list[tuple[str, dict[str, str]]]]) -> None:
    source = Source("s", "https://a.example/", tuple(grammar.Field(name, name) for name in "xyz"))
    folder, expected = Folder(), {}
    for place, reading in enumerate(readings):
        said = {key: {n: v for n, v in found.items() if v != ""} for key, found in reading}
        folder.keep(source, [Row(key, found) for key, found in said.items() if found], NOW + timedelta(minutes=place))
        expected |= {key: found for key, found in said.items() if found}
    past = history.load(folder, source, "w1", NOW)  # type: ignore[arg-type]
    assert {key: dict(one.values) for key, one in past.last.items()} == expected


def test_an_unchanged_reading_is_not_written_again() -> None:
    folder = Folder()
    for minute in range(5):
        folder.keep(PRICE, [Row("", {"price": "1"})], NOW + timedelta(minutes=minute))
    (data,) = folder.data.values()
    assert data.decode().count("\n") == 2


def test_no_file_grows_beyond_its_size() -> None:
    folder = Folder()
    for minute in range(20):
        folder.keep(
            PRICE, [Row(f"k{n}", {"price": f"{minute}.{n}"}) for n in range(300)], NOW + timedelta(minutes=minute)
        )
    assert len(folder.data) > 2
    assert all(len(data) < history.SEGMENT + 16_384 for data in folder.data.values())
    past = history.load(folder, PRICE, "w1", NOW)  # type: ignore[arg-type]
    assert past.last["k7"].values == {"price": "19.7"}
    for data in folder.data.values():
        assert next(csv.reader(io.StringIO(data.decode()))) == ["time", "key", "price"]


def test_workers_with_odd_names_have_files_of_their_own() -> None:
    folder = Folder()
    for worker in ("a/b", "a b", "../c"):
        folder.keep(PRICE, [Row("", {"price": worker})], NOW, worker)
    assert len(folder.data) == 3
    assert all(".." not in path for path in folder.data)


# -- addresses and requests -------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=40))
def test_what_is_filled_in_never_leaves_its_place(text: str) -> None:
    try:
        url = filled("https://a.example/x/{p}/y?q={p}&r=1", {"p": text}, "t")
    except (Refused, UnicodeEncodeError):
        return
    path, _, query = url.removeprefix("https://a.example/").partition("?")
    assert path.count("/") == 2 and path.startswith("x/") and path.endswith("/y")
    assert query.count("&") == 1 and "#" not in url and " " not in url


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("Fetch https://api.example.com/x.json", {"url": "https://api.example.com/x.json"}),
        ("please get the data from https://a.b/c?d=1&e=2.", {"url": "https://a.b/c?d=1&e=2"}),
        ("Poll the source btc", {"source": ["btc"], "said": True}),
        ("Check my eth-price", {"source": ["eth-price"], "said": True}),
        (
            "Check the price of the token 0x6982508145454Ce325dDbE47a25d4ec3d2311933 on ethereum",
            {
                "source": ["dexscreener-tokens"],
                "chain": "ethereum",
                "token": "0x6982508145454Ce325dDbE47a25d4ec3d2311933",
            },
        ),
        ("Search DexScreener for SOL/USDC", {"source": ["dexscreener-search"], "query": "SOL/USDC"}),
        ("Check the price of bitcoin", {"source": ["price-of-bitcoin"], "said": True}),
        ("What is ETH trading at right now?", {"source": ["eth-price"], "said": True}),
        ("Is https://a.b/c up? Just the HTTP status code", {"url": "https://a.b/c", "wanted": ["status code"]}),
        ("Get the version field from https://a.b/c", {"url": "https://a.b/c", "wanted": ["version"]}),
        (
            "curl https://a.b/c and tell me x_1, y and the z field",
            {"url": "https://a.b/c", "wanted": ["x_1", "y", "z"]},
        ),
        ("What is the SOL price on DexScreener?", {"source": ["dexscreener-search"], "query": "SOL"}),
        ("Fetch https://a.b/c and tell me what it says", None),
        ("Fetch https://a.b/c and tell me if it is good", None),
        ("Check the price of bitcoin and buy some", None),
        ("Why is the SOL price so low?", None),
        ("Fetch https://a.b/c and https://a.b/d", None),
        ("Fetch https://a.b/c and post it to my-chat", None),
        ("Do not fetch eth-price", None),
    ],
)
def test_a_request_is_understood_to_the_last_word_or_not_at_all(text: str, wish: object) -> None:
    assert read_wish(text) == wish
