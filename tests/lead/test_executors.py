"""Registered commands as tasks use them: real scripts that print what command lines of agents print."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.config.tables import Executor
from agent.errors import BadConfig, Doubt, Refused, TimeUp
from agent.executors import Executed, Executors
from agent.sandbox import find
from tests.lead.commands import CLAUDE, CODEX, printing, script, sha256

CODEX_KEYS = {
    "output": "jsonl", "result": "item.type == 'agent_message' && item.text", "cost_usd": "",
}  # fmt: skip
CLAUDE_KEYS = {"output": "json", "model": "keys(modelUsage)[0]"}

Ask = Callable[..., Executed]
SANDBOX = find(os.environ)


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Ask a script; keywords are the executor's keys."""

    def ask(
        path: Path, text: str = "Capital of Peru?", left: float = 60.0, env: dict[str, str] | None = None,
        stop: Callable[[], bool] = lambda: False, **keys: Any,
    ) -> Executed:  # fmt: skip
        executor = Executor(**{"argv": (str(path),), "sha256": sha256(path), **keys})
        run = tmp_path / "run"
        run.mkdir(exist_ok=True)
        return Executors({"tool": executor}, {**os.environ, **(env or {})}).run("tool", text, run, stop, left)

    return ask


def test_a_json_command_gives_its_result_tokens_cost_and_model(ask: Ask, tmp_path: Path) -> None:
    path = printing(tmp_path, "claude", CLAUDE)
    done = ask(path, **CLAUDE_KEYS)
    assert done.text == CLAUDE["result"]
    usage = done.usage
    assert (usage.model, usage.provider) == ("claude-opus-4-6", "command:tool")
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (1200, 48, False)
    assert usage.cost_usd == 0.0123
    assert (tmp_path / "claude.asked").read_text() == "Capital of Peru?"


def test_a_jsonl_command_gives_the_last_that_fits(ask: Ask, tmp_path: Path) -> None:
    done = ask(printing(tmp_path, "codex", "Reading prompt from stdin...", *CODEX), **CODEX_KEYS)
    assert done.text == "Lima."
    assert (done.usage.input_tokens, done.usage.output_tokens, done.usage.estimated) == (900, 5, False)
    assert (done.usage.model, done.usage.cost_usd) == ("tool", None)


def test_a_plain_command_gives_all_it_prints_and_its_tokens_are_estimated(ask: Ask, tmp_path: Path) -> None:
    done = ask(script(tmp_path, "plain", "print('Lima', asked.upper(), 'ü')"), "peru?")
    assert done.text == "Lima PERU? ü"
    assert done.usage.estimated and done.usage.input_tokens > 0 < done.usage.output_tokens
    assert done.usage.cost_usd is None, "unknown is not nothing"


def test_what_costs_nothing_by_the_settings_costs_nothing_when_it_does_not_say(ask: Ask, tmp_path: Path) -> None:
    plain = printing(tmp_path, "plain", "Lima")
    assert ask(plain, max_usd=0).usage.cost_usd == 0
    assert ask(plain, max_usd=0.5).usage.cost_usd is None
    assert ask(printing(tmp_path, "claude", CLAUDE), output="json", max_usd=0).usage.cost_usd == 0.0123


@pytest.mark.parametrize("cost", ["0.01", -1, True, None, float("nan"), float("inf"), [1]])
def test_a_cost_that_is_no_amount_is_unknown(ask: Ask, tmp_path: Path, cost: object) -> None:
    done = ask(printing(tmp_path, "tool", json.dumps({"result": "Lima", "total_cost_usd": cost})), output="json")
    assert done.usage.cost_usd is None and done.text == "Lima"


