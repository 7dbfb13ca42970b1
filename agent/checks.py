"""Registered checks: a task that says `verify: NAME` is done only if the command of that name passes its result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent import process
from agent.config.tables import Command
from agent.errors import Doubt, GoferError, TimeUp
from agent.executors import pinned, surroundings
from agent.runner import Run
from agent.text import shorten
from agent.vault.values import HandoffReason, Result, Status

SECONDS = 300.0  # that a check may take
TAIL = 300  # characters of what a check says
ANSWER = "answer.md"  # in the run's folder: what is checked


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks that this machine lists. `env` is the worker's own environment."""

    listed: Mapping[str, Command]
    env: Mapping[str, str]

    def judge(self, run: Run, result: Result) -> Result:
        """The result with `verified: check:<name>` when its task asks for a check and that passes.

        Raises Doubt (`bad-answer`) when the check fails; a lead's answer to an earlier task is for a person to look at
        then, and so is a result whose check cannot be run. Raises TimeUp when the run was cancelled.
        """
        name = (result.closes.task if result.closes else run.task).verify
        if not name or result.status is not Status.DONE:
            return result
        if name not in self.listed:
            fix = f"add [checks.{name}] with argv and sha256 to this machine's config.toml"
            return _unsure(result, f"the check '{name}' is not registered here. To fix it: {fix}")
        try:
            said = self._failure(name, run, result)
        except GoferError as error:
            run.check()
            return _unsure(result, f"the check '{name}' could not be run: {error}")
        run.folder.note(f"check {name}: {said or 'passed'}")
        if not said:
            return replace(result, verified=f"check:{name}")
        if result.closes:
            return _unsure(result, f"the check '{name}' did not pass: {said}")
        answer = shorten(result.findings[0] if result.findings else text_of(result), 200)
        raise Doubt(
            f"the check '{name}' did not pass",
            reason=HandoffReason.BAD_ANSWER,
            tried=f"the answer was: {answer}",
            why=said,
        )

    def _failure(self, name: str, run: Run, result: Result) -> str:
        """Run the check; "" when it passed, else the end of what it said."""
        command, folder = self.listed[name], run.folder.path
        run.folder.keep(ANSWER, text_of(result))
        files = {"GOFER_TASK": str(folder / "task.md"), "GOFER_RESULT": str(folder / ANSWER)}
        seconds = min(SECONDS, max(0.0, run.deadline - time.monotonic()))
        try:
            done = process.run(
                pinned(command, self.env, f"[checks.{name}]"), cwd=folder,
                stdin=text_of(result).encode("utf-8", "replace"), env=surroundings(self.env, (), folder) | files,
                timeout=seconds, stop=run.cancelled.is_set,
            )  # fmt: skip
        except TimeUp as error:
            run.check()
            return str(error)
        if not done.code and not done.cut:
            return ""
        words = " ".join((done.stdout[-4096:] + b"\n" + done.stderr[-4096:]).decode("utf-8", "replace").split())
        how = "it printed too much" if done.cut else f"exit code {done.code}"
        return f"{how}: {words[-TAIL:]}" if words else how


def text_of(result: Result) -> str:
    """What there is to check: the text of the result, else the findings."""
    said = [section.text for section in result.sections if section.title == "Result"]
    return "\n\n".join(said) or "\n".join(result.findings)


def _unsure(result: Result, why: str) -> Result:
    return replace(result, status=Status.NEEDS_REVIEW, findings=(*result.findings, why))
