"""What is wrong among the notes of a folder: orphans, duplicates, empty files, links that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.errors import Refused
from agent.files import readable
from agent.handlers.base import Context
from agent.handlers.organize.dating import name_day
from agent.handlers.organize.library import Library, Note
from agent.handlers.organize.names import NOTE, folder_of, joined


def orphans(ctx: Context, library: Library) -> list[str]:
    """Notes that link to nothing inside the vault and that nothing links to. A day note, whose name is its date, is
    found without links and is none; neither is what a task may not write: templates, control files."""
    linked: set[str] = set()
    for note in library.notes.values():
        ctx.check()
        for link in note.links:
            found = library.names.resolve(link.target, note.path, link.kind)
            if found and found != note.path:
                linked.add(found)
    return [
        note.path
        for note in _scope(library)
        if note.path.lower().endswith(NOTE)
        and not any(link.target for link in note.links)
        and note.path not in linked
        and note.path not in library.unread
        and not _is_day_note(note.path)
        and _may_write(ctx, note.path)
    ]


def duplicates(library: Library) -> list[list[str]]:
    """Groups of files with the same text, line ends and trailing white space aside."""
    groups: dict[str, list[str]] = {}
    for note in _scope(library):
        if note.same and note.digest:
            groups.setdefault(note.same, []).append(note.path)
    return [group for group in groups.values() if len(group) > 1]


def empty(library: Library) -> list[str]:
    """Files without any text."""
    return [note.path for note in _scope(library) if not note.same]


def broken(ctx: Context, library: Library) -> list[tuple[str, int, str]]:
    """Links that lead nowhere: the note, the line, and what the link says. What lies in hidden folders or outside of
    the vault cannot be seen, and a folder is no file: links to those are not counted."""
    found = []
    for note in _scope(library):
        ctx.check()
        lost = (link for link in note.links if library.names.resolve(link.target, note.path, link.kind) is None)
        found += [
            (note.path, link.line, link.target)
            for link in lost
            if _is_name(link.target, note.path) and not _is_there(ctx, link.target, note.path)
        ]
    return found


def _scope(library: Library) -> Iterator[Note]:
    return (note for note in library.notes.values() if note.path.startswith(library.scope))


def _is_day_note(path: str) -> bool:
    day = name_day(path)
    return day is not None and path.rpartition("/")[2].removesuffix(NOTE) == str(day)


def _is_name(target: str, source: str) -> bool:
    names: Sequence[str] = joined(folder_of(source), target).split("/")
    return not target.endswith("/") and not any(name.startswith(".") for name in names)


def _is_there(ctx: Context, target: str, source: str) -> bool:
    """Whether something has that name that is no ordinary file, a link for one: no listing has it."""
    for path in (target.lstrip("/"), joined(folder_of(source), target)):
        name = path if path.lower().endswith(NOTE) else f"{path}{NOTE}"
        try:
            readable(name)
        except Refused:
            continue
        try:
            ctx.files.exists(name)
        except Refused:
            return True
    return False


def _may_write(ctx: Context, path: str) -> bool:
    try:
        ctx.files.check_writable(path)
    except Refused:
        return False
    return True
