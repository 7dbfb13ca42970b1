"""Sources: what is fetched, and what is read of it. They are written in the task itself, or one by one in
`prompts/sources/NAME.md` of the vault; the ready-made ones are in the package too.

A source gives no power: its headers name secrets that this machine binds to hosts, and its address is judged by the
door to other servers like any other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from agent import frontmatter
from agent.defaults import default_file, default_files
from agent.errors import BadHeader, Doubt, Refused
from agent.handlers.base import Context
from agent.handlers.doors import Files
from agent.handlers.fetch import grammar
from agent.handlers.fetch.params import FetchParams, SourceParams
from agent.text import normal_form, revision, slug
from agent.vault.layout import PROMPTS
from agent.vault.params import read_params
from agent.vault.task_keys import nearest
from agent.vault.values import Task

FOLDER = f"{PROMPTS}/sources"
MAX_SOURCES = 200  # in one task

_NAME = re.compile(r"[a-z][a-z0-9-]{0,47}")
_GLOB = frozenset("*?[")
# What may be said around the name of a source without asking for anything else.
_AROUND = re.compile(
    r"the|a|of|for|in|at|from|on|current|latest|now|values?|prices?|rate|data|source|token|coin|pair|readings?"
)
_HOLE = re.compile(r"\{([a-z][a-z0-9_]{0,39})\}")


@dataclass(frozen=True, slots=True)
class Source:
    """A source ready to be fetched: its address without holes, its lines read."""

    name: str
    url: str
    fields: tuple[grammar.Field, ...] = ()
    units: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    alerts: tuple[grammar.Alert, ...] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    items: str = ""
    key: str = ""
    next: str = ""
    cursor: str = ""
    max_pages: int = 5
    limit: int = 100
    wanted: tuple[str, ...] = ()  # instead of `fields`: names of values, wherever they stand
    tag: str = ""  # names the one row of a source without `items`: what its holes were filled with

    @property
    def must_be_number(self) -> frozenset[str]:
        """Fields with a unit or a threshold, and those that say so."""
        tested = {alert.field for alert in self.alerts if alert.test in ("value", "change", "rises", "falls")}
        return frozenset(tested | set(self.units) | {f.name for f in self.fields if f.kind == "number"})

    @property
    def shape(self) -> str:
        """A digest of all that decides what is read: remembered readings of another shape are of no use."""
        parts = (
            self.url,
            self.items,
            self.key,
            self.limit,
            *((f.name, f.path, f.kind, f.optional) for f in self.fields),
        )
        return hashlib.sha256(repr((parts, sorted(self.must_be_number))).encode()).hexdigest()[:16]


def sources_of(ctx: Context, params: FetchParams) -> list[Source]:
    """The sources of a task. Raises Refused or BadHeader for one that cannot be used, Doubt for a name that was only
    said in plain English and is not known."""
    where, given = ctx.task.path, params.given
    read = {_own_name(params.url): (where, params)} if params.url else _named(ctx, params)
    _all_used(given, [hole for _, own in read.values() for hole in _HOLE.findall(own.url)], where)
    more = () if params.url else params.alert
    found = [_source(name, own, more, given, place) for name, (place, own) in read.items()]
    fields = sorted({name for source in found for name in (*(f.name for f in source.fields), *source.wanted)})
    for line in params.alert:
        name = grammar.alert(line).field
        if name and name not in fields:
            fix = f"the fields are {', '.join(fields)}" if fields else "add `fields`"
            if params.said:
                raise Doubt(f"no field of the source is called {name}", why=fix)
            raise Refused(f"the alert `{line}` names no field", where=where, fix=fix)
    return found


def _named(ctx: Context, params: FetchParams) -> dict[str, tuple[str, SourceParams]]:
    """Name → (its file, what it says), of all that the task names."""
    known, given, where = known_sources(ctx.files), params.given, ctx.task.path
    found: dict[str, tuple[str, SourceParams]] = {}
    for wanted in params.source:
        name = wanted.removesuffix(".md").rpartition("/")[2].strip()
        if not _GLOB.intersection(name):
            name = _meant(ctx.files, name, known) if params.said else name
            if name not in known:
                raise _unknown(wanted, known, params, where)
            found[name] = (f"{FOLDER}/{name}.md", _read(ctx.files, name))
            continue
        read = {other: _read(ctx.files, other) for other in known if fnmatchcase(other, name)}
        # A pattern means those that can be fetched as they are.
        ready = {other: own for other, own in read.items() if given.keys() >= set(_HOLE.findall(own.url))}
        if not ready:
            raise Refused(f"no source fits '{wanted}'", where=where, fix=f"there are {', '.join(known)}")
        found |= {other: (f"{FOLDER}/{other}.md", own) for other, own in ready.items()}
    if len(found) > MAX_SOURCES:
        raise Refused(f"these are {len(found)} sources", where=where, fix=f"at most {MAX_SOURCES} in one task")
    return found


def _meant(files: Files, said: str, known: Sequence[str]) -> str:
    """The one source whose name is made of words that were said, when the others are its fields, its units, or say
    nothing more; else what was said."""
    words = set(said.split("-"))
    fitting = {name: set(name.split("-")) for name in known if words >= set(name.split("-"))}
    longest = max(map(len, fitting.values()), default=0)
    best = [name for name, own in fitting.items() if len(own) == longest]
    if len(best) != 1:
        return said
    read = _read(files, best[0])
    lines = [grammar.field(line).name for line in read.fields] + [grammar.unit(line)[1] for line in read.units]
    own = {word for line in lines for word in slug(line).split("-")}
    return said if any(not _AROUND.fullmatch(word) for word in words - fitting[best[0]] - own) else best[0]


def _unknown(name: str, known: Sequence[str], params: FetchParams, where: str) -> Refused | Doubt:
    if params.said:
        return Doubt(f"no source is called '{name}'", why=f"there are {', '.join(known)}")
    near = nearest(name, known)
    new = f"write {FOLDER}/{name}.md, or use" if _NAME.fullmatch(name) else "use"
    fix = f"did you mean {near}?" if near else f"{new} one of {', '.join(known)}"
    return Refused(f"there is no source called '{name}'", where=where, fix=fix)


def known_sources(files: Files) -> list[str]:
    """The names of all sources: the vault's, and the ready-made ones."""
    paths = [*files.list(FOLDER, (".md",)), *(name for name in default_files() if name.startswith(f"{FOLDER}/"))]
    names = {path.removeprefix(f"{FOLDER}/").removesuffix(".md") for path in paths}
    return sorted(name for name in names if _NAME.fullmatch(name))


