"""Every error Gofer raises on purpose, in one tree with three meanings.

    GoferError
    ├── PersonMustAct      exit 2: a person has to change something; waiting will not help
    │   ├── Usage          exit 2: a verb was called wrongly
    │   ├── BadConfig      exit 2: a settings file, with its path and line
    │   └── BadHeader      exit 1: a task's front matter, with its line and the corrected text
    ├── TryLater           exit 3: the world is not ready: model away, lock held, disk full
    │   ├── ModelAway      the model server does not answer, or is busy
    │   │   └── Unasked    and surely nothing was answered, so nothing is billed
    │   ├── Busy           the branch, the index or another worker holds what is needed
    │   ├── RemoteAway     the git remote does not answer
    │   ├── ServerAway     a web server does not answer, or asks to come back later
    │   │   └── AnswerLost and what was sent to it may have been taken
    │   └── Crashed        the task's process died in the middle of it; the attempt counts
    ├── CredentialsRefused exit 4: a remote or a server said no to who we are
    └── TaskOver           exit 1: this task cannot succeed; it ends with a report
        ├── Refused        a rule forbids it (path, size, address)
        ├── Doubt          it could not be understood or answered beyond doubt: one tier up
        └── TimeUp         its wall-clock limit passed, or somebody cancelled it

Each carries what happened, where, why and what to do, so that the command line, the log and the
report can all show the same four facts.
"""

from __future__ import annotations

from typing import Any


class GoferError(Exception):
    """What happened, where (file, line or address), why, and what to do about it.

    `usage` is what had been asked of models by then: a tuple of `agent.vault.values.Usage`.
    """

    exit_code = 1
    usage: tuple[Any, ...] = ()

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.why, self.fix = what, where, why, fix

    def __str__(self) -> str:
        parts = [self.what]
        if self.where:
            parts.append(f"in {self.where}")
        if self.why:
            parts.append(f"because {self.why}")
        sentence = ", ".join(parts)
        return f"{sentence}. To fix it: {self.fix}" if self.fix else sentence


class PersonMustAct(GoferError):
    """A person has to change something; trying again will not help."""

    exit_code = 2


class Usage(PersonMustAct):
    """A verb or a function was called in a way that makes no sense."""


class BadConfig(PersonMustAct):
    """A settings file cannot be used; the last good one stays in force where there was one."""


class BadHeader(PersonMustAct):
    """A task's front matter cannot be read. `line` counts from 1; `corrected` is the whole file, mended."""

    exit_code = 1

    def __init__(
        self, what: str, *, line: int = 1, where: str = "", why: str = "", fix: str = "", corrected: str | None = None
    ) -> None:
        super().__init__(what, where=where, why=why, fix=fix)
        self.line, self.corrected = line, corrected


class TryLater(GoferError):
    """The world is not ready; the task stays queued and nothing is lost."""

    exit_code = 3


class ModelAway(TryLater):
    """The model server does not answer, is busy, or lacks the model."""


class Unasked(ModelAway):
    """The question was not taken: nobody can have billed anything for it."""


class Busy(TryLater):
    """Somebody else holds what is needed: a lock, the index, the branch."""


class RemoteAway(TryLater):
    """The git remote does not answer. What was being pushed may or may not have arrived: read it back."""


class Crashed(TryLater):
    """The process that ran the task died. It runs again, but not for ever: this attempt counts."""


class ServerAway(TryLater):
    """A web server does not answer, or asks to come back later: after `retry_after` seconds, where it says so."""

    def __init__(
        self, what: str, *, where: str = "", why: str = "", fix: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(what, where=where, why=why, fix=fix)
        self.retry_after = retry_after


class AnswerLost(ServerAway):
    """What was sent may have been taken; nobody can say without asking the server."""


class CredentialsRefused(GoferError):
    """A remote or a server refused who we are."""

    exit_code = 4


class TaskOver(GoferError):
    """This task cannot succeed; it ends here, with a report."""


class Refused(TaskOver):
    """A rule forbids it: a path, a size, an address, a kind of file."""


class Doubt(TaskOver):
    """It could not be understood or answered beyond doubt, so it goes one tier up.

    `reason` is one of the hand-off reasons of `agent.vault.values`; `tried` says what was attempted.
    """

    def __init__(
        self, what: str, *, reason: str = "unclassified", tried: str = "", where: str = "", why: str = ""
    ) -> None:
        super().__init__(what, where=where, why=why)
        self.reason, self.tried = reason, tried


class TimeUp(TaskOver):
    """The wall-clock limit passed, a command took too much of the machine, or the run was cancelled.

    `stdout` and `stderr` are what a command had printed by then."""

    stdout: bytes = b""
    stderr: bytes = b""
