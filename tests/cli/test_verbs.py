"""Every verb as a person or a script calls it: what it prints, the shape of its data, its exit code."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from agent.cli.main import VERBS
from agent.schema import schema
from tests.e2e.support import House, closed_port, eventually

WRITE = "---\nstatus: open\n---\nWrite {n} to memory/{n}.txt\n"
WAITS = "---\nstatus: open\nnot_before: 2999-01-01\n---\nWrite 1 to memory/later.txt\n"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def told(done: subprocess.CompletedProcess[str], code: int, *words: str) -> str:
    """The error paragraph of a verb that failed as it should: what, then where, why and what to do."""
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    lines = done.stderr.splitlines()
    assert lines and lines[0].startswith(("gofer: ", "Usage: ", "Error: ")), done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    return done.stderr


# -- the whole of it --------------------------------------------------------------------------------------------


def test_help_names_every_verb_and_every_verb_has_a_help_that_begins_with_what_it_does(house: House) -> None:
    text = house.gofer("--help").stdout
    assert all(re.search(rf"^  {verb}\s+\S", text, re.M) for verb in VERBS)
    for verb in VERBS:
        done = house.gofer(verb, "--help")
        assert done.returncode == 0 and done.stdout.startswith(f"Usage: gofer {verb}")
        assert len(done.stdout.splitlines()[2].strip()) > 20, f"{verb} says what it does"


def test_an_unknown_verb_or_option_is_wrong_usage_and_names_what_there_is(house: House) -> None:
    told(house.process("lsit"), 2, "lsit", "did you mean gofer list?")
    told(house.gofer("frobnicate"), 2, "frobnicate", "demo, init, run")
    told(house.gofer("list", "--colour"), 2, "--colour")
    told(house.gofer("show"), 2, "TASK")
    assert house.gofer().returncode == 2


def test_outside_a_vault_every_verb_that_needs_one_says_so_and_what_to_do(house: House, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for verb in (
        ["run", "--once"],
        ["add", "x"],
        ["list"],
        ["show", "x"],
        ["status"],
        ["doctor"],
        ["retry", "x"],
        ["cancel", "x"],
    ):
        told(house.gofer(*verb, cwd=outside), 2, "this is not a vault", "where: ", "do: gofer init")
    told(house.gofer("list", "--vault", str(tmp_path / "nowhere")), 2, "nowhere")
    named = house.gofer("list", cwd=outside, env={"GOFER_VAULT": str(house.root)})
    assert named.returncode == 0
    (house.root / "memory" / "deep").mkdir()
    assert house.gofer("list", cwd=house.root / "memory" / "deep").returncode == 0, "from any folder of the vault"


def test_a_git_folder_without_an_inbox_is_no_reason_to_fall_over(house: House) -> None:
    shutil.rmtree(house.root / "inbox")
    assert house.data("list") == []
    assert house.once()["tasks"] == []
    (check,) = [c for c in house.data("doctor", code=1)["checks"] if c["name"] == "inbox"]
    assert not check["ok"] and check["fix"]


def test_settings_that_are_no_toml_stop_the_worker_and_not_the_verbs_that_read(house: House) -> None:
    (house.root / "gofer.toml").write_text("[watch\n")
    told(house.gofer("run", "--once"), 2, "gofer.toml")
    assert house.gofer("list").returncode == 0
    status = house.data("status", code=1)
    assert any("gofer.toml" in problem["where"] for problem in status["problems"])
    bad = [check for check in house.data("doctor", code=1)["checks"] if check["name"] == "settings" and not check["ok"]]
    assert bad and bad[0]["fix"]


def test_a_reader_that_goes_away_is_no_error(house: House) -> None:
    for number in range(150):
        house.drop(f"t{number}.md", WAITS)
    done = subprocess.run(
        f"{sys.executable} -m agent list | head -1; echo ${{PIPESTATUS[0]}}", shell=True, executable="/bin/bash",
        cwd=house.root, env=house.env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0" and done.stderr == ""


def test_colour_and_progress_are_for_terminals_only_and_never_with_no_color(house: House) -> None:
    house.drop("a.md", WAITS)
    piped = house.gofer("list", env={"NO_COLOR": ""})
    assert "\x1b" not in piped.stdout + piped.stderr
    for colour, wanted in (("1", False), (None, True)):
        env = {name: value for name, value in house.env.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"}
        if colour:
            env["NO_COLOR"] = colour
        master, slave = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "agent", "list"], cwd=house.root, env=env, stdout=slave, stdin=slave
        ):
            os.close(slave)
            shown = b""
            try:
                while part := os.read(master, 4096):
                    shown += part
            except OSError:
                pass  # the other end is closed
        os.close(master)
        assert (re.search(rb"\x1b\[[0-9;]*3[0-9]", shown) is None) or wanted
        assert b"a" in shown


# -- add, list, show, route -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Write 1 to memory/a.txt", "---\nleading dashes\n", "--- one line", "📌 emoji 🎉", "x" * 300,
        "\nnewline first", "key: value", "- a list", "# Heading\n\ntext", "'quotes\" and \\ backslash", "٣ 中文 é",
        "---\ntype: file\npriority: high\n---\nWrite 1 to memory/a.txt", "%s {} <% %>", "../../etc/passwd",
    ],
)  # fmt: skip
def test_add_takes_any_text_and_what_it_drops_is_a_task(house: House, text: str) -> None:
    added = house.data("add", "-", stdin=text)
    path = house.root / added["path"]
    assert path.parent == house.root / "inbox" and len(path.name) < 60
    (item,) = house.data("list")
    assert (item["id"], item["state"]) == (added["id"], "open"), item
    assert text.strip().splitlines()[-1] in path.read_text("utf-8")


def test_add_keeps_its_options_in_the_header_and_two_alike_do_not_collide(house: House) -> None:
    options = ("--type", "file", "--model", "none", "--thinking", "low", "--priority", "high", "--draft")
    first = house.gofer("add", "Write", "1", "to", "memory/a.txt", *options)
    assert first.returncode == 0 and first.stdout == "inbox/write-1-to-memory-a-txt.md\n"
    text = (house.root / first.stdout.strip()).read_text()
    for line in ("type: file", "model: none", "priority: high", "status: draft", "thinking: low"):
        assert line in text.replace('"', ""), text
    second = house.gofer("add", "Write 1 to memory/a.txt", "--draft")
    assert second.stdout != first.stdout and len(house.inbox()) == 2
    told(house.gofer("add", "x", "--type", "sumarize"), 2, "sumarize", "summarize")


def test_add_without_a_text_or_with_one_that_is_not_utf8_is_wrong_usage(house: House, tmp_path: Path) -> None:
    told(house.gofer("add"), 2, "a task needs a text", "do: ")
    told(house.gofer("add", "-"), 2, "a task needs a text")
    told(house.process("add", "-", stdin=b"\xff\xfe\x00"), 2, "UTF-8")
    told(house.process("add", os.fsdecode(b"Gr\xfc\xdfe")), 2, "UTF-8")
    file = tmp_path / "latin.txt"
    file.write_bytes("Grüße".encode("latin-1"))
    told(house.gofer("add", "--file", str(file)), 2, "UTF-8", str(file))
    told(house.gofer("add", "--file", str(tmp_path / "none")), 2, "none")
    assert house.inbox() == []


def test_list_and_show_name_what_waits_what_ended_and_what_is_broken(house: House) -> None:
    assert "Nothing here yet" in house.gofer("list").stdout
    house.drop("a.md", WRITE.format(n=1))
    house.once()
    house.drop("late.md", WAITS)
    house.drop("draft.md", "---\nstatus: draft\n---\nWrite 1 to memory/1.txt\n")
    house.drop("bad.md", "---\npriority: hgih\n---\nWrite 1 to memory/1.txt\n")
    items = {item["path"] or item["id"]: item for item in house.data("list")}
    assert [items[f"inbox/{n}.md"]["state"] for n in ("late", "draft", "bad")] == ["waiting", "draft", "invalid"]
    (done,) = [item for item in items.values() if item["state"] == "done"]
    for item in items.values():
        shown = house.data("show", item["id"], "--log")
        assert shown["state"] == item["state"] and shown["task"]["text"]
    shown = house.data("show", done["id"][:6], "--log")
    assert shown["report_text"].startswith("---\ntype: report\n") and shown["runs"][0]["status"] == "done"
    assert any("ended: done" in line for line in shown["log"])
    text = house.gofer("show", done["id"], "--log").stdout
    assert "# Qwen Worker Report" in text and "ended: done" in text
    told(house.gofer("show", "nosuch"), 2, "nosuch", "gofer list")
    house.drop("late2.md", WAITS)
    told(house.gofer("show", "late"), 2, "beginning of 2 ids")


def test_route_says_where_a_task_would_go_inside_and_outside_a_vault(house: House, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for cwd in (house.root, outside):
        done = house.gofer("route", "-", "--json", stdin="Write 42 to memory/test.txt\n", cwd=cwd)
        whole = json.loads(done.stdout)
        Draft202012Validator(schema("route")).validate(whole)
        assert (whole["data"]["tier"], whole["data"]["type"], whole["data"]["who"]) == ("trivial", "file", "code")
    file = tmp_path / "review.md"
    file.write_text("Review PR #214 and leave substantive comments\n")
    assert house.gofer("route", str(file)).stdout.startswith("complex · handoff · lead\n")
    told(house.gofer("route", str(tmp_path / "none.md")), 2, "cannot be read")
    told(house.gofer("route", "-", stdin="---\npriority: hgih\n---\nx\n"), 1, "hgih", "why: ", "do: ")
    told(house.gofer("route", "-", stdin=b"\xff\xfex"), 1, "UTF-16")


# -- run --------------------------------------------------------------------------------------------------------


def test_run_once_exits_0_for_success_1_for_what_needs_a_person_and_3_for_what_waits_for_a_model(house: House) -> None:
    assert "Nothing to do." in house.gofer("run", "--once").stdout
    house.drop("a.md", WRITE.format(n=1))
    house.drop("b.md", "---\nstatus: open\n---\nReview PR #214 and leave substantive comments\n")
    assert house.once(code=0)["handed-off"] == 1, "a hand-off is success"
    house.drop("q.md", "---\nstatus: open\n---\nWhat is the capital of Peru?\n")
    assert house.once(code=3)["waiting"] == 1
    house.drop("f.md", "---\nstatus: open\n---\nRead memory/nowhere.md\n")
    assert house.once(code=1)["failed"] == 1, "what failed comes before what waits"
    (house.root / "inbox/q.md").unlink()
    house.drop("w.md", WAITS)
    assert house.once(code=0)["waiting"] == 1
    house.drop("bad.md", "---\npriority: hgih\n---\nx\n")
    assert house.once(code=1)["invalid"] == 1


def test_dry_run_says_what_would_go_where_and_changes_nothing(house: House) -> None:
    house.drop("a.md", WRITE.format(n=1))
    house.drop("w.md", WAITS)
    house.drop("bad.md", "---\npriority: hgih\n---\nx\n")
    (house.root / "inbox/pipe.md").symlink_to("a.md")
    rows = {row["path"]: row for row in house.data("run", "--dry-run", shape="run-dry-run")}
    assert (rows["inbox/a.md"]["who"], rows["inbox/w.md"]["state"]) == ("code", "waiting")
    assert {rows["inbox/bad.md"]["state"], rows["inbox/pipe.md"]["state"]} == {"invalid"}
    assert house.gofer("run", "--dry-run").returncode == 0
    assert len(house.inbox()) == 4 and house.reports() == {}


def test_q14_a_second_worker_in_the_same_vault_is_told_to_try_later(house: House) -> None:
    with house.worker() as worker:
        for verb in (["run"], ["run", "--once"]):
            told(house.gofer(*verb), 3, "another worker", f"process {worker.process.pid}", "do: ")
        assert house.board()["pid"] == worker.process.pid
        assert [row["state"] for row in house.data("status")["workers"]] == ["IDLE"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_q21_a_signal_ends_the_worker_in_good_order(house: House, number: int, code: int) -> None:
    with house.worker() as worker:
        house.drop("a.md", WRITE.format(n=1))
        eventually(lambda: house.report("a"))
        worker.signal(number)
        assert worker.process.wait(10) == code
    assert "pid" not in house.board() and not list((house.state / "claims").iterdir())
    assert [row["state"] for row in house.data("status")["workers"]] == ["STOPPED"]
    assert house.git("status", "--porcelain") == ""


def test_q21_run_once_that_is_interrupted_exits_130_and_loses_nothing(house: House) -> None:
    house.config.write_text("[watch]\nsettle_seconds = 60\n")
    house.drop("a.md", "Write 1 to memory/1.txt\n")
    with house.worker("--once") as worker:
        worker.signal(signal.SIGINT)
        assert worker.process.wait(10) == 130
    assert house.inbox() == ["a.md"]


def test_results_that_git_cannot_take_now_are_told_and_published_by_the_next_run(house: House) -> None:
    house.drop("a.md", WRITE.format(n=1))
    (house.root / ".git/index.lock").touch()
    done = house.gofer("run", "--once")
    assert done.returncode == 3 and "1 result waits to be committed" in done.stdout and "index.lock" in done.stdout
    (house.root / ".git/index.lock").unlink()
    assert house.once()["done"] == 1
    assert house.once()["tasks"] == [] and (house.root / "memory/1.txt").read_text() == "1\n"


def test_a_worker_that_goes_on_takes_no_json(house: House) -> None:
    told(house.gofer("run", "--json"), 2, "--once")


def test_without_a_worker_a_question_is_listed_as_waiting_for_the_server_and_status_is_content(house: House) -> None:
    house.drop("q.md", "---\nstatus: open\n---\nWhat is the capital of Peru?\n")
    house.drop("p.md", "---\nstatus: open\ntype: file\nop: wrte\npath: memory/a.md\n---\n")
    question = next(item for item in house.data("list") if item["path"] == "inbox/q.md")
    assert question["state"] == "waiting" and "does not answer" in question["reason"]
    other = next(item for item in house.data("list") if item["path"] == "inbox/p.md")
    assert other["state"] == "invalid" and "op" in other["reason"]
    (problem,) = house.data("status", code=1)["problems"]
    assert problem["where"] == "inbox/p.md"


# -- cancel and retry -------------------------------------------------------------------------------------------


def test_a_waiting_task_is_cancelled_without_a_worker_and_retried_as_the_next_instance(house: House) -> None:
    path = house.drop("w.md", WAITS)
    house.drop("other.md", WRITE.format(n=1))
    (task,) = [item["id"] for item in house.data("list") if item["path"] == "inbox/w.md"]
    assert house.data("cancel", task) == {"id": task, "state": "cancelled", "reason": None}
    assert not path.exists() and house.inbox() == ["other.md"], "nothing else is run for that"
    assert "🚫 Cancelled" in (house.report("w") or "")
    told(house.gofer("cancel", task), 2, task, "gofer list")
    again = house.data("retry", task)
    assert again["id"] == f"{task}-2" and (house.root / again["path"]).exists()
    assert [i["state"] for i in house.data("list") if i["id"] == again["id"]] == ["waiting"]
    told(house.gofer("retry", "nosuch"), 2, "nosuch")


def test_a_task_that_still_settles_is_cancelled_and_a_file_that_is_none_is_said_to_be_none(house: House) -> None:
    house.drop("fresh.md", "Write 1 to memory/1.txt\n")
    house.drop("bad.md", "---\npriority: hgih\n---\nx\n")
    ids = {item["path"]: item["id"] for item in house.data("list")}
    told(house.gofer("cancel", ids["inbox/bad.md"]), 2, "inbox/bad.md", "hgih", "do: mend the file")
    assert house.data("cancel", ids["inbox/fresh.md"])["state"] == "cancelled"
    assert not (house.root / "memory/1.txt").exists()


def test_retry_puts_the_file_back_as_it_was_dropped_and_it_runs(house: House) -> None:
    house.drop(
        "a.md",
        "---\nstatus: open\nmine: kept\ntype: file\nop: append\npath: memory/l.md\ntext: x\n---\nAppend it\n".replace(
            "mine: kept\n", ""
        ),
    )
    (first,) = house.once()["tasks"]
    again = house.data("retry", first["id"])
    text = (house.root / again["path"]).read_text()
    assert "report:" not in text and "finished:" not in text and "op: append" in text
    (second,) = house.once()["tasks"]
    assert second["id"] == again["id"] == f"{first['id']}-2" and second["status"] == "done"
    assert (house.root / "memory/l.md").read_text() == "x\nx\n"


# -- status, doctor, init, demo ---------------------------------------------------------------------------------


def test_status_is_healthy_until_something_needs_a_person(house: House) -> None:
    assert house.data("status")["healthy"]
    assert "Nothing needs you." in house.gofer("status").stdout
    house.drop("a.md", WRITE.format(n=1))
    (problem,) = house.data("status", code=1)["problems"]
    assert "no worker runs" in problem["what"] and problem["fix"] == "gofer run"
    with house.worker():
        eventually(lambda: house.report("a"))
        eventually(lambda: house.data("status")["workers"][0]["state"] == "READY")
        house.drop("bad.md", "---\nstatus: open\npriority: hgih\n---\nx\n")
        eventually(lambda: house.report("bad"))
        status = house.data("status", code=1)
        assert status["queue"]["invalid"] == 1 and status["problems"][0]["where"] == "inbox/bad.md"


def test_a_stop_file_stops_everything_and_status_and_doctor_say_so(house: House) -> None:
    (house.root / "STOP").touch()
    house.drop("a.md", WRITE.format(n=1))
    assert house.once()["tasks"] == [] and house.inbox() == ["a.md"]
    assert "STOP" in house.gofer("status").stdout
    (check,) = [c for c in house.data("doctor", code=1)["checks"] if c["name"] == "stop"]
    assert "delete STOP" in check["fix"]


def test_every_finding_of_the_doctor_has_a_remedy(house: House) -> None:
    house.drop("bad.md", "---\npriority: hgih\n---\nx\n")
    house.drop("a.md", WAITS)
    (house.root / "gofer.toml").write_text("[watch]\nsettle_secs = 3\n")
    (house.root / "STOP").touch()
    (house.root / ".stfolder").mkdir()
    matrix = house.root / "prompts/delegation.md"
    matrix.write_text("no table here\n")
    house.git("checkout", "--detach", "-q")
    found = house.data("doctor", code=1)
    wrong = {check["name"]: check for check in found["checks"] if not check["ok"]}
    assert {"settings", "stop", "folder", "matrix", "branch", "inbox", "model"} <= set(wrong), wrong
    assert all(check["fix"] for check in wrong.values()), wrong
    assert not any(check["fix"] for check in found["checks"] if check["ok"])
    shown = house.gofer("doctor").stdout
    assert shown.count("BAD ") == sum(not c["ok"] for c in found["checks"]) == shown.count("do: ")


def test_init_never_overwrites_and_says_what_it_made(house: House, tmp_path: Path) -> None:
    house.data("init", str(house.root))
    again = house.data("init", str(house.root))
    assert again["created"] == [] and len(again["kept"]) > 5
    existing = tmp_path / "mine"
    existing.mkdir()
    for args in (["init", "-q", "-b", "trunk"], ["commit", "-q", "--allow-empty", "-m", "mine"]):
        subprocess.run(["git", *args], cwd=existing, env=house.env, check=True)
    (existing / "AGENTS.md").write_text("my own\n")
    (existing / "inbox").mkdir()
    (existing / "inbox/later.md").write_text("a note of mine\n")
    made = house.data("init", str(existing), "--obsidian")
    assert "AGENTS.md" in made["kept"] and "gofer.toml" in made["created"] and ".obsidian/app.json" in made["created"]
    assert (existing / "AGENTS.md").read_text() == "my own\n"
    log = subprocess.run(
        ["git", "log", "--format=%s"], cwd=existing, env=house.env, capture_output=True, text=True, check=True
    )
    assert log.stdout == "mine\n", "committing in a repository that was there is left to the person"
    told(house.gofer("init", str(house.root), "--remote", "-oProxyCommand=evil"), 1, "not the address")
    told(house.gofer("init", str(tmp_path / "config.toml")), 2, "config.toml")
    fresh = house.gofer("init", "new vault", cwd=tmp_path)
    assert fresh.returncode == 0 and "Next: cd" in fresh.stdout and (tmp_path / "new vault/inbox").is_dir()


def test_the_demo_shows_all_tiers_and_roles_cleans_up_and_exits_0(house: House) -> None:
    done = house.process("demo", "--json", env={"TMPDIR": str(house.folder)})
    whole = json.loads(done.stdout)
    Draft202012Validator(schema("demo")).validate(whole)
    data = whole["data"]
    assert done.returncode == 0 and {task["tier"] for task in data["tasks"]} >= {"trivial", "standard", "complex"}
    roles = {task["role"] for task in data["tasks"] if task["status"] == "done"}
    assert roles >= {"heartbeat", "data", "organization", "research"}
    assert (data["handed-off"] >= 1, data["invalid"], data["waiting"]) == (True, 1, 2)
    assert not Path(data["vault"]).exists() and not list(house.folder.glob("gofer-demo-*"))


def test_nothing_is_asked_without_a_terminal_and_a_model_server_that_is_away_costs_no_time(house: House) -> None:
    env = {"GOFER_OLLAMA_HOST": f"http://127.0.0.1:{closed_port()}"}
    for verb in (["status"], ["doctor"], ["list"], ["run", "--once"]):
        done = house.gofer(*verb, env=env)
        assert done.returncode in (0, 1)
