"""`gofer smoke`: all ten pass on the real road, and each check fails when what it looks at is not so."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import worker
from agent.config import load_settings
from agent.handlers import HANDLERS
from agent.handlers.base import Context, Handler
from agent.smoke import Smoke, answer, judged, prepare
from agent.smoke_checks import CHECKS, DROPPED
from agent.throwaway import Place, throwaway
from agent.vault.values import Result
from tests.e2e.support import House

TEN = 10


def run(place: Place, env: Mapping[str, str]) -> Smoke:
    mine = prepare(place, env, datetime.now(UTC))
    for step in (lambda: None, lambda: answer(place)):
        step()
        worker.drain(place.vault, mine, lambda: False)
    return judged(place.vault, place.remote, 0.0)


@pytest.fixture(scope="module")
def done() -> Iterator[Place]:
    """A vault in which all ten went well."""
    with throwaway("test") as place:
        found = run(place, os.environ)
        assert [(errand.name, errand.why) for errand in found.errands] == [(name, "") for name in CHECKS]
        yield place


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """No vault of a person's: only settings, and a temporary folder of its own."""
    (tmp_path / "house/vault").mkdir(parents=True)
    made = House(tmp_path / "house", make=False)
    monkeypatch.setattr(tempfile, "tempdir", str(made.folder))
    return made


@pytest.fixture
def vault(done: Place, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done.vault, tmp_path / "vault"))


def test_there_are_ten_and_all_pass_with_their_cost(house: House) -> None:
    data = house.data("smoke")
    assert (data["passed"], data["total"], len(data["tasks"])) == (TEN, TEN, TEN), data
    assert all(task["passed"] and task["why"] is None for task in data["tasks"])
    assert (data["input_tokens"], data["output_tokens"], data["cost_usd"]) == (0, 0, 0)
    assert data["vault"] is None and not list(house.folder.glob("gofer-smoke-*"))
    runs = {task["name"]: task["runs"] for task in data["tasks"]}
    assert runs == {**dict.fromkeys(CHECKS, 1), "broken": 0, "review": 2}
    assert [task["cost_usd"] for task in data["tasks"] if not task["runs"]] == [None]


def test_the_table_says_what_was_checked_and_never_shows_unknown_money_as_nothing(house: House) -> None:
    said = house.gofer("smoke", "--keep")
    assert said.returncode == 0 and f"Reliability: {TEN}/{TEN}." in said.stdout
    assert all(f"\n{name} " in said.stdout for name in CHECKS)
    assert "the paid way: $0.0000" not in said.stdout or "Paid way (" in said.stdout
    (kept,) = house.folder.glob("gofer-smoke-*")
    assert (kept / "vault/memory/todo.md").is_file()


SPOILED: Mapping[str, Callable[[Path], object]] = {
    "write": lambda vault: (vault / "memory/todo.md").write_text("Call the plumber\n"),
    "append": lambda vault: (vault / "memory/list.md").write_text("- buy beans\n"),
    "read": lambda vault: _report(vault, "read", "Ben writes", "Ben eats"),
    "move": lambda vault: (vault / "memory/ideas.md").write_text("still here\n"),
    "keep": lambda vault: (vault / "memory/kept.md").write_text("something else\n"),
    "heartbeat": lambda vault: _report(vault, "heartbeat", "overdue", "fine"),
    "status": lambda vault: _report(vault, "status", "status: done", "status: failed"),
    "repo": lambda vault: _report(vault, "repo", "?? planted.md", ""),
    "broken": lambda vault: (vault / "inbox/broken.md").unlink(),
    "review": lambda vault: shutil.rmtree(vault / "outbox/handoffs"),
}


def _report(vault: Path, name: str, old: str, new: str) -> None:
    (path,) = (vault / "outbox").glob(f"{name}-*.md")
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_each_of_the_ten_is_spoiled_once() -> None:
    assert SPOILED.keys() == CHECKS.keys() and len(CHECKS) == TEN == len(DROPPED)


@pytest.mark.parametrize("name", SPOILED)
def test_a_check_fails_in_a_vault_where_its_thing_is_wrong_and_no_other_does(
    name: str, done: Place, vault: Path
) -> None:
    SPOILED[name](vault)
    found = judged(vault, done.remote, 0.0)
    assert [errand.name for errand in found.errands if not errand.passed] == [name]
    assert found.passed == TEN - 1


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_fails_without_report_ledger_or_remote(name: str, done: Place, vault: Path, tmp_path: Path) -> None:
    number = list(CHECKS).index(name)
    (report,) = (vault / "outbox").glob(f"{name}-*.md")
    text = report.read_text("utf-8")
    report.unlink()
    assert not judged(vault, done.remote, 0.0).errands[number].passed
    report.write_text(text, "utf-8")
    (tmp_path / "empty.git").mkdir()
    assert not judged(vault, tmp_path / "empty.git", 0.0).errands[number].passed
    shutil.rmtree(vault / "memory/ledger")
    assert judged(vault, done.remote, 0.0).errands[number].passed == (name == "broken")


def test_a_broken_handler_makes_the_smoke_test_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says done and does nothing: its report is perfect."""
    honest = HANDLERS["file"]

    def idle(ctx: Context, params: object) -> Result:
        result = honest.run(ctx, params)
        return Result(status=result.status, findings=result.findings, raw=result.raw)

    monkeypatch.setitem(HANDLERS, "file", Handler(**{**_fields(honest), "run": idle}))  # type: ignore[arg-type]
    with throwaway("test") as place:
        found = run(place, os.environ)
    assert {errand.name for errand in found.errands if not errand.passed} == {"write", "append", "move"}


def _fields(handler: Handler) -> dict[str, object]:
    return {name: getattr(handler, name) for name in handler.__slots__}


def test_the_persons_prices_are_taken_over_and_nothing_else(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        '[money]\nbaseline = "big-1"\nper_day_usd = 5\n[worker]\nname = "mine"\n'
        '[prices."lab/big-1"]\ninput = 5.0\noutput = 25.0\ndated = 2026-11-01\n'
    )
    with throwaway("test") as place:
        settings = load_settings(place.vault, prepare(place, {"GOFER_CONFIG": str(config)}, datetime.now(UTC)))
    assert settings.findings == ()
    assert (settings.money.baseline, settings.money.per_day_usd, settings.worker.name) == ("big-1", 0, "smoke")
    assert settings.prices["lab/big-1"].output == 25