def _read(files: Files, name: str) -> SourceParams:
    """A source's own file. Raises BadHeader with its line and the corrected text."""
    path = f"{FOLDER}/{name}.md"
    try:
        raw = normal_form(files.read(path, 64 << 10))
    except FileNotFoundError:
        raw = default_file(path)
    except UnicodeDecodeError:
        raise Refused("the source is not UTF-8", where=path, fix="save it as UTF-8") from None
    try:
        note = frontmatter.read(raw)
        task = Task(name, path, name, note.body, raw, revision(raw), type="source", params=note.values)
        found = read_params(task, SourceParams)
    except BadHeader as error:
        where = f"{path} line {error.line}"
        raise BadHeader(error.what, line=error.line, where=where, why=error.why, fix=error.fix) from None
    if not found.url:
        raise Refused("the source has no address", where=path, fix="add a line `url: https://…`")
    return found


def _all_used(given: Mapping[str, str], holes: Sequence[str], where: str) -> None:
    for name in given:
        if name not in holes:
            names = [*(known for known in FetchParams.model_fields if known not in ("said", "wanted")), *holes]
            near = nearest(name, names)
            fix = f"did you mean `{near}`?" if near else "delete it"
            raise Refused(f"unknown parameter `{name}`", where=where, why=f"fetch knows {', '.join(names)}", fix=fix)


def _source(name: str, read: SourceParams, more: Sequence[str], given: Mapping[str, str], where: str) -> Source:
    headers = [grammar.header(line) for line in read.headers]
    fields = tuple(grammar.field(line) for line in read.fields)
    wanted = tuple(getattr(read, "wanted", ()))
    names = {f.name for f in fields} | set(wanted)
    alerts = [grammar.alert(line) for line in (*read.alert, *more)]
    return Source(
        name=name,
        url=filled(read.url, given, where),
        fields=fields,
        units=MappingProxyType(dict(grammar.unit(line) for line in read.units)),
        alerts=tuple(alert for alert in dict.fromkeys(alerts) if not alert.field or alert.field in names),
        headers=MappingProxyType({name: value for name, value, secret in headers if not secret}),
        secrets=MappingProxyType({name: secret for name, _, secret in headers if secret}),
        items=read.items,
        key=read.key,
        next=read.next,
        cursor=read.cursor,
        max_pages=read.max_pages,
        limit=read.limit,
        wanted=wanted,
        tag="" if read.items else "/".join(given[hole] for hole in _HOLE.findall(read.url)),
    )


def filled(url: str, given: Mapping[str, str], where: str) -> str:
    """The address with its holes filled, percent-encoded: what is filled in is never more than a part of the path or
    of the query. Raises Refused when one is missing."""
    if missing := [hole for hole in _HOLE.findall(url) if not given.get(hole, "").strip()]:
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(missing))
        fix = f"add a line `{missing[0]}: …` to the task"
        raise Refused(f"{names}: nothing fills that in the address {url}", where=where, fix=fix)
    for hole in _HOLE.findall(url):
        if given[hole].strip(". /") == "":
            raise Refused(f"`{hole}: {given[hole]}` cannot be part of an address", where=where)
    return _HOLE.sub(lambda hole: quote(given[hole[1]].strip(), safe=","), url)


def _own_name(url: str) -> str:
    """The name of a source that a task writes itself, the same for the same address."""
    parts = urlsplit(url)
    last = _HOLE.sub("", parts.path).rstrip("/").rpartition("/")[2]
    name = slug(f"{parts.hostname} {last}")[:40].strip("-")
    return f"{'' if name[:1].isalpha() else 'at-'}{name}-{hashlib.sha256(url.encode()).hexdigest()[:4]}"
