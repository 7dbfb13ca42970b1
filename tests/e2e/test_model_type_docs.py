"""docs/model-types.md is true: every example runs and does what it says, and the tables hold every parameter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.handlers import HANDLERS
from agent.vault.params import read_params
from agent.vault.task import read_task
from tests.e2e.support import House, closed_port
from tests.engine.faults import Say
from tests.engine.standin import OllamaStandIn
from tests.support import git

PAGE = (Path(__file__).parents[2] / "docs/model-types.md").read_text("utf-8")
TYPES = ("ask", "summarize", "extract", "compose", "classify", "branch", "config")
FAST = "[watch]\nsettle_seconds = 0.1\nsettle_open_seconds = 0.01\npoll_seconds = 0.1\n"
FILES = {
    "memory/alpha.md": "Alpha is shown to the board. The demo is on 4 December 2026.\n",
    "memory/meeting.md": "Ada and Ben met. They moved the demo to Friday. Ben orders the screen.\n",
    "memory/invoices.md": "Acme GmbH, 3 November 2026: 1,204.50 EUR\nBolt Ltd, 2026-11-05: 99 EUR\n",
    "memory/tickets.md": "- The login page is blank\n- Please add a dark mode\n- How do I export my notes?\n",
    "memory/app.toml": '# of the server\n[server]\nport = 8080\n\n[backup]\nnightly = true  # at 3\nfolder = "b"\n',
}
SUMMARY = "The demo was moved to Friday."
POINTS = ["The demo is on Friday.", "Ben orders the screen.", "Ada and Ben met."]
MESSAGE = "Hi Anna, the demo of Alpha moved from 2026-12-02 to 2026-12-04. We begin at 15:30. See you there!"
INVOICES = [
    {"vendor": "Acme GmbH", "invoice_date": "2026-11-03", "total": 1204.5},
    {"vendor": "Bolt Ltd", "invoice_date": "2026-11-05", "total": 99},
]
LABELS = ("bug", "feature", "question")
SURE: dict[str, Any] = {"known": True, "confidence": 0.9}
ANSWERS: dict[str, list[dict[str, Any]]] = {
    "ask": [{"answer": "On 4 December 2026.", **SURE}],
    "summarize": [{"summary": SUMMARY, "points": POINTS, "confidence": 0.9}],
    "extract": [{"records": INVOICES, **SURE}],
    "compose": [{"message": MESSAGE, **SURE}],
    "classify": [{"label": label, "confidence": 0.9} for label in LABELS],
    "branch": [{"name": "fix/login-button-safari", "confidence": 0.9}],
    "config": [{"key": "backup.nightly", "value": "false", **SURE}],
}
# Values for every parameter of a type; two sets where two of them exclude each other.
VALUES: dict[str, list[str]] = {
    "ask": ["path: memory/alpha.md"],
    "summarize": ["path: [memory/alpha.md, memory/daily/*.md]"],
    "extract": [
        "path: memory/\nfields: a, b:number, c:integer, d:date, e:boolean\nmany: true\nto: a.csv\nreplace: true",
        "schema: memory/schema.json\nto: a.json",
    ],
    "compose": ["path: memory/alpha.md\nto: Anna\ntone: dry\nmax_words: 5\nfacts: [a, b]"],
    "classify": ["path: memory/tickets.md\nlabels: bug, feature\neach: true"],
    "branch": ["repo: website\nfrom: main\nprefix: refactor"],
    "config": ["path: memory/app.toml\nkey: server.port\nvalue: 9090\ncreate: true"],
}


def section(name: str) -> str:
    """What the page says about a type."""
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


def example(name: str) -> str:
    (found,) = re.findall(r"^```markdown\n(.*?)^```$", section(name), re.MULTILINE | re.DOTALL)
    return str(found)


def table(name: str) -> dict[str, str]:
    """The parameters of a type as the page has them: name → its values and its default."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \|$", section(name), re.MULTILINE)
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def website(house: House) -> Path:
    return house.folder / "website"


@pytest.fixture
def house(tmp_path: Path, standin: OllamaStandIn) -> House:
    """A vault with the files that the examples name, on a machine that lists one repository."""
    made = House(tmp_path, settings=f'{FAST}[repos.website]\npath = "{tmp_path / "website"}"\n', ollama=standin.url)
    for path, text in FILES.items():
        (made.root / path).write_text(text, "utf-8")
    git(tmp_path, "init", "-q", "-b", "main", "website")
    (website(made) / "a.txt").write_text("one\n")
    git(website(made), "add", "a.txt")
    git(website(made), "commit", "-q", "-m", "one")
    return made


