"""Reading a task file: whatever its bytes are, the answer is a Task, with a `problem` when it cannot be run.

The table of keys below is the whole contract of a task's front matter. An alias counts only when the
canonical key is absent and the value is valid for it; every other key is a parameter of the task's type.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cached_property
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from agent import frontmatter
from agent.errors import BadHeader
from agent.frontmatter import Note, Value
from agent.text import derived_id, normal_form, revision, shorten, slug
from agent.vault.values import Priority, Problem, Status, Task

MAX_BYTES = 1 << 20
TITLE_LENGTH = 200

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,119}")
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7}) |^={7}[ \t]*$", re.MULTILINE)


def read_task(
    raw: bytes,
    path: str,
    *,
    today: date | None = None,
    scheduled: bool = False,
    types: Collection[str] | None = None,
) -> Task:
    """The task that a file states. Never raises: what is wrong with it is in `problem`.

    `path` is vault-relative, POSIX. `today` gives `09:30`, `today` and `tomorrow` a day; without it they are no
    dates. `types` are the known task types, so that `task: groceries` is not taken for one; without them any
    word is. Times without a zone are UTC; a `due` date means the end of that day.
    """
    stem = PurePosixPath(path).stem
    if problem := _unreadable(raw):
        digest = hashlib.sha256(raw).hexdigest()
        shown = raw[: 1 << 16].decode("utf-8", "backslashreplace")
        bad = Task(f"{slug(stem)}-{digest[:8]}", path, stem, "", shown, digest[:12])
        return replace(bad, scheduled=scheduled, problem=problem)
    text = normal_form(raw)
    task = Task(derived_id(stem, text), path, stem, text.strip(), text, revision(text), scheduled=scheduled)
    if problem := _conflicted(text):
        return replace(task, problem=problem)
    try:
        note = frontmatter.read(text)
    except BadHeader as error:
        return replace(task, problem=_problem(error))
    return _Reading(task, note, today, types).task()


def read_params(task: Task, model: type[Params]) -> Params:
    """The task's parameters as its type declares them. Raises BadHeader, with the known names and the nearest one.

    Comma text stands for a list, `-` for `_` in names, and an empty value for an absent one. Properties that note
    programs keep for themselves (`tags`, `aliases`, …) are no parameters unless the type declares them.
    """
    given = _given(task.params, model)
    try:
        return model.model_validate({name: value for name, (_, value) in given.items()})
    except ValidationError as error:
        raise _bad_params(task, model, error, {name: key for name, (key, _) in given.items()}) from None


def seconds(text: str) -> float:
    """A duration in seconds: `90`, `10m`, `1h30m`, `2 days`. Raises ValueError when it is none, or not above zero."""
    compact = text.strip().lower().replace(" ", "")
    total = float(compact) if _NUMBER.fullmatch(compact) else 0.0
    if not total and _DURATION.fullmatch(compact):
        total = sum(float(number) * _UNITS[unit[0]] for number, unit in _PART.findall(compact))
    if not 0 < total < 10 * 366 * 86_400:
        raise ValueError(text)
    return total


# --- the file as a whole ---------------------------------------------------------------------------------------


def _unreadable(raw: bytes) -> Problem | None:
    """Why these bytes are no text that could be a task."""
    if len(raw) > MAX_BYTES:
        return Problem("the file is too big", None, "a task is at most 1 MiB", "name the data by its path instead")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem(
            "the file is UTF-16", None, "tasks are UTF-8 text", "save it as UTF-8", raw.decode("utf-16", "replace")
        )
    try:
        raw.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        guess = raw.decode("cp1252", "replace").replace("\0", "\ufffd")
        return Problem("the file is not UTF-8", line, f"byte {error.start + 1} is no text", "save it as UTF-8", guess)
    if (nul := raw.find(b"\0")) >= 0:
        mended = raw.replace(b"\0", b"").decode("utf-8")
        return Problem("the file holds a NUL byte", raw.count(b"\n", 0, nul) + 1, "text has none", "delete it", mended)
    if not raw.strip().removeprefix(b"\xef\xbb\xbf").strip():
        return Problem("the file is empty", None, "there is nothing to do", "write what you want into it")
    return None


def _conflicted(text: str) -> Problem | None:
    """Conflict markers in the front matter, or around it; in the body they may be what the task is about."""
    if text.startswith("<<<<<<< "):
        line = 1
    elif text.startswith("---"):
        closing = re.search(r"^---[ \t]*$", text[3:], re.MULTILINE)
        found = _CONFLICT.search(text, 0, closing.start() + 3 if closing else len(text))
        if found is None:
            return None
        line = text.count("\n", 0, found.start()) + 1
    else:
        return None
    return Problem(
        "the front matter is conflicted",
        line,
        "git's conflict markers stand in it, so two versions are mixed",
        "keep one of the two versions and delete the lines with <<<<<<<, ======= and >>>>>>>",
    )


def _problem(error: BadHeader) -> Problem:
    return Problem(error.what, error.line, error.why, error.fix, error.corrected)


# --- the values of keys ----------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DATE = re.compile(
    r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})"
    r"(?:[T ] ?([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,9})?)? ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.I,
)
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_HOURS = re.compile(r"([0-9]{1,2}:[0-9]{2}) ?[-–—] ?([0-9]{1,2}:[0-9]{2})")
_CRON = re.compile(r"@(?:hourly|daily|weekly|monthly|yearly|annually)|[\w*/,?#-]+(?:[ \t]+[\w*/,?#-]+){4}")
_LINK = re.compile(r"!?\[\[([^\[\]|#]+)(?:[|#][^\[\]]*)?\]\]")
_TRUE = frozenset(["true", "yes", "y", "on", "1", "x", "✓", "✔", "✅", "ja"])
_FALSE = frozenset(["false", "no", "n", "off", "0", "✗", "❌", "nein"])


def _words(*allowed: str, **also: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        word = text.lower()
        word = also.get(word, word)
        if word not in allowed:
            raise ValueError(text)
        return word

    return parse


def _matching(pattern: re.Pattern[str], *, lower: bool = False) -> Callable[[str], str]:
    def parse(text: str) -> str:
        text = text.lower() if lower else text
        if not pattern.fullmatch(text):
            raise ValueError(text)
        return text

    return parse


def _model(text: str) -> str:
    text = text.lower() if text.lower() in ("auto", "none", "local", "lead") else text
    return _matching(_MODEL)(text)


def _truth(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


def _money(text: str) -> float:
    number = text.removeprefix("$").removesuffix("$").strip()
    if not _NUMBER.fullmatch(number):
        raise ValueError(text)
    return float(number)


def _every(text: str) -> str:
    text = {"hourly": "1h", "hour": "1h", "daily": "1d", "day": "1d", "weekly": "1w", "week": "1w"}.get(
        text.lower(), text.lower()
    )
    seconds(text)
    return text


def _hours(text: str) -> str:
    found = _HOURS.fullmatch(text)
    if not found:
        raise ValueError(text)
    return "-".join(f"{_clock(part):%H:%M}" for part in found.groups())


def _clock(text: str) -> time:
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


def _instant(text: str, today: date | None, at: time) -> datetime:
    """A moment from what a person writes. `at` is the time of day when only the day is given."""
    text = _unlinked(text).strip()
    if today is not None:
        ahead = {"today": 0, "tomorrow": 1}.get(text.lower())
        if ahead is not None:
            return datetime.combine(today + timedelta(days=ahead), at, UTC)
        if _CLOCK.fullmatch(text):
            return datetime.combine(today, _clock(text), UTC)
    found = _DATE.fullmatch(text)
    if not found:
        raise ValueError(text)
    year, month, day, hour, minute, second, zone = found.groups()
    when = date(int(year), int(month), int(day))
    if hour is None:
        return datetime.combine(when, at, UTC)
    local = datetime.combine(when, time(int(hour), int(minute), int(second or 0)), _zone(zone))
    return local.astimezone(UTC)


def _zone(text: str | None) -> timezone:
    if text is None or text.upper() in ("Z", "UTC"):
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _unlinked(text: str) -> str:
    """Text with `[[target|shown]]` replaced by its target."""
    return _LINK.sub(lambda found: found[1].strip(), text)


def _items(value: Value) -> tuple[str, ...]:
    """A list, or text with commas, as words without links and without repeats."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    if not all(isinstance(part, str) for part in parts):
        raise ValueError(str(value))
    names = (_unlinked(str(part)).strip() for part in parts)
    return tuple(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True)
