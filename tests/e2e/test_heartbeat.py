"""Heartbeats on the whole road: a real worker, a real hook, a real model engine; from what is wrong to who is told."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.desk import Desk
from agent.handlers import wording
from agent.road import road
from agent.text import parse_utc
from tests.e2e.support import QUICK, House, eventually
from tests.e2e.test_model_tasks import FAST, beat
from tests.engine.faults import Fault, Say
from tests.engine.standin import OllamaStandIn
from tests.lead.commands import registered, script
from tests.web.server import say, serving

CRITICAL = "# Watch\n\n- [ ] renew the certificate #critical (due 2026-01-01)\n"
BEAT = "---\nstatus: open\ntype: heartbeat\n---\nLook around.\n"


def hooked(folder: Path, code: str = "", settings: str = QUICK, **keys: object) -> str:
    """Settings with an alert hook: a script that keeps what it was given."""
    phone = script(folder, "phone", code)
    return settings + '[alerts]\ncommand = "phone"\n' + registered("executors", "phone", phone, **keys)


def told(house: House) -> list[str]:
    """What the hook was given, without the first line of each call."""
    kept = house.folder / "phone.asked"
    lines = kept.read_text("utf-8").splitlines() if kept.exists() else []
    return [line for line in lines if not line.startswith("Gofer on ")]


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path, settings=hooked(tmp_path))
    (house.root / "HEARTBEAT.md").write_text(CRITICAL, "utf-8")
    return house


def test_a_critical_alarm_reaches_the_hook_and_its_report_is_committed_by_a_real_worker(house: House) -> None:
    house.drop("look.md", BEAT)
    with house.worker():
        eventually(lambda: house.report("look"), what="the report")
        eventually(lambda: "outbox/look" in house.git("ls-tree", "-r", "--name-only", "HEAD"), what="its commit")
    (line,) = told(house)
    assert re.fullmatch(
        r"critical: overdue since 2026-01-01 \(\d+ days\): “renew the certificate #critical \(due "
        r"2026-01-01\)” \(HEARTBEAT\.md line 3\) \[[0-9a-f]{12}\]",
        line,
    )
    report = house.report("look") or ""
    assert "- critical: overdue since 2026-01-01" in report
    assert "- [ ] Lead to see to this critical: overdue" in report
    assert house.header("look")["tier"] == "trivial"


def test_scheduled_beats_call_once_and_stay_quiet_until_it_is_over(house: House) -> None:
    for text, calls, beats in ((CRITICAL, ["critical"], 3), (CRITICAL.replace("[ ]", "[x]"), ["resolved"], 2)):
        (house.root / "HEARTBEAT.md").write_text(text, "utf-8")
        already = len(told(house))
        for number in range(beats):
            desk = Desk(house.root, house.env)
            try:
                beat(desk)
            finally:
                desk.close()
            house.drain()
            assert [line.partition(":")[0] for line in told(house)[already:]] == calls, number


def test_a_hook_that_fails_is_told_in_the_report_and_called_again_by_the_next_beat(tmp_path: Path) -> None:
    broken = hooked(tmp_path, "print('no signal', file=sys.stderr)\nsys.exit(7 * os.path.exists('/proc/self'))")
    house = House(tmp_path, settings=broken)
    (house.root / "HEARTBEAT.md").write_text(CRITICAL, "utf-8")
    for name in ("one.md", "two.md"):
        house.drop(name, BEAT)
        house.drain()
    assert "warning: the alert hook failed, and is tried again at the next beat: phone: exit code 7: no signal" in (
        house.report("one") or ""
    )
    assert len(told(house)) == 2
    assert told(house)[0] == told(house)[1], "the same call under the same id"


def test_a_hook_that_hangs_is_killed_at_its_limit_and_the_beat_goes_on(tmp_path: Path) -> None:
    house = House(tmp_path, settings=hooked(tmp_path, "time.sleep(600)", timeout_seconds=0.5))
    (house.root / "HEARTBEAT.md").write_text(CRITICAL, "utf-8")
    house.drop("look.md", BEAT)
    (record,) = house.drain()
    assert record.status == "done"
    assert "warning: the alert hook failed" in (house.report("look") or "")


@pytest.mark.parametrize("text", ["nobody", "phone"])
def test_a_hook_that_is_not_the_registered_one_is_not_run_and_told(tmp_path: Path, text: str) -> None:
    settings = hooked(tmp_path).replace('command = "phone"', f'command = "{text}"')
    (tmp_path / "phone").write_text("#!/bin/sh\ntouch ran\n", "utf-8")
    house = House(tmp_path, settings=settings)
    (house.root / "HEARTBEAT.md").write_text(CRITICAL, "utf-8")
    house.drop("look.md", BEAT)
    house.drain()
    assert "warning: the alert hook failed" in (house.report("look") or "")
    assert told(house) == [] and not list(tmp_path.rglob("ran"))


def test_i6_a_secret_in_an_item_reaches_neither_report_nor_hook(house: House) -> None:
    secret = "ghp_" + "a1B2" * 9
    (house.root / "HEARTBEAT.md").write_text(CRITICAL.replace("certificate", f"key {secret}"), "utf-8")
    house.drop("look.md", BEAT)
    house.drain()
    assert len(told(house)) == 1
    assert secret not in "\n".join([*told(house), house.report("look") or ""])


def test_the_vaults_own_settings_cannot_name_a_hook(tmp_path: Path) -> None:
    house = House(tmp_path, settings=QUICK + registered("executors", "phone", script(tmp_path, "phone", "")))
    (house.root / "gofer.toml").write_text('[alerts]\ncommand = "phone"\n', "utf-8")
    (house.root / "HEARTBEAT.md").write_text(CRITICAL, "utf-8")
    house.drop("look.md", BEAT)
    house.drain()
    assert "critical: overdue" in (house.report("look") or "")
    assert told(house) == []


def test_a_recipient_gets_them_too_and_a_failing_one_gets_the_same_sending_again(tmp_path: Path) -> None:
    with serving() as server:
        server.on("POST /phone", say(b"no", status=503), say(b"ok"))
        phone = f'[recipients.phone]\nurl = "{server.url}/phone"\ntext_key = ""\n'
        both = hooked(tmp_path).replace('command = "phone"', 'command = "phone"\nforward = "phone"')
        house = House(tmp_path, settings=both + phone)
        (house.root / "HEARTBEAT.md").write_text(CRITICAL, "utf-8")
        for name in ("one.md", "two.md", "three.md"):
            house.drop(name, BEAT)
            house.drain()
        first, second = server.seen("/phone")
    assert "warning: the alert hook failed, and is tried again at the next beat: phone: HTTP 503" in (
        house.report("one") or ""
    )
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert b"\ncritical: overdue since 2026-01-01" in second.body
    assert len(told(house)) == 2, "the command is called again as well: at least once"


def test_the_doctor_says_where_critical_alarms_go_and_what_is_wrong_with_it(house: House) -> None:
    def alerts() -> list[tuple[bool, str]]:
        return [(c["ok"], c["detail"]) for c in house.data("doctor", code=None)["checks"] if c["name"] == "alerts"]

    assert alerts() == [(True, "critical alarms go to the command 'phone'")]
    (house.folder / "phone").write_text("#!/bin/sh\n", "utf-8")
    house.config.write_text(
        house.config.read_text("utf-8").replace("[alerts]\n", '[alerts]\nforward = "ben"\n'), "utf-8"
    )
    (command, forward) = alerts()
    assert not command[0] and "is not the one that was registered" in command[1]
    assert forward == (False, "critical alarms go to the recipient 'ben', who is not listed")


# -- what the desk knows ---------------------------------------------------------------------------------------------


def test_the_facts_that_the_checks_read_are_those_that_a_desk_gathers(tmp_path: Path) -> None:
    settings = FAST + "[money]\nper_task_usd = 1\nper_day_usd = 5\n[sync]\nremote = 'origin'\n"
    house = House(tmp_path, settings=settings)
    house.git("remote", "add", "origin", str(tmp_path / "nowhere.git"))
    house.drop("gpu.md", "---\nstatus: open\npriority: critical\nneeds: [gpu]\ntype: status\n---\nTrain.\n")
    house.drop("later.md", "---\nstatus: open\nnot_before: 2999-01-01\ntype: status\n---\nLater.\n")
    desk = Desk(house.root, house.env)
    try:
        desk.catch_up()
        eventually(lambda: road(desk, datetime.now(UTC)) and len(desk.intake.resting) == 2, what="both tasks rest")
        facts = desk.facts()
    finally:
        desk.close()
    (task,) = facts["tasks"]
    assert (task["state"], task["who"], task["priority"]) == ("waiting", "code", "critical")
    assert task["reason"] == "needs gpu, which this worker does not offer"
    assert parse_utc(task["since"]) <= datetime.now(UTC)
    assert parse_utc(facts["sync"]["away_since"]) <= datetime.now(UTC)
    assert facts["sync"]["problem"] == "" and facts["sync"]["refused"] is False
    assert facts["money"] == [{"span": "day", "of": f"{datetime.now(UTC):%Y-%m-%d}", "spent": 0.0, "cap": 5.0}]
    assert facts["disk"]["free_inodes"] <= facts["disk"]["total_inodes"]
    assert [row["deaths"] for row in facts["workers"]] == [0]
    assert facts["inbox"] == "" and facts["failed"] == [] and facts["mailboxes"] == []


def test_a_task_that_failed_is_told_until_its_report_leaves_the_outbox(house: House) -> None:
    (house.root / "HEARTBEAT.md").unlink()
    house.drop("bad.md", "---\nstatus: open\ntype: file\nop: delete\npath: notes/not-there.md\n---\n")
    house.drain()
    house.drop("look.md", BEAT)
    house.drain()
    (bad,) = (path for path in (house.root / "outbox").glob("bad*.md"))
    assert f"warning: failed: “bad” ({bad.stem}), see outbox/{bad.stem}.md" in (house.report("look") or "")
    bad.unlink()
    house.drop("again.md", BEAT)
    house.drain()
    assert "bad" not in (house.report("again") or "").split("## Raw Data")[0].split("Files changed")[0]


# -- a model's words -------------------------------------------------------------------------------------------------

WORDED = "---\nstatus: open\ntype: heartbeat\nwording: true\n---\nLook around.\n"


@pytest.fixture
def spoken(tmp_path: Path, standin: OllamaStandIn) -> House:
    house = House(tmp_path, settings=FAST, ollama=standin.url)
    (house.root / "HEARTBEAT.md").write_text(CRITICAL, "utf-8")
    return house


def test_a_model_that_stands_ready_words_the_report_and_is_counted(spoken: House, standin: OllamaStandIn) -> None:
    standin.faults.append(Say(json.dumps({"text": "One item is critical: the certificate.", "confidence": 0.9})))
    spoken.drop("look.md", WORDED)
    spoken.drain()
    report, header = spoken.report("look") or "", spoken.header("look")
    assert "## Findings\n- In short: One item is critical: the certificate.\n- critical: overdue" in report
    assert (header["tier"], header["model"]) == ("standard", "qwen3:8b")
    assert int(header["input_tokens"]) > 0


@pytest.mark.parametrize("trouble", [Say("all is well"), Fault.CRASH, Fault.HANG, None])
def test_a_model_that_talks_nonsense_or_hangs_or_is_away_changes_no_fact_and_nothing_waits(
    tmp_path: Path, standin: OllamaStandIn, trouble: Fault | Say | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wording, "SECONDS", 0.5)
    house = House(tmp_path, settings=FAST, ollama=standin.url if trouble else "")
    (house.root / "HEARTBEAT.md").write_text(CRITICAL, "utf-8")
    standin.faults += [trouble] * 2 if trouble else []
    house.drop("look.md", WORDED)
    (record,) = house.drain()
    report = house.report("look") or ""
    assert record.status == "done"
    assert "## Findings\n- critical: overdue" in report and "In short" not in report
    assert house.header("look")["tier"] == ("standard" if trouble else "trivial")


def test_no_model_is_asked_without_the_wish(spoken: House, standin: OllamaStandIn) -> None:
    spoken.drop("look.md", BEAT)
    spoken.drain()
    assert standin.chats == []
    assert spoken.header("look")["model"] == "none"
