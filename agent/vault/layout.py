"""Where everything lies in a vault: every path and every file name, and nothing that touches a disk.

Paths are vault-relative and POSIX; times in names are UTC. Base names need not be unique in the vault, so links
that could be ambiguous use the whole path.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Container
from datetime import UTC, date, datetime
from itertools import count

from agent.errors import Refused
from agent.text import slug
from agent.vault.values import Role

INBOX = "inbox"
SCHEDULES = "inbox/schedules"
OUTBOX = "outbox"
HANDOFFS = "outbox/handoffs"
APPROVALS = "outbox/approvals"
MEMORY = "memory"
REPORTS = "memory/qwen-worker"
TASKS = "memory/tasks"
LEDGER = "memory/ledger"
DECISIONS = "memory/decisions"
CHANGES = "memory/changes"
DAILY = "memory/daily"
PROMPTS = "prompts"
SETTINGS = "gofer.toml"
STOP_NAMES = ("STOP", "STOP.md")

FOLDER_LIMIT = 3000  # entries: what GitHub advises at most for one folder

# Gofer alone writes here; a change in one of these is no reason to look for tasks.
OWN_FOLDERS = (OUTBOX, REPORTS, TASKS, LEDGER, DECISIONS, CHANGES)

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,95}")  # a stated id has at most 80; an instance adds "-2", a schedule a time
_DERIVED = re.compile(r"(.+)-([0-9a-f]{8})(?:-[0-9]{1,6})?")
_DUE = re.compile(r"(.+)-[0-9]{8}t[0-9]{4}z")
_WORKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def report_path(task_id: str) -> str:
    """The report in the outbox; a second run of the same task replaces it."""
    return f"{OUTBOX}/{_checked(task_id)}.md"


def invalid_report_path(name: str, digest: str) -> str:
    """The report on a file that cannot be a task: its base name and the hex sha256 of its text, of which 8 are used."""
    return f"{OUTBOX}/{slug(name)}-{digest[:8]}.md"


def handoff_path(task_id: str) -> str:
    """The hand-off of an escalated task."""
    return f"{HANDOFFS}/{_checked(task_id)}.handoff.md"


def answer_path(task_id: str) -> str:
    """Where the lead's answer to a hand-off goes."""
    return f"{INBOX}/answer-{_checked(task_id)}.md"


def claim_path(task_id: str) -> str:
    """Where the lead says that a hand-off is being worked on."""
    return f"{INBOX}/claim-{_checked(task_id)}.md"


def approval_path(task_id: str) -> str:
    """What waits for a tick of a person's."""
    return f"{APPROVALS}/{_checked(task_id)}.md"


def decision_path(task_id: str, decided: datetime) -> str:
    """What the lead decided on a report or a hand-off, one file per decision."""
    return f"{DECISIONS}/{decided.astimezone(UTC):%Y-%m-%d}-{_checked(task_id)}.md"


def empty(_folder: str) -> int:
    """The count of entries where nobody needs to count: folders below any limit."""
    return 0


def finished_task_path(task_id: str, finished: datetime, entries: Callable[[str], int] = empty) -> str:
    """The finished task file. `entries` counts what a folder holds, for the overflow of `month_folder`."""
    return f"{month_folder(TASKS, finished, entries)}/{_checked(task_id)}.md"


def changes_path(task_id: str, finished: datetime, entries: Callable[[str], int] = empty) -> str:
    """The change journal of a finished task: what it did to files, one action on each line."""
    return f"{month_folder(CHANGES, finished, entries)}/{_checked(task_id)}.jsonl"


def memory_report_path(
    role: Role,
    task_id: str,
    finished: datetime,
    entries: Callable[[str], int] = empty,
    taken: Container[str] = (),
) -> str:
    """The report for good: `…/YYYY-MM/YYYY-MM-DD-<slug>-<HHMMSS>-<4 hex>.md`.

    A derived id gives its slug and the first 4 of its 8 hex digits; any other id is made a slug and gives the first
    4 of its sha256. When the name is `taken` the digits grow two at a time, so that no two tasks share a file.
    """
    when = finished.astimezone(UTC)
    folder = month_folder(f"{REPORTS}/{role.folder}", when, entries)
    stem = f"{folder}/{when.year:04}-{when.month:02}-{when.day:02}-{task_slug(task_id)}-{_clock(when)}"
    derived = _DERIVED.fullmatch(_checked(task_id))
    whole = hashlib.sha256(task_id.encode()).hexdigest()
    digits = derived[2] + whole if derived and task_id.endswith(derived[2]) else whole
    names = (f"{stem}-{digits[:length]}.md" for length in range(4, len(digits), 2))
    return next(name for name in names if name not in taken)


def task_slug(task_id: str) -> str:
    """The readable part of an id: without the digits of a derived one, an instance's number, a schedule's due time."""
    if due := _DUE.fullmatch(task_id):
        return slug(due[1])
    derived = _DERIVED.fullmatch(task_id)
    return slug(derived[1] if derived else task_id)


def month_folder(base: str, when: datetime, entries: Callable[[str], int] = empty) -> str:
    """`<base>/YYYY-MM`, or `-b`, `-c` … `-z`, `-27` … when those before it hold FOLDER_LIMIT entries."""
    when = when.astimezone(UTC)
    month = f"{base}/{when.year:04}-{when.month:02}"
    if entries(month) < FOLDER_LIMIT:
        return month
    names = (f"{month}-{chr(96 + n) if n <= 26 else n}" for n in count(2))
    return next(name for name in names if entries(name) < FOLDER_LIMIT)


def ledger_path(worker: str, day: date, number: int) -> str:
    """A ledger segment of one worker and day; `number` counts from 1."""
    return f"{ledger_stem(worker, day)}{number:02}.jsonl"


def ledger_stem(worker: str, day: date) -> str:
    """What the segments of one worker and day begin with. Two workers never share one: no file has two writers."""
    return f"{LEDGER}/{_file_name(worker)}-{day:%Y-%m-%d}-"


def history_folder(source: str) -> str:
    """Where the readings of a data source are kept, by all workers."""
    return f"{REPORTS}/{Role.DATA.folder}/{source}"


def history_path(source: str, worker: str, month: date, number: int) -> str:
    """A segment of one worker's readings of a source in a month; `number` counts from 1. No file has two writers."""
    return f"{history_folder(source)}/{_file_name(worker)}-{month:%Y-%m}-{number:02}.csv"


def _file_name(worker: str) -> str:
    if _WORKER.fullmatch(worker):
        return worker
    return f"{slug(worker)}-{hashlib.sha256(worker.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _clock(when: datetime) -> str:
    return f"{when.hour:02}{when.minute:02}{when.second:02}"


def _checked(task_id: str) -> str:
    # An id becomes a file name; the reader of tasks has checked it, and this is where it would do harm.
    if not _ID.fullmatch(task_id):
        raise Refused(f"'{task_id[:100]}' is not an id", why="ids have a-z, 0-9, '.', '_' and '-', at most 96 in all")
    return task_id
