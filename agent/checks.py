"""Registered checks: programs of this machine that pass or fail, pinned by their hash, chosen by name.

A task that says `verify: NAME` is done only if the check of that name passes its result; a `test` task runs checks for
their own sake. Nothing of a task reaches the command line but values that the settings list, nor the environment.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent import process
from agent.config import Settings
from agent.config.environment import local_config_path
from agent.config.tables import Check
from agent.errors import Doubt, GoferError, Refused, TimeUp
from agent.executors import new_folder, pinned, sha256_of, surroundings
from agent.handlers.checking import Checked, NoChecks, Registered
from agent.limits import Limits
from agent.runner import Run
from agent.sandbox import Box, Ready, Sandbox, failed_to_start
from agent.text import shorten
from agent.vault.values import HandoffReason, Result, Status

TAIL = 300  # characters of what a check says
ANSWER = "answer.md"  # in the run's folder: what is checked
OUTPUT = 1 << 20  # characters of a check's output that are kept: the last ones
LIMITS = Limits(output=16 << 20)
_SECRET = (".ssh", ".gnupg", ".aws", ".netrc")  # in the home folder: never in sight, unless listed themselves
_INTERPRETER = re.compile(r"(?:python|pypy|perl|ruby|node|lua|php|bash|sh|dash|zsh|ksh|fish|deno|bun|Rscript)[\d.]*")
_CODE = ("-c", "-m", "-e", "--eval")  # an interpreter that gets one of these runs no script


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks that this machine lists. `env` is the worker's own environment; `repos` are the listed repositories
    by name; `hidden` is what no check ever sees, unless its table lists it."""

    listed: Mapping[str, Check]
    env: Mapping[str, str]
    sandbox: Sandbox
    repos: Mapping[str, Path]
    hidden: tuple[Path, ...] = ()

    @classmethod
    def of(cls, settings: Settings, env: Mapping[str, str], state: Path, vault: Path) -> Checks:
        """The checks of this machine's settings."""
        repos = {name: Path(repo.path).expanduser() for name, repo in settings.repos.items()}
        secret = (*(Path.home() / name for name in _SECRET), local_config_path(env), state.parent, vault)
        return cls(settings.checks, env, Sandbox(settings.sandbox.level, env), repos, secret)

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
        text = text_of(result)
        run.folder.keep(ANSWER, text)
        files = {"GOFER_TASK": run.folder.path / "task.md", "GOFER_RESULT": run.folder.path / ANSWER}
        folder = new_folder(run.folder.path, f"check-{name}")
        done = self.start(name, {}, run, folder, stdin=text.encode("utf-8", "replace"), files=files)
        words = " ".join(done.output[-8192:].split())[-TAIL:]
        return f"{done.why}: {words}" if done.why and words else done.why

    def start(
        self, name: str, chosen: Mapping[str, str], run: Run, folder: Path, *, stdin: bytes, files: Mapping[str, Path]
    ) -> Checked:
        """Run a listed check in a folder of its own. `files` are shown to it, and named by variables.

        Raises Refused when it could not be started, TimeUp when the run was cancelled or is over."""
        check, where = self.listed[name], f"[checks.{name}]"
        argv = self.command(name, chosen, folder)
        ready = self.sandbox.ready(
            argv, surroundings(self.env, check.env, folder) | {key: str(path) for key, path in files.items()},
            self._box(check, where, folder, files.values()), where=where,
            wanted=self.sandbox.level != "full", must=check.sandbox or self.sandbox.level == "restricted",
        )  # fmt: skip
        seconds = min(check.timeout_seconds, max(0.0, run.deadline - time.monotonic()))
        try:
            done = process.run(
                ready.argv, cwd=folder if ready.inside else self._cwd(check, where) or folder, stdin=stdin,
                env=ready.env, timeout=seconds, stop=run.cancelled.is_set, limits=LIMITS, called=name,
            )  # fmt: skip
        except TimeUp as error:
            run.check()
            return Checked(str(error), seconds, _said(error.stdout, error.stderr), ready.words)
        finally:
            shutil.rmtree(folder / "tmp", ignore_errors=True)
        if ready.inside and (why := failed_to_start(done.code, done.stderr)):
            fix = f"if it needs a file or a folder that the sandbox hides, list that as readable under {where}"
            raise Refused(f"'{argv[0]}' could not be started in the sandbox", where=where, why=why, fix=fix)
        return Checked(_how(done, ready), done.seconds, _said(done.stdout, done.stderr), ready.words)

    def command(self, name: str, chosen: Mapping[str, str], folder: Path) -> tuple[str, ...]:
        """The argument list of a listed check, when all that it names is what was registered. Raises Refused."""
        check, where = self.listed[name], f"[checks.{name}]"
        program, *words = pinned(check, self.env, where)
        values = {arg: chosen.get(arg, known[0]) for arg, known in check.args.items()}
        for arg, known in check.args.items():
            if values[arg] not in known:  # whoever asks: only the settings decide what stands in a command
                raise Refused(f"'{arg}' may not be that", where=where, why=f"it may be {', '.join(known)}")
        argv = (program, *(_filled(word, values) for word in words))
        if script := _unpinned(check, argv, self._cwd(check, where) or folder):
            raise Refused(
                f"the script '{script}' is not pinned",
                where=f"{where} in config.toml",
                why=f"the sha256 there is only that of {Path(program).name}, which runs whatever stands in the script",
                fix=f'if you trust it, add: files = {{ "{script}" = "{sha256_of(script)}" }}',
            )
        return argv

    def look(self, name: str) -> None:
        """Nothing when the listed check could be started as it is. Raises Refused."""
        self.command(name, {}, Path("/nonexistent"))
        self._box(self.listed[name], f"[checks.{name}]", Path("/nonexistent"), ())

    def _cwd(self, check: Check, where: str) -> Path | None:
        """The folder that the check's table names, None when it names none. Raises Refused when it is not there."""
        if not check.cwd:
            return None
        listed = check.cwd.startswith(("/", "~"))
        if not listed and check.cwd not in self.repos:
            fix = f'write an absolute path, or add [repos.{check.cwd}] with path = "/…"'
            raise Refused(f"no repository is called '{check.cwd}' here", where=f"cwd of {where}", fix=fix)
        return _folder(check.cwd if listed else str(self.repos[check.cwd]), f"cwd of {where}")

    def _box(self, check: Check, where: str, folder: Path, shown: Iterable[Path]) -> Box:
        cwd = self._cwd(check, where) or folder
        readable = [_folder(name, f"readable of {where}", file=True) for name in check.readable]
        writable = [cwd if name == "." else _folder(name, f"writable of {where}", file=True) for name in check.writable]
        readable += [*(Path(name).expanduser() for name in check.files), *shown]
        return Box(folder, cwd, tuple(readable), tuple(writable), self.hidden, check.network)

    def of_run(self, run: Run) -> Door:
        """The `checks` of a run's context."""
        return Door(self, run)


