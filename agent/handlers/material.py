"""What a question to the model is about: the files that a task names, read through the one door."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import field_validator

from agent.errors import Doubt, Refused
from agent.handlers.base import Context, Params
from agent.text import normal_form
from agent.vault.privacy import is_private

MAX_FILES = 50
FILE_LIMIT = 1 << 18  # bytes of one file
_NAMED_WITHIN = 2000  # characters of the request in which file names are looked for
TEXTS = (".md", ".txt", ".csv", ".json", ".yaml", ".yml", ".toml", ".log")
_QUOTED = re.compile(r"\[\[([^\[\]|#\n]{1,200})|`([^`\n]{1,200})`|\"([^\"\n]{1,200})\"")


class PathParams(Params):
    """`path`: files, folders or globs of the vault, one or a list. Without it, what the text names."""

    path: tuple[str, ...] = ()

    @field_validator("path", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its path in the vault and its text in normal form."""

    path: str
    text: str


def read_named(ctx: Context, paths: tuple[str, ...]) -> tuple[Source, ...]:
    """The files behind paths, folders and globs of the front matter. Raises Refused when one of them is not there."""
    found = [path for name in paths for path in matching(ctx, name, must=True)]
    return _read(ctx, found)


def read_mentioned(ctx: Context, text: str) -> tuple[Source, ...]:
    """The files that the first paragraph of a request names and that are there; often none."""
    return _read(ctx, [path for name in mentioned(text) for path in matching(ctx, name, must=False)])


def mentioned(text: str, suffixes: tuple[str, ...] = TEXTS) -> tuple[str, ...]:
    """What reads like a file, a folder or a glob in the first paragraph, in order, each once.

    A file has the suffix of a text file, a folder a slash. Quotes, backticks and wikilinks hold names with blanks.
    """
    request = text.strip().partition("\n\n")[0][:_NAMED_WITHIN]
    names: dict[str, None] = {}
    for match in _QUOTED.finditer(request):
        link, name = match[1], match[2] or match[3]
        if link and not link.endswith(suffixes):
            names[f"{link.strip()}.md"] = None
        elif _is_name(link or name, suffixes):
            names[(link or name).strip()] = None
    for word in _QUOTED.sub(" ", request).split():
        if _is_name(bare := word.strip("\"'`()<>[]{},;:!?").rstrip(".,;:!?\"'`)>]}"), suffixes):
            names[bare] = None
    return tuple(names)


def _is_name(word: str, suffixes: tuple[str, ...]) -> bool:
    if "://" in word or word.startswith(("/", "~", "-")) or "\\" in word:
        return False
    return word.endswith(suffixes) or "/" in word.strip("/") or (word.endswith("/") and len(word) > 1)


def matching(ctx: Context, name: str, *, must: bool, suffixes: tuple[str, ...] = TEXTS) -> Iterator[str]:
    """The files that a name stands for. A name in running text may be no file at all: then it stands for nothing."""
    clean = name.strip().removeprefix("./")
    try:
        if "*" in clean or "?" in clean:
            found = [path for path in ctx.files.list(_fixed_part(clean), suffixes) if _matches(path, clean)]
        elif clean.endswith(TEXTS) and ctx.files.exists(clean):
            found = [clean]
        elif clean.endswith(".pdf") and ".pdf" in suffixes:  # no text file: the door to those knows nothing of it
            found = [path for path in ctx.files.list(clean.rpartition("/")[0], suffixes) if path == clean]
        else:
            found = list(ctx.files.list(clean.rstrip("/"), suffixes))
    except (Refused, FileNotFoundError, NotADirectoryError):
        if must:
            raise
        return
    if must and not found:
        raise Refused("there is no such text file", where=clean, fix="correct `path`; it starts at the vault's top")
    yield from found


def _fixed_part(pattern: str) -> str:
    """The folder above the first wildcard."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0].rpartition("/")[0]


def _matches(path: str, pattern: str) -> bool:
    """Wildcards stay within a folder; `**` does not."""
    if "**" in pattern:
        return fnmatch.fnmatchcase(path, re.sub(r"\*{2,}/?", "*", pattern))
    ours, theirs = path.split("/"), pattern.split("/")
    return len(ours) == len(theirs) and all(map(fnmatch.fnmatchcase, ours, theirs))


def must_not_leave(ctx: Context, path: str, text: str) -> None:
    """Raises Refused when this note is private and the model of this run is not this machine's."""
    if ctx.leaves and is_private(text):
        why = "it says private: true, and the model that is asked is not this machine's"
        raise Refused("the file may not leave this machine", where=path, why=why, fix="model: local")


def _read(ctx: Context, paths: list[str]) -> tuple[Source, ...]:
    once = tuple(dict.fromkeys(paths))
    if len(once) > MAX_FILES:
        raise Doubt("too many files for the local model", reason="too-long", tried=f"{len(once)} files were named")
    sources = []
    for path in once:
        ctx.check()
        try:
            text = normal_form(ctx.files.read(path, FILE_LIMIT))
        except UnicodeDecodeError as error:
            raise Refused("the file is not UTF-8 text", where=path, why=str(error.reason)) from None
        must_not_leave(ctx, path, text)
        sources.append(Source(path, text))
    return tuple(sources)
