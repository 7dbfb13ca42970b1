"""The notes of a vault, read once: what they link to, what they hold, and where the rules want them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from agent.errors import Refused
from agent.files import TEXT_SUFFIXES
from agent.handlers.base import Context
from agent.handlers.organize.blocks import text_parts
from agent.handlers.organize.filing import Paper, Wish
from agent.handlers.organize.links import Link, header_end, links
from agent.handlers.organize.names import NOTE, Names
from agent.text import digest, normal_form
from agent.vault.layout import OWN_FOLDERS

ANY = ("",)  # as suffixes: every file
LARGEST = 1 << 20  # bytes of a file that is read for its links and compared with others

_OWN = tuple(f"{folder}/" for folder in OWN_FOLDERS)
_BOX = re.compile(r"^[ \t>]{0,40}(?:[-*+]|[0-9]{1,9}[.)])[ \t]+\[ \][ \t]+\S", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Note:
    """One text file. `digest` is the sha256 hex of its bytes, `same` that of its normal form, "" when it holds no
    text."""

    path: str
    digest: str
    same: str
    links: tuple[Link, ...] = ()
    boxes: int = 0  # open check boxes
    wish: Wish | None = None


@dataclass(frozen=True, slots=True)
class Library:
    """What was read. `times` has every file of the vault that is not hidden, with its modification time; `notes`
    those that were looked through; `unread` says of each text file that could not be read why."""

    scope: str  # the folder that is organized, with its final slash; "" is the vault
    times: Mapping[str, float]
    names: Names
    notes: Mapping[str, Note]
    unread: Mapping[str, str] = field(default_factory=dict)

    def in_scope(self, path: str) -> bool:
        return path.startswith(self.scope) and not is_record(path)


def is_record(path: str) -> bool:
    """Whether a file is one of Gofer's own records: neither moved, nor changed, nor looked through."""
    return path.startswith(_OWN)


def read_library(ctx: Context, scope: str, wish: Callable[[Paper], Wish | None]) -> Library:
    """Read every note of the vault, for its links, and every text file of the scope. `wish` is asked for the latter."""
    times = ctx.files.times("", ANY)
    notes: dict[str, Note] = {}
    unread: dict[str, str] = {}
    for path in sorted(times):
        mine = path.startswith(scope)
        is_note = path.lower().endswith(NOTE)
        if is_record(path) or not (is_note or (mine and path.lower().endswith(TEXT_SUFFIXES))):
            continue
        ctx.check()
        try:
            raw = ctx.files.read(path, LARGEST)
        except FileNotFoundError:
            continue  # it went while we looked
        except Refused as refused:
            unread[path] = refused.why or refused.what
            if mine and (wanted := wish(Paper(path, times[path]))):
                notes[path] = Note(path, "", path, wish=wanted)  # too big to look through, not to be moved
            continue
        text, same = _text(raw, path, unread)
        found = _links(text) if is_note else ()
        wanted = wish(Paper(path, times[path], text if is_note else "")) if mine else None
        notes[path] = Note(path, sha256(raw).hexdigest(), same, found, _boxes(text) if is_note else 0, wanted)
    return Library(scope, times, Names(times), notes, unread)


def _text(raw: bytes, path: str, unread: dict[str, str]) -> tuple[str, str]:
    """The text as it is, line ends and all, and the digest of its normal form."""
    try:
        normal = normal_form(raw)
    except UnicodeDecodeError:
        unread[path] = "it is not UTF-8 text"
        return "", sha256(raw).hexdigest()
    return raw.decode("utf-8"), digest(normal) if normal else ""


def _links(text: str) -> tuple[Link, ...]:
    """Equal targets share one string: ten thousand notes name the same few."""
    return tuple(link._replace(target=sys.intern(link.target)) for link in links(text))


def _boxes(text: str) -> int:
    if "[ ]" not in text:
        return 0
    body = text[header_end(text) :]
    return sum(len(_BOX.findall(body, start, end)) for start, end in text_parts(body))