def result(house: House) -> str:
    """What stands under Result in the report of the example."""
    found = re.search(r"^## Result\n(.*?)^## ", house.report("example") or "", re.MULTILINE | re.DOTALL)
    assert found, house.report("example")
    return found[1].strip()


def answered(house: House) -> None:
    assert result(house) == "On 4 December 2026."


def summarized(house: House) -> None:
    report = house.report("example") or ""
    assert result(house) == SUMMARY and all(f"- {point}\n" in report for point in POINTS)


def extracted(house: House) -> None:
    assert json.loads((house.root / "memory/invoices.json").read_bytes()) == INVOICES
    assert json.loads(house.git("show", "HEAD:memory/invoices.json")) == INVOICES
    assert "1. vendor: Acme GmbH; invoice_date: 2026-11-03; total: 1204.5\n" in result(house)


def composed(house: House) -> None:
    assert result(house) == MESSAGE


def classified(house: House) -> None:
    items = [line.removeprefix("- ") for line in FILES["memory/tickets.md"].splitlines()]
    assert result(house).splitlines() == [f"- {item} → {label}" for item, label in zip(items, LABELS, strict=True)]


def branched(house: House) -> None:
    assert result(house) == "fix/login-button-safari"
    listed = git(website(house), "branch", "--format=%(refname:short) %(HEAD)").splitlines()
    assert sorted(map(str.strip, listed)) == ["fix/login-button-safari", "main *"]


def configured(house: House) -> None:
    wanted = FILES["memory/app.toml"].replace("nightly = true", "nightly = false")
    assert (house.root / "memory/app.toml").read_text("utf-8") == wanted
    assert house.git("show", "HEAD:memory/app.toml") == wanted
    assert "-nightly = true  # at 3\n+nightly = false  # at 3\n" in (house.report("example") or "")


CHECKS: dict[str, Callable[[House], None]] = {
    "ask": answered,
    "summarize": summarized,
    "extract": extracted,
    "compose": composed,
    "classify": classified,
    "branch": branched,
    "config": configured,
}


def test_the_page_has_a_section_for_every_type_that_asks_the_model_and_for_no_other() -> None:
    own_page = {page.stem for page in (Path(__file__).parent.parent.parent / "docs/errands").glob("*.md")}
    asking = {name for name, handler in HANDLERS.items() if handler.tier == "standard"}
    assert asking - own_page == set(TYPES)
    sections = re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)
    assert sections == list(TYPES)
    assert PAGE.count("```markdown\n") == len(TYPES)


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "plain"])
@pytest.mark.parametrize("name", TYPES)
def test_every_example_does_what_the_page_says_with_and_without_its_type(
    house: House, standin: OllamaStandIn, name: str, typed: bool
) -> None:
    text = example(name)
    assert text.count(f"\ntype: {name}\n") == 1
    standin.faults += [Say(json.dumps(answer)) for answer in ANSWERS[name]]
    house.drop("example.md", text if typed else text.replace(f"type: {name}\n", "", 1))
    (record,) = house.drain()
    assert record.status == "done", house.report("example")
    (line,) = house.ledger()
    assert (line["type"], line["tier"], line["status"]) == (name, "standard", "done")
    assert (line["provider"], line["model"]) == ("ollama", "qwen3:8b")
    assert ("delegation.md" in line["route"]) is not typed
    assert len(standin.chats) == len(ANSWERS[name])
    CHECKS[name](house)


@pytest.mark.parametrize("name", TYPES)
def test_the_table_of_a_type_holds_every_parameter_with_its_default_and_no_other(name: str) -> None:
    fields = {field.alias or key: field for key, field in HANDLERS[name].params.model_fields.items()}
    rows = table(name)
    assert rows.keys() == fields.keys()
    for key, said in rows.items():
        default = re.search(r"\(([^()]+)\)$", said)
        assert default, f"{name}: {key} has no default"
        told, really = default[1], fields[key].default
        assert told == f"`{json.dumps(really)}`" if told.startswith("`") else not really, f"{name}: {key} = {really}"


