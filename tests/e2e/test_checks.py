"""From a dropped file to the commit: real scripts that are registered, some that were changed since, and what a task
says to get at more."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent import sandbox
from agent.checks import Checks
from agent.config.tables import Check
from agent.gate import OutputGate
from agent.handlers import HANDLERS
from agent.handlers.check_request import read_wishes
from agent.handlers.checking import Registered
from agent.runner import Run
from agent.runs import RunFolder
from agent.sandbox import Sandbox
from agent.vault.params import read_params
from agent.vault.task import read_task
from tests.e2e.support import House
from tests.lead.commands import sha256
from tests.support import git

FAST = "[watch]\nsettle_seconds = 0.1\nsettle_open_seconds = 0.01\npoll_seconds = 0.1\n"
WORKS = sandbox.find(os.environ)
REAL = pytest.mark.skipif(WORKS.path is None, reason=f"no sandbox can be made here: {WORKS.trouble}")
FULL = '[sandbox]\nlevel = "full"\n'
# Says what it was given, and leaves a trace of its run where it may write.
SHOWS = """#!/bin/sh
echo run >> "$(dirname "$0")/runs" 2>/dev/null
for word in "$@"; do echo "argument <$word>"; done
env | sort
pwd
cat
"""

Register = Callable[..., Path]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, settings=FAST)


@pytest.fixture
def register(house: House) -> Register:
    """Write a script and its table, by the very lines of the documentation; keywords are its other keys."""

    def register(name: str, text: str, more: str = "", words: tuple[str, ...] = (), **keys: Any) -> Path:
        path = house.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        lines = [f"[checks.{name}]", f"argv = {json.dumps([str(path), *words])}", f'sha256 = "{sha256(path)}"']
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        with house.config.open("a") as config:
            config.write("\n".join([*lines, more, ""]))
        return path

    return register


def without_bubblewrap(house: House) -> None:
    """A machine that has no bwrap: every other program is there."""
    folder = house.folder / "programs"
    folder.mkdir()
    for name in ("git", "sh", "env", "sort", "cat", "dirname"):
        (folder / name).symlink_to(str(shutil.which(name)))
    house.env["PATH"] = str(folder)


def test_a_script_that_passes_comes_back_as_a_report_in_a_commit(house: House, register: Register) -> None:
    register("tests", "#!/bin/sh\necho '==== 12 passed in 0.31s ===='\n")
    house.drop("unit.md", "---\nstatus: open\n---\nRun the tests and tell me if they pass\n")
    (task,) = house.once()["tasks"]
    assert (task["status"], task["type"], task["tier"], task["model"]) == ("done", "test", "trivial", "none")
    report = house.report("unit") or ""
    assert "- tests: pass in " in report and "12 passed" in report and "No action needed" in report
    assert "==== 12 passed in 0.31s ====" in report
    assert house.git("status", "--porcelain") == ""
    assert house.git("log", "-1", "--format=%s").strip() == f"gofer: done {task['id']}"
    changed = house.git("show", "--name-only", "--format=", "HEAD")
    assert "memory/qwen-worker/task-reports/" in changed


def test_a_script_that_fails_is_named_under_action_required(house: House, register: Register) -> None:
    register("lint", "#!/bin/sh\necho checking; echo 'a.py:3: unused import' >&2; exit 3\n")
    register("typecheck", "#!/bin/sh\nexit 0\n")
    house.drop("two.md", "---\nstatus: open\ntype: test\ncheck: lint, typecheck\n---\n")
    (task,) = house.once()["tasks"]
    report = house.report("two") or ""
    assert task["status"] == "done"
    assert "- 1 of 2 checks passed" in report
    assert "- lint: FAIL in " in report and "exit code 3. Its last line: a.py:3: unused import" in report
    assert "- [ ] Lead to look at the check 'lint', which failed" in report
    log = "\n".join(house.data("show", task["id"], "--log", shape="show")["log"])
    assert "check lint: exit code 3" in log
    (kept,) = (house.state / "runs").glob("*/*/check-lint.txt")
    assert str(kept) in log and kept.read_text() == "checking\na.py:3: unused import"


def test_s27_a_script_that_was_changed_is_not_started_and_the_report_and_the_doctor_say_what_to_do(
    house: House, register: Register
) -> None:
    path = register("tests", SHOWS)
    path.write_text(SHOWS + "curl evil.example\n")
    house.drop("unit.md", "---\nstatus: open\n---\nRun the tests\n")
    (task,) = house.once(code=1)["tasks"]
    report = house.report("unit") or ""
    assert task["status"] == "failed" and not (path.parent / "runs").exists()
    assert "tests: did not run: the program" in report and "is not the one that was registered" in report
    assert "sha256sum" in report
    doctor = house.data("doctor", code=1)["checks"]
    (line,) = [one for one in doctor if one["name"] == "checks"]
    assert line["fix"] == (
        f'if you trust {path} as it is now, write under [checks.tests]: sha256 = "{sha256(path)}"'
    )  # fmt: skip


HOSTILE = [
    "suite: unit; touch /tmp/owned",
    "suite: $(touch /tmp/owned)",
    "suite: --help",
    "suite: [unit, integration]",
    "suite: unit\nargv: [/bin/sh]",
    "suite: unit\nenv: {LD_PRELOAD: /tmp/x.so}",
    "suite: unit\ncwd: /",
    "suite: unit\nsha256: 00",
    "check: ../../bin/sh",
    "check: /bin/sh",
]


@pytest.mark.parametrize("header", HOSTILE)
def test_s27_a_task_that_asks_for_more_than_is_listed_runs_nothing(
    house: House, register: Register, header: str
) -> None:
    path = register("tests", SHOWS, '[checks.tests.args]\nsuite = ["unit", "integration"]', words=("{suite}",))
    check = "" if "check:" in header else "check: tests\n"
    house.drop("bad.md", f"---\nstatus: open\ntype: test\n{check}{header}\n---\nRun the tests\n")
    (task,) = house.once(code=1)["tasks"]
    assert task["status"] in ("failed", "invalid")
    assert not (path.parent / "runs").exists() and not list((house.state / "runs").glob("*/*/check-*"))


@pytest.mark.parametrize("level", ["inside", "outside"])
def test_s26_s27_only_listed_words_reach_the_command_and_nothing_else_of_the_task_or_the_worker(
    house: House, register: Register, level: str
) -> None:
    if level == "inside" and WORKS.path is None:
        pytest.skip(f"no sandbox can be made here: {WORKS.trouble}")
    register(
        "tests", SHOWS, '[checks.tests.args]\nsuite = ["unit", "in tegration"]', words=("--suite={suite}", "{other}"),
        env=["GIVEN"],
    )  # fmt: skip
    if level == "outside":
        house.config.write_text(house.config.read_text() + FULL)
    house.env |= {"GIVEN": "given", "MY_API_KEY": "k" * 20, "SSH_AUTH_SOCK": "/tmp/agent"}
    text = "MARKED words: whatever stands in the text of a task stays in the task.\n"
    house.drop("t.md", f"---\nstatus: open\ntype: test\ncheck: tests\nsuite: in tegration\ntitle: MARKED\n---\n{text}")
    house.once()
    (kept,) = (house.state / "runs").glob("*/*/check-tests.txt")
    said = kept.read_text()
    assert said.startswith("argument <--suite=in tegration>\nargument <{other}>\n")
    names = {line.partition("=")[0] for line in said.splitlines() if "=" in line and not line.startswith("argument")}
    assert names - {"LANG", "LC_ALL", "_", "OLDPWD", "SHLVL"} == {
        "GIVEN", "GOFER_CHILD", "HOME", "PATH", "PWD", "TMPDIR",
    }  # fmt: skip
    assert "MARKED" not in said and "k" * 20 not in said


def test_s25_what_a_check_prints_passes_the_gate(house: House, register: Register) -> None:
    house.env["MY_API_KEY"] = "sekret-sekret-sekret"
    register("tests", "#!/bin/sh\necho \"$MY_API_KEY\"; echo '<% evil %>'; echo '![[x]]'; exit 1\n", env=["MY_API_KEY"])
    house.drop("t.md", "---\nstatus: open\n---\nRun the tests\n")
    house.once()
    report = house.report("t") or ""
    (kept,) = (house.state / "runs").glob("*/*/check-tests.txt")
    assert "sekret" not in report + kept.read_text() and "<%" not in report
    assert "redacted" in report and "redacted" in kept.read_text()


@REAL
def test_a_check_runs_in_its_repository_which_it_may_only_read_unless_the_settings_say_more(
    house: House, register: Register
) -> None:
    site = house.folder / "site"
    git(house.folder, "init", "-q", str(site))
    (site / "a.py").write_text("x = 1\n")
    shown = "#!/bin/sh\npwd; ls; echo > made 2>/dev/null && echo written; ls " + str(house.root) + "; exit 0\n"
    listed = f'[repos.website]\npath = "{site}"\n'
    register("lint", shown, listed, cwd="website")
    register("format", shown, cwd=str(site), writable=["."])
    house.drop("t.md", "---\nstatus: open\n---\nRun the linter on website\n")
    house.drop("u.md", "---\nstatus: open\n---\nRun the check called format\n")
    house.once()
    outputs = {path.name: path.read_text() for path in (house.state / "runs").glob("*/*/check-*.txt")}
    assert outputs["check-lint.txt"].startswith(f"{site}\na.py\n") and "written" not in outputs["check-lint.txt"]
    assert "written" in outputs["check-format.txt"] and (site / "made").exists()
    assert "No such file" in outputs["check-lint.txt"], "the vault is out of sight"
    assert "- Sandbox: bubblewrap, without network" in (house.report("t") or "")
    assert "bubblewrap works" in house.data("status", code=None)["sandbox"]


def test_s29_without_bubblewrap_a_check_runs_and_everybody_is_told(house: House, register: Register) -> None:
    without_bubblewrap(house)
    register("tests", "#!/bin/sh\necho fine\n")
    house.drop("t.md", "---\nstatus: open\n---\nRun the tests\n")
    house.once()
    assert "- Sandbox: none: bubblewrap is not there" in (house.report("t") or "")
    assert house.data("status", code=None)["sandbox"].startswith("none: bubblewrap is not there. Checks run with")
    said = house.gofer("status").stdout
    assert "Sandbox  none: bubblewrap is not there" in said
    (line,) = [one for one in house.data("doctor", code=1)["checks"] if one["name"] == "sandbox"]
    assert not line["ok"] and "apt install bubblewrap" in line["fix"]


@pytest.mark.parametrize("how", ["level", "check"])
def test_s29_without_bubblewrap_what_must_be_shut_in_does_not_run(house: House, register: Register, how: str) -> None:
    without_bubblewrap(house)
    if how == "level":
        path = register("tests", SHOWS)
        house.config.write_text(house.config.read_text() + '[sandbox]\nlevel = "restricted"\n')
    else:
        path = register("tests", SHOWS, sandbox=True)
    house.drop("t.md", "---\nstatus: open\n---\nRun the tests\n")
    (task,) = house.once(code=1)["tasks"]
    assert task["status"] == "failed" and not (path.parent / "runs").exists()
    assert "it may run only in a sandbox, and there is none" in (house.report("t") or "")
    if how == "level":
        problems = house.data("status", code=1)["problems"]
        assert [one["what"] for one in problems] == ["checks cannot run: bubblewrap is not there"]


@REAL
def test_s29_what_a_check_leaves_in_its_folder_leads_a_second_attempt_nowhere(tmp_path: Path) -> None:
    """It leaves links where Gofer writes, and where the sandbox is made: in the folder that both attempts share."""
    kept, tool = tmp_path / "kept", tmp_path / "tool"
    kept.mkdir()
    (kept / "mine").write_text("mine")
    links = "\n".join(
        f"mv {name} away; ln -s {target} {name}"
        for name, target in (("tmp", kept), ("../run.log", kept / "mine"), ("../check-x.txt", kept / "mine"))
    )
    tool.write_text(f"#!/bin/sh\nls -A /tmp; rm -f /tmp/mine; echo x > /tmp/planted\n{links}\necho ran\n")
    tool.chmod(0o755)
    listed = {"x": Check(argv=(str(tool),), sha256=sha256(tool))}
    checks = Checks(listed, os.environ, Sandbox("restricted", os.environ), {})
    for _ in range(2):
        folder = RunFolder(tmp_path / "run", OutputGate())
        run = Run(None, None, None, None, datetime.now(UTC), 60.0, folder)  # type: ignore[arg-type]
        checked = checks.of_run(run).run("x", {})
        assert "ran" in checked.output.splitlines() and not checked.why
        folder.close()
    assert [path.name for path in kept.iterdir()] == ["mine"] and (kept / "mine").read_text() == "mine"
    links_left = [path.name for path in (tmp_path / "run").iterdir() if path.is_symlink()]
    assert links_left == [] and "check x: passed" in (tmp_path / "run/run.log").read_text()


def test_a_check_that_does_not_end_is_killed_and_what_it_said_is_told(house: House, register: Register) -> None:
    register("tests", "#!/bin/sh\necho begun\nsleep 600\n", timeout_seconds=0.5)
    house.drop("t.md", "---\nstatus: open\n---\nRun the tests\n")
    (task,) = house.once()["tasks"]
    report = house.report("t") or ""
    assert task["status"] == "done" and "tests: FAIL in " in report
    assert "'tests' did not end within 0.5 s and was stopped. Its last line: begun" in report


def test_a_request_for_what_is_not_registered_goes_to_the_lead_with_what_is(house: House, register: Register) -> None:
    register("lint", "#!/bin/sh\n")
    register("links", "#!/bin/sh\n")
    house.drop("t.md", "---\nstatus: open\n---\nRun the unit tests\n")
    (task,) = house.once()["tasks"]
    assert task["status"] == "handed-off"
    (handoff,) = (house.root / "outbox/handoffs").glob("*.md")
    assert "this machine registers links, lint" in handoff.read_text("utf-8")


@pytest.mark.parametrize("pin", ["missing", "wrong", "right"])
def test_s27_a_script_that_an_interpreter_runs_must_be_pinned_itself(house: House, pin: str) -> None:
    script = house.folder / "suite.py"
    script.write_text("print('it ran')\n")
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    files = {"missing": "", "wrong": f'files = {{ "{script}" = "{"0" * 64}" }}\n'}
    files["right"] = f'files = {{ "{script}" = "{sha256(script)}" }}\n'
    table = f'[checks.tests]\nargv = ["{python}", "{script}"]\nsha256 = "{sha256(Path(python).resolve())}"\n'
    house.config.write_text(FAST + table + files[pin])
    house.drop("t.md", "---\nstatus: open\n---\nRun the tests\n")
    (task,) = house.once(code=None)["tasks"]
    report = house.report("t") or ""
    assert task["status"] == ("done" if pin == "right" else "failed"), report
    said = {"missing": "is not pinned", "wrong": "is not the one that was registered", "right": "it ran"}
    assert said[pin] in report
    if pin == "missing":
        assert files["right"].strip() in report.replace("\\", "")


def test_the_doctor_looks_at_every_check_and_starts_none(house: House, register: Register) -> None:
    extra = house.folder / "extra.txt"
    extra.write_text("1\n")
    path = register("good", SHOWS, '[checks.good.args]\nsuite = ["unit", "smoke"]', words=("{suite}",))
    register("stale", SHOWS)
    with house.config.open("a") as config:
        config.write(f'[checks.stale.files]\n"{extra}" = "{"0" * 64}"\n')
    register("taken", SHOWS, '[checks.taken.args]\nmodel = ["a"]', words=("{model}",))
    register("away", SHOWS, cwd=str(house.folder / "nowhere"))
    register("gone", SHOWS).unlink()
    lines = [one for one in house.data("doctor", code=1)["checks"] if one["name"] == "checks"]
    told = {one["detail"].partition(":")[0]: one for one in lines}
    assert told["good"]["ok"] and told["good"]["detail"] == "good: what was registered; suite: unit or smoke"
    assert f'under [checks.stale.files]: "{extra}" = "{sha256(extra)}"' in told["stale"]["fix"]
    assert "'model' is a word of every task" in told["taken"]["detail"]
    assert "nowhere' is not there" in told["away"]["detail"] and "correct the path" in told["away"]["fix"]
    assert "is not there" in told["gone"]["detail"]
    assert not (path.parent / "runs").exists()


# -- the documentation -----------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs/errands/test.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not there: macOS calls it otherwise")
def test_the_line_of_the_page_registers_a_check_that_runs(house: House) -> None:
    home = house.folder / "home"
    (home / "bin").mkdir(parents=True)
    (home / ".config/gofer").mkdir(parents=True)
    (home / "bin/site-tests").write_text("#!/bin/sh\necho ==== 12 passed in 0.31s ====\n")
    (home / "bin/site-tests").chmod(0o755)
    (line,) = blocks("bash")
    subprocess.run(["/bin/bash", "-euc", line], env={"HOME": str(home), "PATH": os.environ["PATH"]}, check=True)
    house.config.write_text(FAST + (home / ".config/gofer/config.toml").read_text())
    house.drop("t.md", "---\nstatus: open\n---\nRun the check called site-tests\n")
    assert house.once()["done"] == 1
    assert "- site-tests: pass in " in (house.report("t") or "") and "12 passed" in (house.report("t") or "")


def test_the_tables_of_the_page_are_checks_and_its_task_can_choose_what_they_list() -> None:
    whole, interpreter = (tomllib.loads(text.replace("…", "0" * 64))["checks"] for text in blocks("toml"))
    check = Check.model_validate(whole["site-tests"])
    assert set(whole["site-tests"]) | {"files", "sandbox"} == set(Check.model_fields), "every key is shown"
    Check.model_validate(interpreter["suite"])
    (task,) = blocks("markdown")
    params = read_params(read_task(task.encode(), "inbox/t.md", types=HANDLERS.keys()), HANDLERS["test"].params)
    assert params.model_dump() == {"check": ("site-tests", "lint"), "suite": "integration"}
    assert "integration" in check.args["suite"]
    listed = [Registered("site-tests", check.aliases, check.args, ("website",)), Registered("lint")]
    for text in re.findall(r"`((?:Run|Do|run) [^`]+)`", PAGE):
        assert read_wishes(text, listed), text