class _Key:
    """One row of the table: how its value is read, its aliases, and what to tell when it is not valid."""

    name: str
    parse: Callable[..., Any]
    allowed: str  # for people, after "it may be"
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    list: bool = False
    dated: bool = False

    @cached_property
    def spellings(self) -> frozenset[str]:
        return frozenset((self.name, *self.aliases))


_PRIORITY_ALIASES = {
    "medium": "normal",
    "urgent": "critical",
    "p0": "critical",
    "p1": "high",
    "p2": "normal",
    "p3": "low",
}
_BOOL = "true or false"
_DATES = "a date (2026-11-20) or a time (2026-11-20 09:30)"
_LEVELS = ("off", "low", "medium", "high")
_PRIORITIES = ("low", "normal", "high", "critical")
_TIERS = ("trivial", "standard", "complex", "auto")
_MISSED = ("skip", "once", "all")


def _due(text: str, today: date | None) -> datetime:
    return _instant(text, today, time(23, 59, 59))


def _start(text: str, today: date | None) -> datetime:
    return _instant(text, today, time(0))


_TABLE = (
    _Key(
        "type",
        _matching(_TYPE, lower=True),
        "the name of a task type, or auto",
        ("task_type", "task", "handler", "action"),
        ("auto",),
    ),
    _Key(
        "model", _model, "auto, none, local, lead, an alias, or provider/name", words=("auto", "none", "local", "lead")
    ),
    _Key(
        "priority",
        _words(*_PRIORITIES, **_PRIORITY_ALIASES),
        "low, normal, high or critical",
        words=(*_PRIORITIES, *_PRIORITY_ALIASES),
    ),
    _Key(
        "thinking",
        _words(*_LEVELS, false="off", no="off", none="off"),
        "off, low, medium or high",
        words=_LEVELS,
    ),
    _Key("tier", _words(*_TIERS), "trivial, standard, complex or auto", ("complexity", "route"), _TIERS),
    _Key("status", _words("open", "draft"), "open or draft", ("state",), ("open", "draft")),
    _Key("id", _matching(_ID), "up to 80 of a-z, 0-9, dot, underscore and hyphen, starting with a letter or digit"),
    _Key("title", str, "text", ("name",)),
    _Key("not_before", _start, _DATES, ("scheduled", "start", "wait"), dated=True),
    _Key("due", _due, _DATES, ("due_date",), dated=True),
    _Key(
        "after", _items, "a list of ids, file names or titles", ("depends_on", "dependencies", "blocked_by"), list=True
    ),
    _Key("needs", _items, "a list of words", list=True),
    _Key("timeout", seconds, "seconds, or a duration such as 10m or 1h30m", ("timeout_s",)),
    _Key("budget_usd", _money, "an amount such as 0.50; 0 forbids paid models"),
    _Key("private", _truth, _BOOL, words=("true", "false")),
    _Key("verify", str, "the name of a registered check"),
    _Key("approve", _truth, _BOOL, words=("true", "false")),
    _Key("every", _every, "a duration such as 30m or 1d", ("schedule",)),
    _Key("cron", _matching(_CRON), "five cron fields such as `0 9 * * 1-5`", ("schedule",)),
    _Key("missed", _words(*_MISSED), "skip, once or all", ("if_missed",), _MISSED),
    _Key("active_hours", _hours, "hours such as 08:00-23:00"),
)
_NAMES = frozenset(key.name for key in _TABLE)
RESERVED = _NAMES | {alias for key in _TABLE for alias in key.aliases} | {"ready"}
"""Words that types do not use as names of their parameters."""