@pytest.mark.parametrize(
    ("said", "keys", "why"),
    [
        (("Lima", "after: sys.stderr.write('no ' * 400 + 'credit'); sys.exit(3)"), {}, "exit code 3: ….* no credit"),
        (("", ""), {}, "no answer"),
        (("not json", ""), {"output": "json"}, "cannot be read"),
        (("[1]", ""), {"output": "json"}, "no JSON object"),
        (("[" * 100_000, ""), {"output": "json"}, "cannot be read"),
        (('{"result": {"a": 1}}', ""), {"output": "json"}, "no answer"),
        (('{"result": "  "}', ""), {"output": "json"}, "no answer"),
        (('{"result": "Lima"} {"result": "Lima"}', ""), {"output": "json"}, "cannot be read"),
        (('{"type": "x"}', ""), {"output": "jsonl"}, "no answer"),
        (('{"item": ', ""), {"output": "jsonl"}, "cannot be read"),
        (("nothing", ""), {"output": "jsonl"}, "no JSON object"),
        (('{"result": "Invalid key", "is_error": true}', ""), {"output": "json"}, "it failed: Invalid key"),
        (("x", "after: sys.stdout.write('y' * (2 << 20))"), {}, "printed more"),
        (("x", "after: sys.stdout.write('y' * (1 << 19))"), {}, "characters"),
        (("x", "after: sys.stdout.flush(); os.kill(os.getpid(), 9)"), {}, "signal 9: x"),
    ],
)
def test_what_is_no_usable_answer_is_a_doubt(
    ask: Ask, tmp_path: Path, said: tuple[str, str], keys: dict[str, str], why: str
) -> None:
    path = printing(tmp_path, "tool", said[0], after=said[1].removeprefix("after: "))
    with pytest.raises(Doubt, match=why) as caught:
        ask(path, **keys)
    assert caught.value.reason == "failed"
    assert caught.value.tried.startswith("command:tool: ") and len(caught.value.tried) < 400
    assert [usage.provider for usage in caught.value.usage] == ["command:tool"]


