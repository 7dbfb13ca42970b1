"""What the doctor says of registered commands: whether each is still what was registered, and what shuts it in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from agent import process
from agent.checks import Checks
from agent.config import Settings
from agent.config.tables import Command
from agent.doctoring import Check
from agent.errors import GoferError
from agent.executors import sha256_of
from agent.sandbox import Sandbox
from agent.vault.task_keys import RESERVED


def commands(root: Path, settings: Settings, state: Path, env: Mapping[str, str]) -> Iterator[Check]:
    """The sandbox, and every check in turn. Nothing that is registered is started."""
    sandbox, checks = Sandbox(settings.sandbox.level, env), Checks.of(settings, env, state, root)
    yield _sandbox(sandbox, settings)
    for name, check in sorted(settings.checks.items()):
        taken = sorted(RESERVED & check.args.keys())
        try:
            checks.look(name)
        except GoferError as error:
            told = f"{name}: {error.what}" + (f", because {error.why}" if error.why else "")
            yield Check("checks", False, told, _stale(f"checks.{name}", check, env) or error.fix)
        else:
            if taken:
                fix = f"give the argument another name under [checks.{name}.args]"
                yield Check(
                    "checks", False, f"{name}: '{taken[0]}' is a word of every task, so no task can set it", fix
                )
                continue
            choices = ", ".join(f"{arg}: {' or '.join(values)}" for arg, values in check.args.items())
            yield Check("checks", True, f"{name}: what was registered" + (f"; {choices}" if choices else ""))


def _sandbox(sandbox: Sandbox, settings: Settings) -> Check:
    """What is in force. To do without is in order when it is said, or when there is nothing to shut in."""
    wanting = [name for name, check in settings.checks.items() if check.sandbox or sandbox.level != "full"]
    wanting += [name for name, executor in settings.executors.items() if executor.sandbox]
    found = sandbox.found
    open_ones = sorted(name for name, executor in settings.executors.items() if not executor.sandbox)
    outside = f"; without one, as ever: {', '.join(open_ones)} of [executors]" if open_ones else ""
    if found.path is None and wanting:
        return Check("sandbox", False, f"{sandbox.words()}{outside}", found.fix)
    return Check("sandbox", True, f"{sandbox.words()}{outside}")


def _stale(table: str, command: Command, env: Mapping[str, str]) -> str:
    """The ready line for a table whose files are there and others than the registered; "" when that is not it."""
    try:
        path = process.program(command.argv[0], env)
        now = sha256_of(path)
        files = {name: sha256_of(Path(name).expanduser()) for name in command.files}
    except (GoferError, OSError):
        return ""
    if now != command.sha256:
        return f'if you trust {path} as it is now, write under [{table}]: sha256 = "{now}"'
    other = next((name for name, sha256 in command.files.items() if sha256 != files[name]), "")
    return f'if you trust it as it is now, write under [{table}.files]: "{other}" = "{files[other]}"' if other else ""