# --- the task --------------------------------------------------------------------------------------------------


class _Reading:
    """One file being read: its values are taken key by key, what is wrong is collected, the rest are parameters."""

    def __init__(self, task: Task, note: Note, today: date | None, types: Collection[str] | None) -> None:
        self.bare, self.note, self.today, self.types = task, note, today, types
        self.left: dict[str, Value] = dict(note.values)
        self.folded = {_fold(key): key for key in reversed(list(note.values))}
        self.problems: list[Problem] = []
        self.corrected = task.raw

    def task(self) -> Task:
        found: dict[str, Any] = {}
        if self.left:
            present = [key for key in _TABLE if not key.spellings.isdisjoint(self.folded)]
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
        problem = min(self.problems, key=lambda problem: problem.line or MAX_BYTES, default=None)
        return replace(
            self.bare,
            id=explicit or self.bare.id,
            explicit_id=bool(explicit),
            title=shorten(title or _title(text) or self.bare.title, TITLE_LENGTH),
            text=text,
            status=status,
            marked_open=status is Status.OPEN and bool(self.marked),
            priority=Priority(found.pop("priority", "normal")),
            params=MappingProxyType(self.left),
            problem=replace(problem, corrected=self.corrected) if problem and problem.line else problem,
            **found,
        )

    marked = False

    def _take(self, key: _Key) -> Any:
        """The value of one key, from its own name or from an alias; None when it is absent or not valid."""
        name = key.name if key.name in self.left else self.folded.get(key.name, key.name)
        if name in self.left:
            value = self.left[name]
            if name != key.name and not self._valid(key, value):
                return None  # `Type: …` in another spelling is an alias like any other
            del self.left[name]
            if not _absent(value):
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
            ready = _truth(str(self.left["ready"]))
        except ValueError:
            return
        del self.left["ready"]
        found["status"] = "open" if ready else "draft"
        self.marked = ready

    def _value(self, key: _Key, value: Value) -> Any:
        if key.list:
            return key.parse(value)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, str):
            raise ValueError(f"{value}")
        return key.parse(value.strip(), self.today) if key.dated else key.parse(value.strip())

    def _valid(self, key: _Key, value: Value) -> bool:
        if _absent(value):
            return False
        try:
            parsed = self._value(key, value)
        except ValueError:
            return False
        return self._known(key, parsed)

    def _known(self, key: _Key, parsed: Any) -> bool:
        """Whether a type is one that there is: another one is refused, never guessed (Q22)."""
        return key.name != "type" or self.types is None or parsed == "auto" or parsed in self.types

    def _parsed(self, key: _Key, name: str, value: Value) -> Any:
        try:
            parsed = self._value(key, value)
            if not self._known(key, parsed):
                raise ValueError(value)
            return parsed
        except ValueError:
            shown = value if isinstance(value, str) else "a list" if isinstance(value, list) else "a mapping"
            words = (*key.words, *(self.types or ())) if key.name == "type" else key.words
            near = slug(shown) if key.name == "id" else _nearest(shown, words)
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
        for number, line in _outside_fences(lines):
            tags = list(_TAG.finditer(line))
            for tag in tags:
                name, text = tag[1].lower(), tag[2]
                key = next(key for key in _TABLE if key.name == name)
                if name in settled or _absent(text):
                    continue
                settled.add(name)
                try:
                    found[name] = key.parse(text)
                except ValueError:
                    near = _nearest(text, key.words)
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


