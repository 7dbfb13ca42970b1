"""Whatever pages and models say, nothing comes of it but the tasks' own reports (S08, S09, S19)."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.handlers import HANDLERS
from agent.vault.values import Tier
from tests.hostile import invariants
from tests.hostile.field import LATER, OTHERS, TASKS, Field, all_tasks, hostile, port_of
from tests.hostile.model import MOODS
from tests.hostile.pages import ORDER, PAGES
from tests.support import STRACE

ROUNDS = int(os.environ.get("GOFER_HOSTILE_ROUNDS", len(MOODS)))


@pytest.fixture
def field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Field]:
    with hostile(tmp_path, monkeypatch) as made:
        yield made


def plan(seed: int) -> tuple[str, str, tuple[str, str]]:
    """The moods of the model at first and later, and two pages. The first rounds have every mood and every page."""
    moods, pages = list(MOODS), list(PAGES)
    rng = random.Random(seed)
    if seed < len(moods):
        return moods[seed], "obeys", (pages[2 * seed % len(pages)], pages[(2 * seed + 1) % len(pages)])
    first, second = rng.sample(pages, 2)
    return rng.choice(moods), rng.choice(moods), (first, second)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_s08_s09_s19_nothing_comes_of_what_pages_and_models_want(field: Field, seed: int) -> None:
    field.model.turn = seed
    field.model.mood, later, pages = plan(seed)
    field.drop(all_tasks(random.Random(seed)), **field.serve(*pages))
    field.run()
    assert field.broken() == []
    field.model.mood = later  # the reports are the sources of the next tasks
    field.drop(LATER)
    field.run()
    assert field.broken() == []


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_s19_a_worker_and_all_that_it_starts_connect_to_nobody_but_the_model_and_the_named_pages(field: Field) -> None:
    field.drop(
        {name: (TASKS | OTHERS)[name] for name in ("research", "plain", "notes")}, **field.serve("orders", "html")
    )
    trace = field.house.folder / "model-trace"
    traced = [str(STRACE), "-f", "-qq", "-e", "trace=connect", "-o", str(trace)]
    done = subprocess.run(
        [*traced, sys.executable, "-m", "agent", "run", "--once"],
        cwd=field.house.root, env=field.house.env, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr.decode()
    said = trace.read_text("utf-8", "replace")
    found = re.findall(
        r"sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?inet_(?:addr|pton)\((?:AF_INET6, )?\"([^\"]+)", said
    )
    made = [(host, int(port)) for port, host in found]
    allowed = (port_of(field.model.url), field.server.port)
    assert {port for _, port in made} == set(allowed), "both were asked, or nothing was seen"
    assert invariants.check_connections(made, allowed) == []
    assert len(field.house.reports()) == 3 and field.broken() == []


def test_the_default_rounds_have_every_mood_and_every_page() -> None:
    plans = [plan(seed) for seed in range(len(MOODS))]
    assert {mood for mood, _, _ in plans} == MOODS.keys()
    assert {page for _, _, pages in plans for page in pages} == PAGES.keys()


def test_every_type_that_asks_a_model_has_its_hostile_task() -> None:
    assert {name for name, handler in HANDLERS.items() if handler.tier is Tier.STANDARD} <= TASKS.keys()


def test_what_a_hostile_page_says_does_arrive_in_the_report_as_words(field: Field) -> None:
    field.drop({name: TASKS[name] for name in ("research", "summarize", "ask")}, **field.serve("orders", "headings"))
    field.run()
    assert set(field.records.values()) == {"done"}
    said = "\n".join(field.house.reports().values())
    assert said.count(ORDER[:40]) >= 2, "else these tests would look at nothing"
    assert field.broken() == []
