"""Links that moves would break, or lead elsewhere, made to lead where they led. Every other byte of a note stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from agent.errors import Busy, Refused
from agent.handlers.base import Context
from agent.handlers.organize.library import Library, Note
from agent.handlers.organize.links import WIKI, Link, encoded
from agent.handlers.organize.moving import Move, Moves
from agent.handlers.organize.names import NOTE, Names, fold, folder_of, relative
from agent.redact import find_tokens
from agent.vault.values import Change

LARGEST_MOVED = 16 << 20  # bytes of a file that is moved
MOST = 32 << 20  # bytes of all files that one run moves: they are in memory, and in the worker's journal, at once


@dataclass(slots=True)
class Plan:
    """The changes that make the moves, and what there is to say about them."""

    changes: tuple[Change, ...] = ()
    moves: tuple[Move, ...] = ()
    relinked: dict[str, int] = field(default_factory=dict)  # note, by its old path → how many of its links changed
    locked: list[str] = field(default_factory=list)  # notes that no task may write, with links that break
    left: list[tuple[str, str]] = field(default_factory=list)
    later: int = 0


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


def plan_changes(ctx: Context, library: Library, moves: Moves) -> Plan:
    """The notes whose links change come first, then each move, its new file before the old one goes: what a crash or an
    edit of the person's leaves half done, the next run completes."""
    plan = Plan(left=list(moves.left), later=moves.later)
    made, contents, spent = [], dict[str, bytes](), 0
    for move in moves.moves:
        ctx.check()
        try:
            content = _content(ctx, library.notes[move.old], move.old)
            _no_secret(content)
        except Refused as refused:
            plan.left.append((move.old, refused.why or refused.what))
            continue
        if spent + len(content) > MOST:
            plan.later += 1
            continue
        spent += len(content)
        contents[move.old] = content
        made.append(move)
    plan.moves = tuple(made)
    moved = {move.old: move.new for move in made}
    edited = dict(_edited(ctx, library, moved, contents, plan)) if moved else {}
    changes = [Change(path, library.notes[path].digest, new) for path, new in edited.items() if path not in moved]
    for move in made:
        old = contents[move.old]
        changes += [Change(move.new, None, edited.get(move.old, old)), Change(move.old, sha256(old).hexdigest(), None)]
    plan.changes = tuple(changes)
    return plan


def _content(ctx: Context, note: Note, path: str) -> bytes:
    """The bytes of a note as they were when it was looked through. Raises Busy when it was saved since."""
    try:
        raw = ctx.files.read(path, LARGEST_MOVED)
    except FileNotFoundError:
        raise Busy("a note went while it was being looked at", where=path) from None
    if note.digest and sha256(raw).hexdigest() != note.digest:
        raise Busy("a note was saved while it was being looked at", where=path)
    return raw


def _no_secret(content: bytes) -> None:
    """A file with a secret is not committed. One that git has already must not move: others would only see it go."""
    if kinds := sorted(set(find_tokens(content.decode("utf-8", "replace")))):
        raise Refused("it is not moved", why=f"it holds what looks like a secret ({', '.join(kinds)})")


def _edited(
    ctx: Context, library: Library, moved: Mapping[str, str], contents: Mapping[str, bytes], plan: Plan
) -> Iterator[tuple[str, bytes]]:
    """Each note whose links change: its path now, and its new bytes."""
    after = Names([moved.get(path, path) for path in library.times])
    names = {fold(path).rpartition("/")[2] for pair in moved.items() for path in pair}
    names |= {name.removesuffix(NOTE) for name in names}
    for note in library.notes.values():
        edits = list(_edits(note, library.names, after, moved, names)) if note.links else []
        if not edits:
            continue
        ctx.check()
        try:
            ctx.files.check_writable(note.path)
        except Refused:
            plan.locked.append(note.path)
            continue
        text = (contents.get(note.path) or _content(ctx, note, note.path)).decode("utf-8")
        for edit in reversed(edits):
            text = text[: edit.start] + edit.text + text[edit.end :]
        plan.relinked[note.path] = len(edits)
        yield note.path, text.encode("utf-8")


def _edits(
    note: Note, before: Names, after: Names, moved: Mapping[str, str], names: frozenset[str] | set[str]
) -> Iterator[_Edit]:
    """What must change in a note. Only links with the name of something that moves can lead elsewhere, unless the note
    itself moves."""
    source = moved.get(note.path, note.path)
    for link in note.links:
        if source == note.path and fold(link.target).rpartition("/")[2] not in names:
            continue
        led_to = before.resolve(link.target, note.path, link.kind)
        if led_to is None or not link.target:
            continue
        wanted = moved.get(led_to, led_to)
        if after.resolve(link.target, source, link.kind) != wanted:
            yield _Edit(link.start, link.end, _respelled(link, wanted, source, before, after, note.path))


def _respelled(link: Link, wanted: str, source: str, before: Names, after: Names, was: str) -> str:
    """The name that leads to `wanted` from `source`, in the manner of the old one: the bare name where that is enough,
    a path relative to the note where it was one, else the path from the root."""
    short = wanted.removesuffix(NOTE) if not link.target.lower().endswith(NOTE) else wanted
    here = relative(short, folder_of(source))
    dotted = here if here.startswith("../") else f"./{here}"
    choices = [short, f"/{short}", wanted, f"/{wanted}"]
    if link.target.startswith("/"):
        choices.insert(0, f"/{short}")
    elif link.target.startswith("./"):
        choices.insert(0, dotted)
    elif link.target.startswith("../"):
        choices.insert(0, here if here.startswith("../") else dotted)
    elif link.kind != WIKI and before.resolve(f"./{link.target}", was, link.kind) is not None:
        choices[:0] = [here, dotted]
    elif "/" not in link.target:
        choices.insert(0, short.rpartition("/")[2])
    best = next(choice for choice in choices if after.resolve(choice, source, link.kind) == wanted)
    return encoded(best, link.kind)