_TAG = re.compile(r"[ \t]?\[(model|thinking):[ \t]?([^\[\]\s]{1,120})[ \t]?\](?!\()", re.I)


def _fold(key: str) -> str:
    """A key as the table spells it: `Not Before` and `not-before` are `not_before`."""
    return key.strip().lower().replace("-", "_").replace(" ", "_")


def _absent(value: Value) -> bool:
    """Nothing, or a template's placeholder that nobody has filled in."""
    if isinstance(value, str):
        return not value.strip() or ("{{" in value and "}}" in value) or ("<%" in value and "%>" in value)
    return not value or (isinstance(value, list) and all(_absent(item) for item in value))


def _nearest(text: str, words: Collection[str]) -> str:
    near = difflib.get_close_matches(text.lower()[:80], sorted(words), n=1, cutoff=0.6)
    return near[0] if near else ""


def _outside_fences(lines: list[str]) -> list[tuple[int, str]]:
    """The numbered lines of Markdown that are not in a fenced code block."""
    outside = []
    fence = ""
    for number, line in enumerate(lines):
        bare = line.strip()
        if fence:
            if bare.startswith(fence) and not bare.strip(fence[0]):
                fence = ""
        elif bare.startswith(("```", "~~~")):
            fence = bare[: len(bare) - len(bare.lstrip(bare[0]))]
        else:
            outside.append((number, line))
    return outside


