"""The alert hook: where critical alarms of the heartbeat go on this machine. The machine's own settings name it: a
registered command that gets the text on its standard input, a recipient that messages may be sent to, or both."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from agent.config import Settings
from agent.correspondents import recipients
from agent.errors import GoferError, Refused
from agent.executors import Executors, new_folder
from agent.runner import Run
from agent.text import shorten
from agent.web import Door

SECONDS = 10.0  # that a beat waits for each of the two at most
TAIL = 200  # characters of what a hook says that failed
SENT = "alert.txt"  # in the run's folder: what was given to it


@dataclass(frozen=True, slots=True)
class AlertHook:
    """This machine's hook. `env` is the worker's own environment."""

    settings: Settings
    door: Door
    env: Mapping[str, str]

    def of(self, run: Run) -> Callable[[str], str] | None:
        """What a handler calls with a text: it says why the hook failed, "" when it did not. None without a hook."""
        wanted = self.settings.alerts
        ways = [(wanted.command, self._command), (wanted.forward, self._forward)]
        named = [partial(way, run, name) for name, way in ways if name]
        return partial(_through, named, run) if named else None

    def _command(self, run: Run, name: str, text: str) -> str:
        commands, place = Executors(self.settings.executors, self.env), new_folder(run.folder.path, "alert")
        done = commands.call(name, text, place, run.cancelled.is_set, SECONDS)
        if not done.code and not done.cut:
            return ""
        said = (done.stderr or done.stdout)[-4096:].decode("utf-8", "replace")
        how = "it printed too much" if done.cut else f"exit code {done.code}"
        return f"{how}: {' '.join(said.split())[-TAIL:]}".rstrip(": ")

    def _forward(self, run: Run, name: str, text: str) -> str:
        web = self.door.opened(run.check, min(run.deadline, time.monotonic() + SECONDS))
        recipient = recipients(self.settings, web).get(name)
        if recipient is None:
            raise Refused(f"no recipient is called '{name}' here", fix=f"add [recipients.{name}] to config.toml")
        calls = text.partition("\n")[2]  # its first line holds the time; the same calls are the same sending
        reply = recipient.send(text, hashlib.sha256(calls.encode("utf-8", "replace")).hexdigest()[:32])
        return f"HTTP {reply.status}" if reply.status >= 300 else ""


def _through(ways: list[partial[str]], run: Run, text: str) -> str:
    """Send a text all ways, whatever becomes of the others; why some failed, "" when none did."""
    text = run.folder.redact(text)
    run.folder.keep(SENT, text)
    failed = []
    for way in ways:
        try:
            why = way(text)
        except (GoferError, OSError) as error:
            why = str(error)
        if why:
            failed.append(f"{way.args[1]}: {why}")
    return shorten("; ".join(failed), 2 * TAIL)
