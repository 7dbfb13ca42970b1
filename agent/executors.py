"""Registered commands: programs of this machine, pinned by their sha256, that do a task as one text in, one text out.

What a command is comes from the machine's own settings alone. It starts fresh every time, in a new folder of its own,
with an almost empty environment, and sees nothing of the vault but the text on its standard input.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from agent import process
from agent.config.tables import Command, Executor
from agent.errors import BadConfig, Doubt, Refused
from agent.models.gate import estimate
from agent.sandbox import Box, Sandbox, failed_to_start
from agent.vault.values import Usage

PASSED = ("PATH", "HOME", "LANG", "LC_ALL")
TAIL = 300  # characters of a failed command's last words
RESULT_LIMIT = 1 << 18  # characters of an answer
_TAIL_READ = 4096  # bytes
_MOST = 1e9  # tokens or dollars of one run; more is no count


@dataclass(frozen=True, slots=True)
class Executed:
    """What a command answered, and what that cost."""

    text: str
    usage: Usage


def pinned(command: Command, env: Mapping[str, str], where: str) -> tuple[str, ...]:
    """The argument list with an absolute program whose bytes are the registered ones, and so are those of the other
    files that the command pins. `where` names its table in config.toml. Raises Refused when one of them is not there
    or another one."""
    path = process.program(command.argv[0], env)
    _same(path, command.sha256, "program", where, f"$(command -v {command.argv[0]})")
    for name, sha256 in sorted(command.files.items()):
        _same(Path(name).expanduser(), sha256, "file", where, f"'{name}'")
    return (str(path), *command.argv[1:])


def _same(path: Path, registered: str, what: str, where: str, shown: str) -> None:
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise Refused(f"the {what} '{path}' cannot be read", where=f"{where} in config.toml", why=str(error)) from None
    if digest != registered:
        raise Refused(
            f"the {what} '{path}' is not the one that was registered",
            where=f"{where} in config.toml",
            why=f"its sha256 is {digest[:12]}…, and {registered[:12]}… is registered",
            fix=f"if you trust this version, register it: sha256sum {shown}",
        )


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes, 64 hex digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def surroundings(env: Mapping[str, str], named: Sequence[str], folder: Path) -> dict[str, str]:
    """The environment of a command: where programs and its own settings lie, the named variables, and a folder for
    what it wants to keep for a moment, which is made."""
    temporary = folder / "tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    return {name: env[name] for name in (*PASSED, *named) if name in env} | {"TMPDIR": str(temporary)}


class Executors:
    """The commands that this machine lists. `env` is the worker's own environment."""

    def __init__(self, listed: Mapping[str, Executor], env: Mapping[str, str]) -> None:
        self.listed, self._env, self._sandbox = listed, env, Sandbox("auto", env)

    def of(self, name: str) -> Executor:
        """The command of that name. Raises Refused when there is none."""
        if name not in self.listed:
            raise Refused(
                f"no command is registered as '{name}' here",
                fix=f"add [executors.{name}] with argv and sha256 to this machine's config.toml",
            )
        return self.listed[name]

    def ready(self, name: str) -> None:
        """Nothing when the command is registered, there, and the one that was registered. Raises Refused."""
        pinned(self.of(name), self._env, f"[executors.{name}]")

    def run(self, name: str, text: str, folder: Path, stop: Callable[[], bool], timeout_left: float) -> Executed:
        """Give a text to a command and return its answer. `folder` is the run's: it works in a new one in there.

        Raises Refused when it is not registered, not there or changed, and nothing was started then; TimeUp after its
        own time limit or `timeout_left` seconds; Doubt, with what it cost as `usage`, when there is no usable answer;
        BadConfig for an expression that is none.
        """
        executor = self.of(name)
        read = _READ if executor.output != "text" else ()
        found = {key: _compiled(name, key, getattr(executor, key)) for key in read}
        done = self.call(name, text, new_folder(folder, "executor"), stop, timeout_left)
        return _read(name, executor, done, found, text)

    def call(
        self, name: str, text: str, place: Path, stop: Callable[[], bool], timeout_left: float
    ) -> process.Finished:
        """Run a command with a text on its standard input, in a new folder, shut in where it says so. Raises Refused
        when nothing was started, and TimeUp as `run` does."""
        executor, where = self.of(name), f"[executors.{name}]"
        argv = pinned(executor, self._env, where)
        ready = self._sandbox.ready(
            argv, surroundings(self._env, executor.env, place), Box(place, place), where=where,
            wanted=False, must=executor.sandbox,
        )  # fmt: skip
        done = process.run(
            ready.argv, cwd=place, stdin=text.encode("utf-8", "replace"), env=ready.env,
            timeout=max(0.0, min(executor.timeout_seconds, timeout_left)), stop=stop, called=Path(argv[0]).name,
        )  # fmt: skip
        if ready.inside and (why := failed_to_start(done.code, done.stderr)):
            raise Refused(f"'{argv[0]}' could not be started in the sandbox", where=where, why=why)
        return done


_READ = ("result", "cost_usd", "input_tokens", "output_tokens", "model")
Find = Callable[[Any], Any]