@dataclass(frozen=True, slots=True)
class Door:
    """The listed checks, for one run; see `agent.handlers.checking.CheckDoor`."""

    checks: Checks
    its: Run

    @property
    def listed(self) -> Sequence[Registered]:
        return [
            Registered(name, check.aliases, check.args, tuple(_places(check.cwd, self.checks.repos)))
            for name, check in sorted(self.checks.listed.items())
        ]

    def run(self, name: str, chosen: Mapping[str, str]) -> Checked:
        if name not in self.checks.listed:
            return NoChecks().run(name, chosen)
        folder = new_folder(self.its.folder.path, f"check-{name}")
        done = self.checks.start(name, chosen, self.its, folder, stdin=b"", files={})
        kept = self.its.folder.keep_output(f"{folder.name}.txt", done.output)
        said = f"{done.why or 'passed'} in {done.seconds:.1f} s, sandbox: {done.fence}"
        self.its.folder.note(f"check {name}: {said}; its output: {kept}")
        return done


def text_of(result: Result) -> str:
    """What there is to check: the text of the result, else the findings."""
    said = [section.text for section in result.sections if section.title == "Result"]
    return "\n\n".join(said) or "\n".join(result.findings)


def _unsure(result: Result, why: str) -> Result:
    return replace(result, status=Status.NEEDS_REVIEW, findings=(*result.findings, why))


def _filled(word: str, values: Mapping[str, str]) -> str:
    """One argument with the chosen values in their places. A value is never looked into: it cannot name another."""
    if not values:
        return word
    return re.sub("|".join(re.escape(f"{{{name}}}") for name in values), lambda found: values[found[0][1:-1]], word)


def _unpinned(check: Check, argv: Sequence[str], cwd: Path) -> Path | None:
    """The script that an interpreter would run without anybody having pinned it."""
    if not _INTERPRETER.fullmatch(Path(argv[0]).name):
        return None
    known = {Path(name).expanduser().resolve() for name in check.files}
    for word in argv[1:]:
        if word in _CODE:
            return None
        path = cwd / Path(word)
        if not word.startswith("-") and path.is_file():
            return None if path.resolve() in known else path
    return None


def _folder(name: str, where: str, *, file: bool = False) -> Path:
    path = Path(name).expanduser()
    if not path.is_dir() and not (file and path.exists()):
        raise Refused(f"the folder '{path}' is not there", where=where, fix="correct the path in config.toml")
    return path


def _places(cwd: str, repos: Mapping[str, Path]) -> Sequence[str]:
    """The names under which people speak of a check's folder."""
    path = repos.get(cwd, Path(cwd))
    return sorted({cwd, path.name} - {""}) if cwd else ()


def _how(done: process.Finished, ready: Ready) -> str:
    """Why a command that has ended did not pass; "" when it did."""
    if done.cut:
        return f"it printed more than {LIMITS.output >> 20} MiB and was killed"
    if done.code < 0:
        return f"it was killed by signal {-done.code}"
    if done.code in (126, 127) and ready.inside:
        return f"exit code {done.code}: something that it runs is missing, or the sandbox hides it (see `readable`)"
    return f"exit code {done.code}" if done.code else ""


def _said(out: bytes, err: bytes) -> str:
    """The end of what a command printed, its errors last."""
    parts = (part.decode("utf-8", "replace").strip("\n") for part in (out, err))
    return "\n".join(part for part in parts if part)[-OUTPUT:]
