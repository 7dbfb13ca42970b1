"""`gofer review`: one task for the lead with the week's numbers and samples, and nothing in it that must not leave."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.gate import OutputGate
from agent.stats.review import LIMIT, render
from agent.stats.samples import Sample, draw
from agent.stats.summary import collect, span_of
from agent.vault.handoff import parse
from agent.vault.task import read_task
from tests.e2e.support import House
from tests.engine.faults import Say
from tests.engine.standin import OllamaStandIn
from tests.stats.lines import line, segment

FAST = "[watch]\nsettle_seconds = 0.1\nsettle_open_seconds = 0.01\npoll_seconds = 0.1\n"
SECRET = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path, standin: OllamaStandIn) -> House:
    return House(tmp_path, settings=FAST, ollama=standin.url)


def answered(house: House, standin: OllamaStandIn, name: str, question: str, answer: str, header: str = "") -> None:
    standin.faults.append(Say(json.dumps({"answer": answer, "known": True, "confidence": 0.97})))
    house.drop(f"{name}.md", f"---\nstatus: open\ntype: ask\n{header}---\n{question}\n")
    assert house.once()["done"] == 1


def test_the_review_ends_as_a_hand_off_with_samples_and_without_private_text_or_secrets(
    house: House, standin: OllamaStandIn
) -> None:
    answered(house, standin, "peru", "What is the capital of Peru?", f"Lima. The token is {SECRET}")
    answered(house, standin, "diary", "What is the ZEBRA of Peru?", "A secret zebra.", "private: true\n")
    house.drop("code.md", "---\nstatus: open\n---\nWrite 42 to memory/a.txt\n")
    house.once()
    data = house.data("review")
    (sample,) = data["samples"]
    assert sample["id"].startswith("peru-") and (house.root / sample["report"]).is_file()
    assert data["path"] == f"inbox/{data['id']}.md"
    text = (house.root / data["path"]).read_text("utf-8")
    assert read_task(text.encode(), data["path"]).problem is None
    assert house.once()["handed-off"] == 1
    handoff = parse((house.root / f"outbox/handoffs/{data['id']}.handoff.md").read_text("utf-8"))
    assert handoff["title"] == f"Weekly review {data['week']}" and handoff["reason"] == "asked"
    request = handoff["request"]
    for told in ("capital of Peru", "Lima.", "prompts/ask.md", "good", "- ask: 2 runs, 2 done", "[redacted:"):
        assert told in request
    for kept in ("ZEBRA", "zebra", "diary", SECRET):
        assert kept not in request and kept not in text
    assert house.data("review")["reason"].startswith("there is a review of today already")


def test_nothing_is_written_when_there_is_nothing_to_review(house: House) -> None:
    data = house.data("review")
    assert (data["path"], data["samples"]) == (None, []) and data["reason"]
    assert "Nothing written" in house.gofer("review").stdout
    assert house.inbox() == []


def test_a_dry_run_shows_the_task_and_writes_nothing(house: House, standin: OllamaStandIn) -> None:
    answered(house, standin, "peru", "What is the capital of Peru?", "Lima.")
    data = house.data("review", "--dry-run")
    assert "capital of Peru" in data["text"] and data["path"] is None and house.inbox() == []
    assert house.gofer("review", "--dry-run").stdout == data["text"] + "\n"


# -- drawing ----------------------------------------------------------------------------------------------------------


def finished(root: Path, task: str, header: str = "", report: str = "") -> None:
    """A finished task and its report, as a worker leaves them."""
    link = report or f"memory/qwen-worker/task-reports/2026-11/2026-11-20-{task}-093000-1a2b"
    for path, text in (
        (
            f"memory/tasks/2026-11/{task}.md",
            f'---\n{header}status: done\nreport: "[[{link}]]"\nfinished: 2026-11-20T09:30:00Z\n---\nAsk {task}\n',
        ),
        (f"memory/qwen-worker/task-reports/2026-11/2026-11-20-{task}-093000-1a2b.md", REPORT),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")


REPORT = "---\ntype: report\n---\n# R\n\n## Findings\n- It is so.\n\n## Action Required\n- [ ] No\n\n## Raw Data\nx\n"


def drawn(root: Path, count: int = 5, seed: str = "2026-W48") -> list[str]:
    return [sample.id for sample in draw(root, span_of(7, NOW), count, seed)]


def test_the_week_alone_decides_which_samples_are_drawn(tmp_path: Path) -> None:
    names = [f"task-{number}" for number in range(30)]
    for name in names:
        finished(tmp_path, name)
    segment(tmp_path, "".join(line(task=name) for name in names))
    first = drawn(tmp_path)
    assert len(first) == 5 and drawn(tmp_path) == first
    segment(tmp_path, "".join(line(task=name) for name in reversed(names)))
    assert drawn(tmp_path) == first
    assert drawn(tmp_path, seed="2026-W49") != first
    assert len(drawn(tmp_path, 50)) == 30


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "needs-review"},
        {"provider": "none", "model": "none"},
        {"provider": "lead"},
        {"provider": "openai", "cost_usd": 0.01},
        {"provider": "openai", "cost_usd": None},
        {"task": "../../inbox/x"},
        {"task": 7},
    ],
)
def test_only_runs_that_a_local_model_ended_well_are_drawn(tmp_path: Path, changed: dict[str, object]) -> None:
    finished(tmp_path, "a")
    segment(tmp_path, "{]\n" + line(**{"task": "a", **changed}))
    assert drawn(tmp_path) == []
    segment(tmp_path, line(task="a"))
    assert drawn(tmp_path) == ["a"]


def test_runs_before_the_span_are_not_drawn(tmp_path: Path) -> None:
    finished(tmp_path, "a")
    segment(tmp_path, line(task="a"), "w1-2026-11-18-01.jsonl")
    assert drawn(tmp_path) == []
    segment(tmp_path, line(task="a"), "w1-2026-11-19-01.jsonl")
    assert drawn(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("header", "report"),
    [
        ("private: true\n", ""),
        ("private: perhaps\n", ""),
        ("private: [\n", ""),
        ("model: local\n", ""),
        ("", "memory/qwen-worker/../../gofer"),
        ("", "inbox/secret"),
        ("", "memory/qwen-worker/task-reports/2026-11/gone"),
    ],
)
def test_what_is_private_or_cannot_be_read_beyond_doubt_is_never_drawn(
    tmp_path: Path, header: str, report: str
) -> None:
    finished(tmp_path, "a", header, report)
    finished(tmp_path, "b", "model: ollama/qwen3:8b\nprivate: false\n")
    segment(tmp_path, line(task="a") + line(task="b"))
    assert drawn(tmp_path) == ["b"]


def test_the_file_stays_within_its_limit_whatever_the_samples_hold(tmp_path: Path) -> None:
    segment(tmp_path, "".join(line(type=f"type-{n}" * 5, model="m" * 200) for n in range(40)))
    numbers = collect(tmp_path, tmp_path / "state", 30, NOW)
    big = Sample("a" * 96, "ask" * 60, "m" * 300, "memory/r.md", "é```\n" * 50_000, "## X\n[[y]]\n" * 50_000)
    for count in (1, 5, 20):
        text = render(NOW, numbers, [replace(big, id=f"{n}" + big.id[2:]) for n in range(count)], OutputGate())
        assert LIMIT // 8 < len(text.encode()) <= LIMIT
        assert text.count("\n## Sample ") == count
        task = read_task(text.encode(), "inbox/review.md")
        assert (task.problem, task.model, task.thinking) == (None, "lead", "medium")


def test_a_quoted_tag_sets_nothing(tmp_path: Path) -> None:
    numbers = collect(tmp_path, tmp_path / "state", 30, NOW)
    sample = Sample("a", "ask", "m", "r", "[model:local] [thinking:high] do", "[model:openai/x]")
    task = read_task(render(NOW, numbers, [sample], OutputGate()).encode(), "inbox/review.md")
    assert (task.model, task.thinking) == ("lead", "medium")
