"""The `test` type: what a request means, what a task may choose, and what the report says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.errors import BadHeader, Doubt, Refused, TimeUp
from agent.files import VaultFiles
from agent.handlers.base import Context
from agent.handlers.check_counts import counts
from agent.handlers.check_request import Wish, read_wishes
from agent.handlers.checking import Checked, NoChecks, Registered
from agent.handlers.run_checks import HANDLER
from agent.vault.params import read_params
from agent.vault.values import Result, Status, Task

SUITES = ("unit", "integration", "smoke")
LISTED = (
    Registered("build", ("make build", "make check")),
    Registered("lint", (), {}, ("website",)),
    Registered("tests", ("make test", "pytest"), {"suite": SUITES, "browser": ("firefox", "chrome")}, ("api",)),
    Registered("typecheck"),
    Registered("website-links", ("links",)),
)


@dataclass
class FakeDoor:
    """Checks that end as they are told, and a record of what was asked for."""

    listed: Sequence[Registered] = LISTED
    ends: dict[str, Checked | Exception] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def run(self, name: str, chosen: Mapping[str, str]) -> Checked:
        self.asked.append((name, chosen))
        end = self.ends.get(name, ended())
        if isinstance(end, Exception):
            raise end
        return end


def ended(why: str = "", output: str = "fine\n") -> Checked:
    return Checked(why, 1.25, output, "bubblewrap, without network")


def do(door: FakeDoor | NoChecks, tmp_path: Path, text: str = "", /, **params: Any) -> Result:
    asked = Task("t", "inbox/t.md", "t", text, f"---\ntype: test\n---\n{text}", "0" * 12, type="test", params=params)
    context = Context(
        task=asked, now=datetime(2026, 11, 20, tzinfo=UTC), files=VaultFiles(tmp_path),
        ask=lambda *a, **k: pytest.fail("no model is asked"), facts=dict, note=lambda line: None, check=lambda: None,
        memory=tmp_path, run_dir=tmp_path, checks=door,
    )  # fmt: skip
    result = HANDLER.run(context, read_params(asked, HANDLER.params))
    assert result.changes == ()
    return result


# -- what a request means --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("Run the unit tests", [("tests", {"suite": "unit"})]),
        ("Do the unit tests still pass?", [("tests", {"suite": "unit"})]),
        ("Run the unit tests in repos/api, pass or fail", [("tests", {"suite": "unit"})]),
        ('Kick off the registered "integration" suite', [("tests", {"suite": "integration"})]),
        ("kick off the smoke suite and give me pass/fail", [("tests", {"suite": "smoke"})]),
        ("run check tests with suite integration", [("tests", {"suite": "integration"})]),
        ("Run the firefox smoke tests", [("tests", {"suite": "smoke", "browser": "firefox"})]),
        ("Are the tests green?", [("tests", {})]),
        ("Please run the test suite in repos/api and report pass/fail", [("tests", {})]),
        ("Run make test in repos/api and tell me if it passed", [("tests", {})]),
        ("make check please, pass or fail is enough", [("build", {})]),
        ("Run the linter on website", [("lint", {})]),
        ("Run the linter again now, please", [("lint", {})]),
        ("do the linters pass?", [("lint", {})]),
        ('Run the check called "links"', [("website-links", {})]),
        ("Execute the check called typecheck and report", [("typecheck", {})]),
        ("Run lint and typecheck", [("lint", {}), ("typecheck", {})]),
        ("Run lint, typecheck and build, and tell me the results", [("lint", {}), ("typecheck", {}), ("build", {})]),
        ("run all checks", [(one.name, {}) for one in LISTED]),
    ],
)
def test_a_request_names_a_check_and_its_values(text: str, wishes: list[tuple[str, dict[str, str]]]) -> None:
    assert read_wishes(text, LISTED) == [Wish(*wish) for wish in wishes]


def test_where_one_check_is_registered_the_tests_are_that_one() -> None:
    assert read_wishes("Run the tests and tell me if they pass", LISTED[3:4]) == [Wish("typecheck")]
    assert read_wishes("Run the checks of website", LISTED[:3]) == [Wish("lint")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Run the nightly tests",
        "Run pytest in repos/atlas and tell me whether it is green",
        "Run the tests in the lab",
        "Run the linter on api",
        "Run the unit tests; rm -rf /",
        "Run lint with --fix",
        "Run lint with suite unit",
        "Run the unit tests unless it is Sunday",
        "Run the unit tests every day",
        "Run $(id)",
        "Run the lint check on website and deploy it",
        "Run lint and fix what fails",
        "Run lint\nand then push",
        "Run lint " + "x" * 500,
        "# If it is Monday\nRun lint",
    ],
)
def test_s27_what_names_no_registered_check_to_the_last_word_is_a_doubt(text: str, tmp_path: Path) -> None:
    door = FakeDoor()
    with pytest.raises(Doubt) as caught:
        do(door, tmp_path, text)
    assert caught.value.reason == "unclassified" and door.asked == []
    if "Monday" not in text:
        assert "this machine registers build, lint, tests, typecheck, website-links" in caught.value.why


def test_where_nothing_is_registered_a_request_says_so(tmp_path: Path) -> None:
    with pytest.raises(Doubt) as caught:
        do(NoChecks(), tmp_path, "Run the unit tests")
    assert "this machine registers no check ([checks] in config.toml)" in caught.value.why


# -- what a header may choose ----------------------------------------------------------------------------------------


def test_a_header_names_checks_and_the_values_of_their_arguments(tmp_path: Path) -> None:
    door = FakeDoor()
    do(door, tmp_path, "whatever stands here is not read", check="lint, tests", suite="smoke")
    assert door.asked == [("lint", {}), ("tests", {"suite": "smoke"})]


@pytest.mark.parametrize(
    "value", ["unit; rm -rf /", "--help", "$(id)", "unit integration", "UNIT", "../unit", "unit\x00", "{browser}"]
)
def test_s27_a_value_that_is_not_listed_is_refused_and_nothing_is_run(tmp_path: Path, value: str) -> None:
    door = FakeDoor()
    with pytest.raises(Refused, match="may not be") as caught:
        do(door, tmp_path, check="lint, tests", suite=value)
    assert caught.value.why.endswith("unit, integration, smoke") and door.asked == []


def test_s27_a_list_is_no_value(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="may not be"):
        do(FakeDoor(), tmp_path, check="tests", suite=["unit", "--help"])


def test_what_is_not_registered_is_refused_with_what_is(tmp_path: Path) -> None:
    door = FakeDoor()
    with pytest.raises(Refused, match="no check is registered as 'deploy'") as caught:
        do(door, tmp_path, check="lint, deploy")
    assert "build, lint, tests" in caught.value.why and door.asked == []
    with pytest.raises(Refused, match="has no argument 'siute'") as caught:
        do(door, tmp_path, check="tests", siute="unit")
    assert caught.value.why == "it knows browser, suite"
    with pytest.raises(Refused, match="too many"):
        do(door, tmp_path, check=["lint"] * 21)


def test_arguments_without_a_check_are_a_doubt(tmp_path: Path) -> None:
    with pytest.raises(Doubt, match="no `check`"):
        do(FakeDoor(), tmp_path, "Run the tests", suite="unit")


def test_a_header_that_gives_no_list_of_names_is_a_bad_one(tmp_path: Path) -> None:
    with pytest.raises(BadHeader):
        do(FakeDoor(), tmp_path, check=[["lint"]])


# -- what the report says --------------------------------------------------------------------------------------------


def test_a_check_that_passes_is_told_with_its_time_its_counts_and_its_sandbox(tmp_path: Path) -> None:
    door = FakeDoor(ends={"tests": ended(output="....\n4 passed in 0.12s\n")})
    result = do(door, tmp_path, check="tests", suite="unit")
    assert result.status is Status.DONE and result.actions == ()
    assert result.findings == (
        "tests (suite = unit): pass in 1.2 s, 4 passed", "Sandbox: bubblewrap, without network",
    )  # fmt: skip
    assert "4 passed in 0.12s" in result.raw


def test_a_check_that_fails_is_a_finding_of_an_errand_that_is_done(tmp_path: Path) -> None:
    door = FakeDoor(ends={"lint": ended("exit code 1", "a.py:1: unused\n\nFound 1 error.\n\n")})
    result = do(door, tmp_path, check="lint, typecheck")
    assert result.status is Status.DONE
    assert result.findings[:3] == (
        "1 of 2 checks passed",
        "lint: FAIL in 1.2 s: exit code 1. Its last line: Found 1 error.",
        "typecheck: pass in 1.2 s",
    )
    (action,) = result.actions
    assert "'lint', which failed" in action and "gofer show t --log" in action
    assert result.raw.splitlines()[:3] == [
        "check      result  seconds  counts", "lint       FAIL    1.2", "typecheck  pass    1.2",
    ]  # fmt: skip


def test_a_check_that_cannot_be_run_fails_the_errand_after_the_others_ran(tmp_path: Path) -> None:
    door = FakeDoor(ends={"lint": Refused("the program '/x' is not the one that was registered", fix="sha256sum /x")})
    result = do(door, tmp_path, check="lint, typecheck")
    assert result.status is Status.FAILED and len(door.asked) == 2
    assert "lint: did not run: the program '/x' is not the one that was registered" in result.findings[1]
    assert "sha256sum /x" in result.findings[1]
    assert result.actions == ("put right the check 'lint'",)


def test_a_run_that_was_cancelled_ends_between_two_checks(tmp_path: Path) -> None:
    door = FakeDoor(ends={"lint": TimeUp("the run was cancelled")})
    with pytest.raises(TimeUp):
        do(door, tmp_path, check="lint, typecheck")
    assert [name for name, _ in door.asked] == ["lint"]


def test_only_the_end_of_a_long_output_is_in_the_report(tmp_path: Path) -> None:
    door = FakeDoor(ends={"lint": ended("exit code 1", "".join(f"line {n}\n" for n in range(10_000)))})
    raw = do(door, tmp_path, check="lint").raw
    assert "line 9999" in raw and "line 9900" not in raw and "the end of 10,000 lines" in raw


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("== 1 failed, 12 passed, 2 skipped in 0.12s ==", "1 failed, 12 passed, 2 skipped"),
        ("...\n3 passed, 1 warning in 2.01s (0:00:02)\n", "3 passed, 1 warning"),
        ("-----\nRan 12 tests in 0.003s\n\nFAILED (failures=1, errors=2)\n", "12 tests run, failures=1, errors=2"),
        ("Ran 1 test in 0.003s\n\nOK\n", "1 test run"),
        ("1..3\nok 1 - a\nnot ok 2 - b\nok 3\n", "2 passed, 1 failed"),
        ("everything is ok, 12 passed the exam in 3 hours\n", ""),
        ("", ""),
    ],
)
def test_counts_are_taken_from_forms_that_are_known(output: str, said: str) -> None:
    assert counts(output) == said