def _read(name: str, executor: Executor, done: process.Finished, found: Mapping[str, Find], asked: str) -> Executed:
    """The answer in what a command printed. Raises Doubt when it does not count as one."""
    said = done.stdout.decode("utf-8", "replace")
    objects, trouble = ([], "") if executor.output == "text" else _objects(said, executor.output)
    result = said.strip() if executor.output == "text" else _text(_last(objects, found["result"], _is_text))
    usage = _usage(name, executor, objects, found, asked, result)
    tail = _tail(done.stderr) or _tail(done.stdout)
    flaw = ""
    if done.cut:
        flaw = "it printed more than it may"
    elif done.code:
        how = f"was killed by signal {-done.code}" if done.code < 0 else f"ended with exit code {done.code}"
        flaw = f"it {how}: {tail}" if tail else f"it {how} and said nothing"
    elif any(one.get("is_error") is True for one in objects):
        flaw = f"it says that it failed: {_tail(result.encode()) or tail}"
    elif trouble:
        flaw = f"its output cannot be read: {trouble}"
    elif not result:
        flaw = f"it gave no answer: {tail}" if tail else "it gave no answer"
    elif len(result) > RESULT_LIMIT:
        flaw = f"its answer has {len(result):,} characters"
    if flaw:
        doubt = Doubt(
            f"the command '{name}' gave no usable answer", reason="failed", tried=f"command:{name}: {flaw}", why=flaw
        )
        doubt.usage = (usage,)
        raise doubt
    return Executed(result, usage)


def _objects(said: str, form: str) -> tuple[list[dict[str, Any]], str]:
    """The JSON objects in an output, and what is wrong with it. Lines of `jsonl` that begin no object are left out."""
    texts = [said] if form == "json" else [line for line in said.splitlines() if line.lstrip().startswith("{")]
    objects: list[dict[str, Any]] = []
    try:
        for text in texts:
            value = json.loads(text)
            if not isinstance(value, dict):
                return objects, "it is no JSON object"
            objects.append(value)
    except (ValueError, RecursionError) as error:
        return objects, str(error)[:TAIL] or "it is nested too deeply"
    return objects, "" if objects else "there is no JSON object in it"


def _usage(
    name: str, executor: Executor, objects: list[dict[str, Any]], found: Mapping[str, Find], asked: str, result: str
) -> Usage:
    """What it says that it cost. What is not printed is estimated where it can be, and unknown where it cannot."""
    stated = {key: _last(objects, find, _CHECKS[key]) for key, find in found.items() if key != "result"}
    cost, tokens_in, tokens_out = (stated.get(key) for key in ("cost_usd", "input_tokens", "output_tokens"))
    free = 0.0 if executor.max_usd == 0 else None
    return Usage(
        model=stated.get("model") or name,
        provider=f"command:{name}",
        input_tokens=estimate(asked) if tokens_in is None else int(tokens_in),
        output_tokens=estimate(result) if tokens_out is None else int(tokens_out),
        thinking="off",
        cost_usd=free if cost is None else float(cost),
        estimated=tokens_in is None or tokens_out is None,
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST


def _is_name(value: Any) -> bool:
    return _is_text(value) and len(value) <= 200


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "cost_usd": _is_amount, "input_tokens": _is_amount, "output_tokens": _is_amount, "model": _is_name,
}  # fmt: skip


def _last(objects: list[dict[str, Any]], find: Find, fits: Callable[[Any], bool]) -> Any:
    """What an expression finds in the last object in which it finds something that fits; None when in none."""
    return next((value for value in _values(reversed(objects), find) if fits(value)), None)


def _values(objects: Iterator[dict[str, Any]], find: Find) -> Iterator[Any]:
    for one in objects:
        try:
            yield find(one)
        except (ValueError, TypeError):  # jmespath's errors: the expression does not go with this object
            continue


def _compiled(name: str, key: str, expression: str) -> Find:
    """A JMESPath expression as a function. An empty one finds nothing."""
    import jmespath  # noqa: PLC0415

    if not expression.strip():
        return lambda _: None
    try:
        find: Find = jmespath.compile(expression).search
    except ValueError as error:
        raise BadConfig(
            f"'{expression}' is no JMESPath expression",
            where=f"executors.{name}.{key} in config.toml",
            why=" ".join(str(error).split())[:TAIL],
            fix="correct it; https://jmespath.org shows the language",
        ) from None
    return find


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _tail(data: bytes) -> str:
    """The end of what a command said, on one line."""
    line = " ".join(data[-_TAIL_READ:].decode("utf-8", "replace").split())
    return line if len(line) <= TAIL else "…" + line[-TAIL + 1 :]


def new_folder(folder: Path, stem: str) -> Path:
    """A folder that no command before had, also not in an earlier attempt of the same day: what that one left there, a
    link perhaps, must lead nobody anywhere."""
    for number in count(1):
        place = folder / (stem if number == 1 else f"{stem}-{number}")
        try:
            place.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            continue
        return place
    raise AssertionError("numbers do not end")
