"""Reading a task file: whatever its bytes are, the answer is a Task, with a `problem` when it cannot be run.

What is no key of the table in `task_keys` is a parameter of the task's type.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from agent import frontmatter
from agent.errors import BadHeader
from agent.frontmatter import Note, Value
from agent.text import derived_id, normal_form, revision, shorten, slug
from agent.vault.conversions import truth
from agent.vault.layout import INBOX, SCHEDULES
from agent.vault.names import is_schedule
from agent.vault.prose import outside_fences, title_of
from agent.vault.readable import conflicted, unreadable
from agent.vault.schedule import Unfit, schedule_of
from agent.vault.task_keys import TABLE, Key, absent, fold, nearest
from agent.vault.values import Priority, Problem, Status, Task

TITLE_LENGTH = 200
_TAG = re.compile(r"[ \t]?\[(model|thinking):[ \t]?([^\[\]\s]{1,120})[ \t]?\](?!\()", re.I)


def read_task(
    raw: bytes,
    path: str,
    *,
    today: date | None = None,
    scheduled: bool = False,
    types: Collection[str] | None = None,
) -> Task:
    """The task that a file states. Never raises: what is wrong with it is in `problem`.

    `path` is vault-relative, POSIX; below `inbox/schedules/` it is `scheduled`. `today` gives `09:30`, `today` and
    `tomorrow` a day; without it they are no dates. `types` are the known task types, so that `task: groceries` is not
    taken for one; without them any word is. Times without a zone are UTC; a `due` date means the end of that day.
    """
    stem, scheduled = PurePosixPath(path).stem, scheduled or is_schedule(path)
    if problem := unreadable(raw):
        digest = hashlib.sha256(raw).hexdigest()
        shown = raw[: 1 << 16].decode("utf-8", "backslashreplace")
        bad = Task(f"{slug(stem)}-{digest[:8]}", path, stem, "", shown, digest[:12])
        return replace(bad, scheduled=scheduled, problem=problem)
    text = normal_form(raw)
    task = Task(derived_id(stem, text), path, stem, text.strip(), text, revision(text), scheduled=scheduled)
    if problem := conflicted(text):
        return replace(task, problem=problem)
    try:
        note = frontmatter.read(text)
    except BadHeader as error:
        return replace(task, problem=_problem(error))
    return _Reading(task, note, today, types).task()


def _problem(error: BadHeader) -> Problem:
    return Problem(error.what, error.line, error.why, error.fix, error.corrected)


class _Reading:
    """One file being read: its values are taken key by key, what is wrong is collected, the rest are parameters."""

    def __init__(self, task: Task, note: Note, today: date | None, types: Collection[str] | None) -> None:
        self.bare, self.note, self.today, self.types = task, note, today, types
        self.left: dict[str, Value] = dict(note.values)
        self.folded = {fold(key): key for key in reversed(list(note.values))}
        self.problems: list[Problem] = []
        self.corrected = task.raw
        self.marked = False

    def task(self) -> Task:
        found: dict[str, Any] = {}
        if self.left:
            present = [key for key in TABLE if not key.spellings.isdisjoint(self.folded)]
            found = {key.name: value for key in present if (value := self._take(key)) is not None}
            self._take_ready(found)
        text = self._take_tags(found)
        title = found.pop("title", "")
        if not text and title:
            text = title
        draft = found.get("status") == "draft"
        if not text and "type" not in found and not draft:
            self.problems.append(
                Problem("the file asks for nothing", None, "it has no text and no type", "write what you want below")
            )
        explicit = found.pop("id", "")
        status = Status(found.pop("status", "open"))
        task = replace(
            self.bare,
            id=explicit or self.bare.id,
            explicit_id=bool(explicit),
            title=shorten(title or title_of(text) or self.bare.title, TITLE_LENGTH),
            text=text,
            status=status,
            thinking_said="thinking" in found,
            marked_open=status is Status.OPEN and self.marked,
            priority=Priority(found.pop("priority", "normal")),
            params=MappingProxyType(self.left),
            **found,
        )
        self._look_at_schedule(task)
        problem = min(self.problems, key=lambda problem: problem.line or math.inf, default=None)
        return replace(
            task, problem=replace(problem, corrected=self.corrected) if problem and problem.line else problem
        )

    def _look_at_schedule(self, task: Task) -> None:
        """What recurs says when, and lies where it stays; everything else says nothing of the kind."""
        if task.scheduled and task.status is not Status.DRAFT and not self.problems:
            try:
                schedule_of(task)
            except Unfit as unfit:
                fix = "correct the line, or delete it" if unfit.key else "add one of them to its header"
                self.problems.append(Problem(unfit.what, self._line(unfit.key), unfit.why, fix))
                mended = frontmatter.amend(self.corrected, {self._written("every"): unfit.every})
                self.corrected = mended if unfit.every else self._without(unfit.key)
                if unfit.key == "cron" and not task.every:
                    self._say_when()
        elif task.scheduled and task.status is not Status.DRAFT and not (task.every or task.cron):
            self._say_when()  # what said when is not valid, and a comment by now
        elif not task.scheduled and (task.every or task.cron) and task.path.startswith(f"{INBOX}/"):
            key = "every" if task.every else "cron"
            what = f"`{self._written(key)}` makes it a schedule, and it does not lie in {SCHEDULES}/"
            why = "every other file in the inbox runs once and then leaves it"
            self.problems.append(
                Problem(what, self._line(key), why, f"move the file to {SCHEDULES}/, or delete the line to run it once")
            )
            self.corrected = self._without(key)

    def _say_when(self) -> None:
        """The corrected file is to be a schedule again."""
        self.corrected = frontmatter.amend(self.corrected, {"every": "1d"})

    def _without(self, key: str) -> str:
        return frontmatter.without(self.corrected, self._written(key))

    def _written(self, key: str) -> str:
        """How a key stands in the file: itself, in another spelling, or as an alias."""
        row = next(row for row in TABLE if row.name == key)
        return next((self.folded[word] for word in (key, *row.aliases) if word in self.folded), key)

    def _line(self, key: str) -> int:
        return self.note.lines.get(self._written(key), 1) if key else 1

    def _take(self, key: Key) -> Any:
        """The value of one key, from its own name or from an alias; None when it is absent or not valid."""
        name = key.name if key.name in self.left else self.folded.get(key.name, key.name)
        if name in self.left:
            value = self.left[name]
            if name != key.name and not self._valid(key, value):
                return None  # `Type: …` in another spelling is an alias like any other
            del self.left[name]
            if not absent(value):
                return self._parsed(key, name, value)
        for word in key.aliases:
            alias = word if word in self.left else self.folded.get(word, word)
            if alias in self.left and self._valid(key, self.left[alias]):
                return self._value(key, self.left.pop(alias))
        return None

    def _take_ready(self, found: dict[str, Any]) -> None:
        self.marked = found.get("status") == "open"
        if "status" in found or "ready" not in self.left:
            return
        try:
            ready = truth(str(self.left["ready"]))
        except ValueError:
            return
        del self.left["ready"]
        found["status"] = "open" if ready else "draft"
        self.marked = ready

    def _value(self, key: Key, value: Value) -> Any:
        if key.list:
            return key.parse(value)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, str):
            raise ValueError(f"{value}")
        return key.parse(value.strip(), self.today) if key.dated else key.parse(value.strip())

    def _valid(self, key: Key, value: Value) -> bool:
        if absent(value):
            return False
        try:
            parsed = self._value(key, value)
        except ValueError:
            return False
        return self._known(key, parsed)

    def _known(self, key: Key, parsed: Any) -> bool:
        """Whether a type is one that there is: another one is refused, never guessed (Q22)."""
        return key.name != "type" or self.types is None or parsed == "auto" or parsed in self.types

    def _parsed(self, key: Key, name: str, value: Value) -> Any:
        try:
            parsed = self._value(key, value)
            if not self._known(key, parsed):
                raise ValueError(value)
            return parsed
        except ValueError:
            shown = value if isinstance(value, str) else "a list" if isinstance(value, list) else "a mapping"
            words = (*key.words, *(self.types or ())) if key.name == "type" else key.words
            near = slug(shown) if key.name == "id" else nearest(shown, words)
            self._complain(
                f"`{shorten(f'{name}: {shown}', 80)}` is not valid",
                self.note.lines.get(name, 1),
                f"it may be {key.allowed}",
                near and f"{name}: {near}",
            )
            self.corrected = (
                frontmatter.amend(self.corrected, {name: near}) if near else frontmatter.without(self.corrected, name)
            )
            return None

    def _complain(self, what: str, line: int, why: str, near: str) -> None:
        fix = f"did you mean `{near}`?" if near else "correct it, or delete the line"
        self.problems.append(Problem(what, line, why, fix))

    def _take_tags(self, found: dict[str, Any]) -> str:
        """The request without its `[model:…]` and `[thinking:…]`, whose values are taken where the header has none."""
        body = self.note.body
        if "[" not in body or not _TAG.search(body):
            return body.strip()
        lines = body.split("\n")
        settled = set(found)
        for number, line in outside_fences(lines):
            tags = list(_TAG.finditer(line))
            for tag in tags:
                name, text = tag[1].lower(), tag[2]
                key = next(key for key in TABLE if key.name == name)
                if name in settled or absent(text):
                    continue
                settled.add(name)
                try:
                    found[name] = key.parse(text)
                except ValueError:
                    near = nearest(text, key.words)
                    mended = f"[{name}:{near}]" if near else ""
                    self._complain(
                        f"`{tag[0].strip()}` is not valid",
                        self.note.body_line + number,
                        f"it may be {key.allowed}",
                        mended,
                    )
                    self.corrected = self.corrected.replace(tag[0].strip(), mended, 1)
            if tags:
                kept = _TAG.sub("", line)
                lines[number] = kept.lstrip(" \t") if tags[0].start() == 0 else kept
        return "\n".join(lines).strip()