@pytest.mark.parametrize("name", TYPES)
def test_every_parameter_of_the_tables_is_accepted_in_a_header(name: str) -> None:
    used: set[str] = set()
    for header in VALUES[name]:
        task = read_task(f"---\ntype: {name}\n{header}\n---\nText\n".encode(), "inbox/t.md")
        assert task.problem is None
        used |= task.params.keys()
        read_params(task, HANDLERS[name].params)  # BadHeader for what it does not know
    assert used == table(name).keys()


@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("extract", "fields", {"text", "number", "integer", "date", "boolean"}),
        ("branch", "prefix", {"feat", "fix", "docs", "chore", "refactor", "test"}),
    ],
)
def test_every_value_that_a_table_lists_is_taken(name: str, key: str, values: set[str]) -> None:
    row = next(line for line in section(name).splitlines() if line.startswith(f"| `{key}` |"))
    assert values <= set(re.findall(r"`(\w+)`", row))
    for value in values:
        given = f"[a:{value}]" if key == "fields" else value
        task = read_task(f"---\ntype: {name}\n{key}: {given}\n---\nText\n".encode(), "inbox/t.md")
        read_params(task, HANDLERS[name].params)


@pytest.mark.parametrize(
    ("name", "header", "status", "told"),
    [
        ("ask", "path: memory/nothing.md\n", "failed", "memory/nothing.md"),
        ("summarize", "path: memory/none/*.md\n", "failed", "memory/none"),
        ("branch", "repo: nowhere\n", "failed", "nowhere"),
        ("config", "path: prompts/ask.md\nkey: a\nvalue: b\n", "failed", "prompts/ask.md"),
        ("config", "path: memory/app.toml\nkey: server.host\nvalue: b\n", "failed", "server.host"),
        ("config", "path: memory/app.toml\nkey: server.port\nvalue: many\n", "failed", "server.port"),
        ("compose", "max_words: 4\n", "invalid", "max_words"),
        ("classify", "labels: [one]\n", "invalid", "labels"),
        ("extract", "replace: true\n", "invalid", "replace"),
        ("classify", "path: memory/tickets.md\n", "handed-off", "labels"),
    ],
)
def test_what_a_rule_forbids_fails_what_is_no_parameter_stays_and_what_is_unclear_goes_to_the_lead(
    house: House, standin: OllamaStandIn, name: str, header: str, status: str, told: str
) -> None:
    house.drop("example.md", f"---\ntype: {name}\n{header}status: open\n---\nDo as the header says.\n")
    (record,) = house.drain()
    assert record.status == status, house.report("example")
    assert told in (house.report("example") or "")
    assert not standin.chats


def test_settings_are_changed_without_a_question_where_header_or_sentence_say_all(
    house: House, standin: OllamaStandIn
) -> None:
    house.drop("a.md", "---\nstatus: open\n---\nSet server.port to 9090 in memory/app.toml\n")
    house.drain()
    house.drop("b.md", "---\ntype: config\npath: memory/app.toml\nkey: backup.folder\nvalue: c\nstatus: open\n---\n\n")
    house.drain()
    assert [(line["type"], line["status"]) for line in house.ledger()] == [("config", "done")] * 2
    changed = FILES["memory/app.toml"].replace("8080", "9090").replace('"b"', '"c"')
    assert (house.root / "memory/app.toml").read_text("utf-8") == changed
    assert not standin.chats


def test_a_private_task_in_doubt_stays_here(house: House, standin: OllamaStandIn) -> None:
    standin.faults.append(Say(json.dumps({"label": "unsure", "confidence": 0.9})))
    house.drop("example.md", example("classify").replace("each: true", "private: true"))
    (record,) = house.drain()
    assert record.status == "needs-review"
    assert not list((house.root / "outbox/handoffs").glob("*.md"))


def test_without_a_model_the_examples_wait_and_with_model_none_they_fail(house: House) -> None:
    house.env["GOFER_OLLAMA_HOST"] = f"http://127.0.0.1:{closed_port()}"
    for name in TYPES:
        house.drop(f"{name}.md", example(name))
        house.drop(f"{name}-none.md", example(name).replace("status: open\n", "status: open\nmodel: none\n"))
    house.drop("said.md", "---\nstatus: open\n---\nSet server.port to 9090 in memory/app.toml\n")
    shown = house.once(code=None)
    assert (shown["waiting"], shown["failed"]) == (len(TYPES) + 1, len(TYPES))
