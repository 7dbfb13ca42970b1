"""Edges of single checks, facts that are missing or broken, and the table of rules in the errand's page."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agent.handlers.heartbeat.alarms import ORDER, kind
from agent.vault.values import Result, Status
from tests.heartbeat.situations import PLANTS, decoys
from tests.heartbeat.world import World, alarms

PAGE = Path(__file__).parents[2] / "docs" / "errands" / "heartbeat.md"
HOUR = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def said(result: Result) -> str:
    return "\n".join(result.findings)


@pytest.mark.parametrize("junk", [None, 3, "x", [], {}, [None], [3], [{}], [{"name": None}], [{"since": "soon"}]])
def test_facts_that_are_missing_or_have_another_form_break_no_beat(world: World, junk: Any) -> None:
    decoys(world, Random(1))
    for fact in world.known.keys() - {"neighbours", "queue"}:
        world.known[fact] = junk
    world.known["neighbours"] = [{"seen": "soon"}]
    assert world.beat(scheduled=False).status is Status.DONE


def test_what_overslept_is_not_overdue_before_it_had_its_turn(world: World) -> None:
    row = {"name": "organize", "path": "inbox/schedules/organize.md", "overdue_s": 8 * 3600, "problem": ""}
    world.known["schedules"] = [row]
    assert world.beat().quiet, "the laptop woke up just now"
    world.known["schedules"] = [row | {"overdue_s": 0}]
    assert world.beat().quiet
    world.known["schedules"] = [row]
    assert world.beat().quiet
    assert "warning: schedule organize should have run 8 hours ago" in said(world.beat())


def test_a_worker_elsewhere_that_is_forgotten_is_not_said_to_be_back(world: World) -> None:
    row = {"name": "server", "state": "READY", "task": "report-1", "seen": world.ago(HOUR)}
    world.known["neighbours"] = [row]
    assert "worker server on another machine was last seen 1 hour ago, at work on report-1" in said(world.beat())
    world.known["neighbours"] = []  # a fortnight has passed
    assert world.beat().quiet
    world.known["neighbours"] = [row | {"seen": None}]  # it is back
    assert "resolved: worker server" in said(world.beat())


def test_a_lost_remote_that_pushes_results_away_grows_louder(world: World) -> None:
    world.known["sync"] = {"problem": "", "away_since": world.ago(timedelta(0)), "unpushed": 1}
    heard = [line.partition(":")[0] for _ in range(60) for line in alarms(world.beat(step=HOUR))]
    assert heard == ["notice", "warning", "warning", *["critical"] * 13]


def test_a_restart_does_not_make_a_lost_remote_young_again(world: World) -> None:
    world.known["sync"] = {"problem": "", "away_since": world.ago(20 * HOUR), "unpushed": 1}
    world.beat()
    world.known["sync"] = {"problem": "", "away_since": world.ago(timedelta(0)), "unpushed": 1}
    assert world.beat().quiet
    assert "for 20 hours" in world.beat(scheduled=False).raw


def test_counts_inside_a_reason_are_no_news(world: World) -> None:
    world.known["sync"] = {"problem": "3 results wait: a merge is in progress"}
    assert not world.beat().quiet
    world.known["sync"] = {"problem": "4 results wait: a merge is in progress"}
    assert world.beat().quiet


def test_two_items_of_the_same_words_are_two_alarms_and_do_not_take_turns(world: World) -> None:
    world.note("- [ ] water\n  due 2026-11-01")
    world.note("- [ ] water\n  due 2026-11-02")
    assert len(alarms(world.beat())) == 2
    assert all(world.beat().quiet for _ in range(3))


def test_new_mail_is_told_again_and_the_same_is_not(world: World) -> None:
    box = {"name": "lead", "unread": 1, "seq": 7, "last_poll": None, "problem": ""}
    world.known["mailboxes"] = [box]
    assert "notice: mailbox lead: 1 unread message" in said(world.beat())
    assert world.beat().quiet
    world.known["mailboxes"] = [box | {"unread": 2, "seq": 8}]
    assert "2 unread messages" in said(world.beat())


def test_the_page_has_a_row_for_every_kind_of_alarm_with_the_loudness_that_it_can_have(tmp_path: Path) -> None:
    found: dict[str, set[str]] = {"alert": {"warning"}}
    for group, plants in PLANTS.items():
        for number, plant in enumerate(plants):
            world = World(tmp_path / f"{group}-{number}")
            planted = plant(world, Random(1))
            world.beat(scheduled=False, published=False)
            told = json.loads((world.memory / "beat.json").read_text("utf-8"))["pending"]["memory"]["told"]
            loud = [(kind(key), one["severity"]) for key, one in told.items()]
            assert any(severity == planted.severity for _, severity in loud)
            for what, severity in loud:
                found.setdefault(what, set()).add(severity)
    page = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| `([a-z]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|$", page, re.MULTILINE)
    stated: dict[str, set[str]] = {}
    for what, _, *cells in rows:
        stated[what] = {severity for severity, cell in zip(("notice", "warning", "critical"), cells, strict=True)
                        if cell.strip() not in ("", "–")}  # fmt: skip
    assert stated == found
    assert set().union(*found.values()) == set(ORDER)
