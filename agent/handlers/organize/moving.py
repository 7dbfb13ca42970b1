"""From wishes to moves: where each file goes, without ever taking a name that is in use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.errors import Refused
from agent.handlers.base import Context
from agent.handlers.organize.filing import Wish
from agent.handlers.organize.library import Library, Note
from agent.handlers.organize.names import fold, folder_of

TRIES = 99  # names of the form `note-2.md`


@dataclass(frozen=True, slots=True)
class Move:
    """One file and its new place."""

    old: str
    new: str
    wish: Wish


@dataclass(frozen=True, slots=True)
class Moves:
    """What moves, what a row wants to move but stays (path and why), and how many more wait for the next run."""

    moves: tuple[Move, ...] = ()
    left: tuple[tuple[str, str], ...] = ()
    later: int = 0


def plan_moves(ctx: Context, library: Library, limit: int) -> Moves:
    """Give every wish a free place, the first `limit` of them, in the order of their paths."""
    taken = _Taken(library)
    moves: list[Move] = []
    left: list[tuple[str, str]] = []
    wished = [note for note in library.notes.values() if note.wish]
    for at, note in enumerate(wished):
        if len(moves) >= limit:
            return Moves(tuple(moves), tuple(left), len(wished) - at)
        ctx.check()
        assert note.wish
        try:
            ctx.files.check_writable(note.path)
            why = note.wish.problem
            new = "" if why else taken.place(ctx, note, note.wish.folder)
        except Refused as refused:
            why = refused.why or refused.what
        if why:
            left.append((note.path, why))
        else:
            moves.append(Move(note.path, new, note.wish))
    return Moves(tuple(moves), tuple(left))


class _Taken:
    """The names in use, now and once the moves planned so far are made."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._files = {fold(path) for path in library.times}
        self._folders: dict[str, str] = {}  # folded → as it is written
        for path in library.times:
            self._add_folders(folder_of(path))

    def place(self, ctx: Context, note: Note, folder: str) -> str:
        """A free name in a folder. Refused when there is none, or when the same text lies there already."""
        folder = self._spelled(folder)
        stem, dot, suffix = note.path.rpartition("/")[2].rpartition(".")
        for number in range(1, TRIES):
            name = f"{stem}{dot}{suffix}" if number == 1 else f"{stem}-{number}{dot}{suffix}"
            new = ctx.files.check_writable(f"{folder}/{name}")
            if fold(new) not in self._files:
                if ctx.files.exists(new):  # a link or the like raises Refused; it is in no listing
                    continue
                self._files.add(fold(new))
                self._add_folders(folder)
                return new
            if twin := self._twin(note, new):
                raise Refused("it is there already", why=f"it is a duplicate of {twin}, which lies there already")
        raise Refused("no free name", why=f"{folder}/ has {TRIES - 1} files of that name already")

    def _twin(self, note: Note, new: str) -> str:
        known = (self._library.notes.get(path) for path in self._library.names.twins(new))
        return next((other.path for other in known if other and note.digest and other.digest == note.digest), "")

    def _add_folders(self, folder: str) -> None:
        for above in _upward(folder):
            if fold(above) in self._folders:
                return  # those above it are known too
            self._folders[fold(above)] = above

    def _spelled(self, folder: str) -> str:
        """The folder as it is written where it exists: never a second one that differs in case alone."""
        for above in _upward(folder):
            if known := self._folders.get(fold(above)):
                return known + folder[len(above) :]
        return folder


def _upward(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = folder_of(folder)


def rows_of(moves: Sequence[Move]) -> Mapping[int, list[Move]]:
    """The moves by the line of the row that asked for them."""
    found: dict[int, list[Move]] = {}
    for move in moves:
        found.setdefault(move.wish.rule.line, []).append(move)
    return dict(sorted(found.items()))
