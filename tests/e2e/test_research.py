"""Research from a dropped file to a commit: pages over HTTP, a PDF and a note, with the real engine or its script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.handlers import HANDLERS
from agent.route import decide
from tests.documents import page, pdf
from tests.e2e.support import House
from tests.engine.faults import Say
from tests.engine.standin import OllamaStandIn
from tests.route import SHIPPED, task
from tests.web.server import Server, say, serving

DOCS = Path(__file__).parents[2] / "docs/errands/research.md"
FAST = "[watch]\nsettle_seconds = 0.1\nsettle_open_seconds = 0.01\npoll_seconds = 0.1\n"
A = "The Pro plan costs 49 EUR a month for every seat, billed at the end of the month."
B = "Acme told us in March that the Pro plan is 59 EUR a month, with a discount for schools."
C = "Acme was founded in Oslo in 2011 by two sisters, who still own the whole of the company."


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.on("/plans", say(page("Plans", A, C, date="2026-01-05"), "text/html; charset=utf-8"))
        running.on("/survey.pdf", say(pdf(B.replace(", with", ",\nwith"), title="Survey"), "application/pdf"))
        yield running


@pytest.fixture
def house(tmp_path: Path, standin: OllamaStandIn, server: Server) -> House:
    return House(tmp_path, settings=FAST + server.config, ollama=standin.url)


def statement(source: int, text: str, quote: str, about: str = "", value: str = "") -> dict[str, object]:
    return {"source": source, "statement": text, "quote": quote, "about": about, "value": value}


PRICE = "price of the Pro plan a month"
READ = {
    "statements": [
        statement(1, "Pro costs 49 EUR a month.", "The Pro plan costs 49 EUR a month", PRICE, "49 EUR"),
        statement(2, "Pro costs 59 EUR a month.", "the Pro plan is 59 EUR a month", PRICE, "59 EUR"),
        statement(3, "Acme is from Oslo.", "founded in Oslo in 2011"),
        statement(3, "Acme has 5,000 people.", "Acme has 5,000 people"),
    ],
    "confidence": 0.9,
}
MERGED = {
    "findings": [
        {"text": "Pro costs 49 or 59 EUR a month.", "statements": [1, 2]},
        {"text": "Acme is from Oslo.", "statements": [3]},
    ],
    "contradictions": [],
    "confidence": 0.8,
}


def test_a_page_a_pdf_and_a_note_become_one_committed_draft(
    house: House, standin: OllamaStandIn, server: Server
) -> None:
    standin.faults += [Say(json.dumps(READ)), Say(json.dumps(MERGED))]
    (house.root / "memory/acme.md").write_text(f"# Acme\n\n{C}\n", "utf-8")
    request = f"Compare {server.url}/plans and {server.url}/survey.pdf with memory/acme.md: what does Pro cost?"
    house.drop("acme.md", f"---\nstatus: open\ntype: research\n---\n{request}\n")
    (record,) = house.drain()
    assert record.status == "done", house.report("acme")
    report = house.report("acme") or ""
    assert "- Pro costs 49 or 59 EUR a month. \\[1\\]\\[2\\]\n- Acme is from Oslo. \\[3\\]\n" in report
    assert "- The sources contradict each other in 1 point: see Contradictions." in report
    assert "- 1 statement of the model was left out: not in the sources" in report
    assert report.index("## Result") < report.index("## Contradictions") < report.index("## Sources")
    assert report.index("## Sources") < report.index("## Action Required") < report.index("## Raw Data")
    assert f"1. Plans — {server.url}/plans (dated 2026-01-05; retrieved 20" in report
    assert "3. memory/acme.md (read 20" in report and "2. Survey — " in report
    assert "Lead to decide which source is right" in report
    (kept,) = house.memory("qwen-worker/research-drafts")
    assert kept.read_text("utf-8") == report and house.header("acme")["role"] == "research"
    assert kept.relative_to(house.root).as_posix() in house.git("ls-tree", "-r", "--name-only", "HEAD")
    assert sorted(seen.path for seen in server.requests) == ["/plans", "/survey.pdf"]
    (line,) = house.ledger()
    assert (line["role"], line["type"], line["tier"], line["cost_usd"]) == ("research", "research", "standard", 0.0)


def test_the_example_of_the_page_about_research_runs_and_makes_the_report_that_it_shows(
    house: House, standin: OllamaStandIn, server: Server
) -> None:
    text = DOCS.read_text("utf-8").replace("https://acme.example", server.url)
    text = text.replace("https://survey.example/acme-2026.pdf", f"{server.url}/survey.pdf")
    _, dropped, _, shown, *_ = re.split(r"^````?`?(?:markdown|text)?\n", text, flags=re.MULTILINE)
    standin.faults += [Say(json.dumps(READ)), Say(json.dumps(MERGED))]
    (house.root / "memory/acme.md").write_text(f"# Acme\n\n{C}\n", "utf-8")
    house.drop("acme.md", dropped)
    (record,) = house.drain()
    assert record.status == "done", house.report("acme")
    report = re.sub(r"\\([\[\]])", r"\1", house.report("acme") or "")
    for line in shown.splitlines():
        if "retrieved" not in line and "read 20" not in line:  # times and digests are of the day
            assert f"{line}\n" in report, line


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_plain_words_of_the_page_about_research_lead_to_it(number: int) -> None:
    said = re.findall(r"`([A-Z][^`]{20,})`", DOCS.read_text("utf-8").partition("Or in plain words")[2])[number]
    assert decide(task(" ".join(said.split())), SHIPPED, HANDLERS).type == "research", said


def test_plain_words_with_addresses_are_research(house: House, standin: OllamaStandIn, server: Server) -> None:
    standin.faults += [Say(json.dumps({**READ, "statements": READ["statements"][:1]}))]  # type: ignore[index]
    house.drop("plans.md", f"---\nstatus: open\n---\nRead {server.url}/plans and summarise it\n")
    (record,) = house.drain()
    assert record.status == "done" and house.header("plans")["role"] == "research", house.report("plans")


def test_what_the_real_engine_makes_of_pages_is_proven_or_goes_to_the_lead(
    house: House, standin: OllamaStandIn, server: Server
) -> None:
    house.drop("plans.md", f"---\nstatus: open\n---\nCompare {server.url}/plans and {server.url}/survey.pdf\n")
    (record,) = house.drain()
    assert record.status in ("done", "handed-off") and standin.chats
    assert house.ledger()[0]["input_tokens"] > 0


def test_a_web_search_goes_to_the_lead_with_the_reason(house: House, standin: OllamaStandIn) -> None:
    house.drop("hours.md", "---\nstatus: open\n---\nResearch the opening hours of the city library\n")
    (record,) = house.drain()
    assert record.status == "handed-off" and not standin.chats
    assert "there is no search engine here" in (house.report("hours") or "")


def test_a_page_that_is_away_lets_the_task_wait_and_is_read_when_it_is_back(
    house: House, standin: OllamaStandIn, server: Server
) -> None:
    server.on("/plans", say("later", status=503))
    house.drop("plans.md", f"---\nstatus: open\n---\nResearch the price of Pro at {server.url}/plans\n")
    shown = house.once(code=3)
    assert shown["waiting"] == 1 and "503 Service Unavailable" in shown["tasks"][0]["reason"]
    server.on("/plans", say(page("Plans", A, C), "text/html"))
    standin.faults += [Say(json.dumps({**READ, "statements": READ["statements"][:1]}))]  # type: ignore[index]
    assert house.once()["done"] == 1


def test_s20_an_address_of_this_machine_is_refused_with_what_to_do(house: House, standin: OllamaStandIn) -> None:
    house.drop("inner.md", f"---\nstatus: open\ntype: research\nurls: {standin.url}/api/tags\n---\nWhat is there?\n")
    (record,) = house.drain()
    assert record.status == "failed" and "allowed_hosts" in (house.report("inner") or "")
    assert not any(headers.get("User-Agent") == "gofer" for headers in standin.headers), "the door never went there"