def test_what_a_failure_cost_is_told(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(Doubt) as caught:
        ask(printing(tmp_path, "claude", {**CLAUDE, "is_error": True}, after="sys.exit(1)"), **CLAUDE_KEYS)
    assert caught.value.usage[0].cost_usd == 0.0123


def test_s27_a_program_that_was_changed_is_not_started(ask: Ask, tmp_path: Path) -> None:
    path = printing(tmp_path, "tool", "Lima")
    before = sha256(path)
    path.write_text(path.read_text() + "open('/tmp/owned', 'w')\n")
    with pytest.raises(Refused, match=r"sha256sum \$\(command -v ") as caught:
        ask(path, sha256=before)
    assert "[executors.tool]" in caught.value.where
    assert not (tmp_path / "tool.asked").exists()


def test_s27_it_is_looked_at_before_every_start(ask: Ask, tmp_path: Path) -> None:
    path = printing(tmp_path, "tool", "Lima")
    executors = Executors({"tool": Executor(argv=(str(path),), sha256=sha256(path))}, os.environ)
    assert executors.run("tool", "", tmp_path, lambda: False, 60).text == "Lima"
    printing(tmp_path, "tool", "Cusco")
    with pytest.raises(Refused):
        executors.run("tool", "", tmp_path, lambda: False, 60)


def test_a_bare_name_is_found_on_the_path_of_the_worker(ask: Ask, tmp_path: Path) -> None:
    path = printing(tmp_path, "mytool", "Lima")
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert ask(path, argv=("mytool",), env=env).text == "Lima"
    with pytest.raises(Refused, match="not there"):
        ask(path, argv=("mytool",))


def test_a_command_that_is_not_registered_is_refused_with_the_fix() -> None:
    with pytest.raises(Refused, match=r"add \[executors.tool\]"):
        Executors({}, {}).run("tool", "", Path(), lambda: False, 60)


def test_it_sees_its_own_new_folder_and_the_environment_that_is_listed(ask: Ask, tmp_path: Path) -> None:
    path = script(
        tmp_path, "tool",
        "print(json.dumps([os.getcwd(), os.listdir(), dict(os.environ)])); open('left', 'w').close()",
    )  # fmt: skip
    env = {"MY_KEY": "k1", "OTHER_KEY": "k2", "HOME": "/home/ada", "LANG": "C.UTF-8", "GIT_DIR": "/x"}
    places = []
    for _ in range(2):
        place, inside, seen = json.loads(ask(path, env=env).text)
        assert inside == ["tmp"] and seen["TMPDIR"] == f"{place}/tmp"
        places.append(place)
    assert [Path(place).relative_to(tmp_path) for place in places] == [Path("run/executor"), Path("run/executor-2")]
    assert (seen["HOME"], seen["LANG"], seen["PATH"]) == ("/home/ada", "C.UTF-8", os.environ["PATH"])
    assert not {"MY_KEY", "OTHER_KEY", "GIT_DIR"} & seen.keys()
    listed = Executor(argv=(str(path),), sha256=sha256(path), env=("MY_KEY", "NOT_SET"))
    done = Executors({"tool": listed}, {**os.environ, **env}).run("tool", "", tmp_path, lambda: False, 60)
    seen = json.loads(done.text)[2]
    assert seen["MY_KEY"] == "k1" and not {"OTHER_KEY", "NOT_SET"} & seen.keys()


def test_a_slow_command_ends_at_its_limit_or_at_what_is_left_of_the_run(ask: Ask, tmp_path: Path) -> None:
    path = script(tmp_path, "slow", "time.sleep(600)")
    with pytest.raises(TimeUp, match=r"within 0\.3 s"):
        ask(path, timeout_seconds=0.3)
    with pytest.raises(TimeUp, match=r"within 0\.2 s"):
        ask(path, left=0.2)
    with pytest.raises(TimeUp, match="was stopped"):
        ask(path, stop=(tmp_path / "slow.asked").exists)


def test_an_expression_that_is_none_is_told_with_its_place(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"executors\.tool\.result"):
        ask(printing(tmp_path, "tool", CLAUDE), output="json", result="result[")
    assert not (tmp_path / "tool.asked").exists()


def test_an_expression_that_does_not_go_with_the_object_finds_nothing(ask: Ask, tmp_path: Path) -> None:
    done = ask(printing(tmp_path, "tool", CLAUDE), output="json", model="keys(nothing)[0]", input_tokens="sum(usage)")
    assert done.usage.model == "tool" and done.usage.estimated
    total = "sum([usage.input_tokens, usage.cache_read_input_tokens])"
    assert ask(printing(tmp_path, "tool", CLAUDE), output="json", input_tokens=total).usage.input_tokens == 1200


@pytest.mark.skipif(SANDBOX.path is None, reason=f"no sandbox can be made here: {SANDBOX.trouble}")
def test_a_command_runs_shut_in_when_its_table_says_so_and_only_then(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_text("#!/bin/sh\ncat\nls /root /home 2>&1 | tail -1\npwd\n")
    path.chmod(0o755)
    said = ask(path, sandbox=True).text
    assert said.startswith("Capital of Peru?ls: cannot access") and said.endswith("/run/executor")
    assert "cannot access" not in ask(path).text


def test_s29_a_command_that_must_be_shut_in_is_refused_where_that_cannot_be(ask: Ask, tmp_path: Path) -> None:
    tool = printing(tmp_path, "tool", "Lima")
    with pytest.raises(Refused, match="only in a sandbox") as caught:
        ask(tool, sandbox=True, env={"PATH": str(tmp_path)})
    assert caught.value.where == "[executors.tool]" and not (tmp_path / "tool.asked").exists()


def test_s27_the_other_files_that_a_command_pins_are_looked_at_too(ask: Ask, tmp_path: Path) -> None:
    tool, other = printing(tmp_path, "tool", "Lima"), tmp_path / "prompt.txt"
    other.write_text("Be short.")
    pins = {str(other): sha256(other)}
    assert ask(tool, files=pins).text == "Lima"
    other.write_text("Be long.")
    with pytest.raises(Refused, match=r"the file '.*prompt.txt' is not the one that was registered"):
        ask(tool, files=pins)
    other.unlink()
    with pytest.raises(Refused, match="cannot be read"):
        ask(tool, files=pins)