def _title(text: str) -> str:
    """The first heading, else the first line with words, without Markdown's marks."""
    lines = text.split("\n")
    if "#" in text:
        for _, line in _outside_fences(lines):
            level = len(line) - len(line.lstrip("#"))
            if 1 <= level <= 6 and line[level : level + 1] in (" ", "\t") and (title := line.strip("# \t")):
                return title
    for line in lines:
        title = _MARKS.sub("", line.strip(), count=1).replace("**", "").strip("*_`~# \t")
        if any(map(str.isalnum, title)):
            return title
    return ""


_MARKS = re.compile(r"(?:>[ \t]?)*(?:[-*+][ \t]+|\d{1,9}[.)][ \t]+)?(?:\[[ xX]\][ \t]+)?")


# --- the parameters of a type ----------------------------------------------------------------------------------

Params = TypeVar("Params", bound=BaseModel)

# What Obsidian and its common plugins, and Gofer in finished tasks, keep in front matter for themselves.
_OBSIDIAN = frozenset(
    ["tags", "tag", "aliases", "alias", "cssclass", "cssclasses", "publish", "permalink", "cover", "image"]
)
_NOTES = frozenset(
    ["created", "modified", "updated", "date", "author", "description", "project", "area", "up", "related"]
)
_FINISHED = frozenset(["source", "report", "finished", "worker"])
_NOTE_PROPERTIES = _OBSIDIAN | _NOTES | _FINISHED


def _given(params: Mapping[str, Any], model: type[BaseModel]) -> dict[str, tuple[str, Any]]:
    """Parameter name → (key in the file, value) as the model should see them."""
    names = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    given: dict[str, tuple[str, Any]] = {}
    for key, value in params.items():
        name = key if key in names or _fold(key) not in names or _fold(key) in params else _fold(key)
        if value in ("", []) or (name not in names and (name.lower() in _NOTE_PROPERTIES or name[:1] in "_.")):
            continue
        listed = isinstance(value, str) and _takes_list(names.get(name))
        given[name] = (key, list(_items(value)) if listed else value)
    return given


def _takes_list(annotation: Any) -> bool:
    kinds = (get_origin(annotation) or annotation, *map(get_origin, get_args(annotation)))
    return any(kind in (list, tuple, set, frozenset) for kind in kinds) and str not in get_args(annotation)[1:]


def _bad_params(task: Task, model: type[BaseModel], error: ValidationError, keys: Mapping[str, str]) -> BadHeader:
    names = [field.alias or name for name, field in model.model_fields.items()]
    known = f"it knows {', '.join(names)}" if names else "it has no parameters"
    whole = task.raw
    mended: set[str] = set()
    first: tuple[str, str, str, str] | None = None
    # Unknown names first: a misspelt one is also the reason why another is missing.
    faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    for fault in faults[:20]:
        name = str(fault["loc"][0]) if fault["loc"] else ""
        key = keys.get(name, name)
        expected = re.findall(r"'([^']*)'", str(fault.get("ctx", {}).get("expected", "")))
        if fault["type"] == "extra_forbidden":
            near = _nearest(_fold(key), [other for other in names if other not in keys and other not in mended])
            mended.add(near)
            told = (f"unknown parameter `{key}`", known, f"did you mean `{near}`?" if near else "delete it")
            whole = frontmatter.renamed(whole, key, near) if near else frontmatter.without(whole, key)
        elif name in mended:
            continue
        elif fault["type"] == "missing":
            told = (f"the parameter `{name}` is missing", known, f"add a line `{name}: …`")
            whole = frontmatter.amend(whole, {name: ""})
        else:
            near = _nearest(str(fault["input"]), expected)
            why = str(fault["msg"]).removeprefix("Value error, ")
            fix = f"did you mean `{key}: {near}`?" if near else "correct it, or delete the line"
            told = (f"the parameter `{key}` is not valid" if key else "the parameters do not fit together", why, fix)
            whole = frontmatter.amend(whole, {key: near}) if near else frontmatter.without(whole, key)
        first = first or (key, *told)
    key, what, why, fix = first or ("", "the parameters are not valid", known, "")
    type_name = f"{task.type}: " if task.type != "auto" else ""
    line = frontmatter.read(task.raw).lines.get(key, 1)
    return BadHeader(type_name + what, line=line, where=task.path, why=why, fix=fix, corrected=whole)
