"""Writing and removing many files as one group: every file whole or not at all, with one wait for the disk instead of
one each."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from agent import crash
from agent.errors import Busy, Refused
from agent.files import temporary
from agent.files.beneath import Beneath
from agent.files.entries import check_regular, read, rename_new
from agent.files.folders import opened
from agent.files.paths import parts
from agent.files.system import sync, sync_file_system
from agent.files.telling import told
from agent.vault.values import Change

MANY = 16  # files from which one sync of the whole file system is faster than one of each file
TOGETHER = 128  # changes that are prepared at once: each may need a folder of its own to stay open
LARGEST = 64 << 20  # bytes of a file that is compared before it is changed or removed
_UNSEEN = "?"  # no digest: the file was not looked at yet


class Written(NamedTuple):
    """A temporary file in the folder `where`, and the name in `folder` that it is to get."""

    where: int
    temp: str
    folder: int
    name: str

    def place(self) -> None:
        os.rename(self.temp, self.name, src_dir_fd=self.where, dst_dir_fd=self.folder)


class _Folders:
    """Folders held open for a group, so that each is walked to once and synced once."""

    def __init__(self, door: Beneath, stack: ExitStack) -> None:
        self._root, self._stack = door.root, stack
        self._open: dict[tuple[str, ...], int] = {}
        self._staging: int | None = None
        if door.staging:
            with suppress(FileNotFoundError, NotADirectoryError):
                self._staging = os.open(door.staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                stack.callback(os.close, self._staging)

    def new(self, folder: int, name: str) -> Written:
        """A temporary file, not made yet, for this place."""
        return Written(folder if self._staging is None else self._staging, temporary.new_name(), folder, name)

    def of(self, path: str, *, make: bool = False) -> tuple[int, str]:
        """The descriptor of a file's folder and the file's name. FileNotFoundError when there is no such folder."""
        *above, name = parts(path)
        key = tuple(above)
        if key not in self._open:
            self._open[key] = self._stack.enter_context(opened(self._root, above, path, make=make))
        return self._open[key], name

    def sync(self) -> None:
        for folder in self._open.values():
            os.fsync(folder)


def put_all(door: Beneath, files: Mapping[str, bytes]) -> None:
    """Put these bytes at these paths, replacing what is there; missing folders are made. Raises as `Beneath` does.

    Each file appears whole; all are on disk when this returns. A file that already holds its bytes is left alone,
    so a repetition after a crash does not disturb an editor.
    """
    with _group(door) as (folders, written):
        todo = []
        for path, data in files.items():
            with told(path):
                folder, name = folders.of(path, make=True)
                if not _holds(folder, name, path, data):
                    todo.append((folder, name, data))
        if not todo:
            return
        for folder, name, data in todo:
            written.append(folders.new(folder, name))
            with told(name):
                temporary.create(written[-1].where, written[-1].temp, data, synced=len(todo) < MANY)
        if len(todo) >= MANY:
            _sync_all(written)
        for file in written:
            with told(file.name):
                file.place()
        written.clear()
        folders.sync()


def change_all(door: Beneath, groups: Iterable[Sequence[Change]]) -> set[int]:
    """Make the changes of each group, in order, and give the numbers of the groups that do not fit.

    A group of which a change finds other bytes than it expects, because somebody changed the file, is not begun; one
    that meets such a file all the same, because it was saved in these milliseconds, ends there. What is there is left
    alone. A change that is made already is passed over, so that a repetition after a crash is safe.
    Each file appears whole, and all is on disk when this returns. Raises TryLater as `Beneath` does.
    """
    groups = [tuple(group) for group in groups]
    misfits = _misfits(door, groups)
    todo = ((n, change) for n, group in enumerate(groups) if n not in misfits for change in group)
    while together := list(islice(todo, TOGETHER)):
        with _group(door) as (folders, written):
            temps = [_prepare(folders, written, change, synced=len(together) < MANY) for _, change in together]
            if written and len(together) >= MANY:
                _sync_all(written)
            for (number, change), temp in zip(together, temps, strict=True):
                if number not in misfits and not _change(folders, written, change, temp):
                    misfits.add(number)
            folders.sync()
    return misfits


def remove_all(door: Beneath, paths: Iterable[str], fits: Callable[[str, bytes], bool]) -> None:
    """Delete those of these files whose bytes are, at that moment, what `fits` wants. Others, links and what is gone
    are left alone."""
    with _group(door) as (folders, _):
        for path in paths:
            with suppress(FileNotFoundError, Refused, Busy), told(path):
                folder, name = folders.of(path)
                if fits(path, read(folder, name, path, LARGEST)):
                    os.unlink(name, dir_fd=folder)
        folders.sync()


@contextmanager
def _group(door: Beneath) -> Iterator[tuple[_Folders, list[Written]]]:
    """Open folders, and temporary files that are gone afterwards unless they were renamed."""
    written: list[Written] = []
    with ExitStack() as stack:
        folders = _Folders(door, stack)
        try:
            yield folders, written
        finally:
            _clean_up(written)  # while the folders are still open


def _misfits(door: Beneath, groups: Sequence[Sequence[Change]]) -> set[int]:
    """The groups of several changes that do not fit as a whole. Half a group is worse than none: a file that moves
    would be there twice. A single change is judged when it is made."""
    misfits: set[int] = set()
    if all(len(group) < 2 for group in groups):
        return misfits
    made: dict[str, str | None] = {}  # path → digest, once the groups before are made
    for number, group in enumerate(groups):
        then = dict[str, str | None]()
        for change in group:
            known = next((state[change.path] for state in (then, made) if change.path in state), _UNSEEN)
            now = _digest(door, change.path) if known == _UNSEEN else known
            after = None if change.after is None else sha256(change.after).hexdigest()
            if now not in (change.before, after):
                misfits.add(number)
                break
            then[change.path] = after
        else:
            made |= then
    return misfits


def _digest(door: Beneath, path: str) -> str | None:
    """The sha256 hex of a file, None when there is none, "" when it cannot be read."""
    try:
        return sha256(door.read(path, LARGEST)).hexdigest()
    except FileNotFoundError:
        return None
    except (Refused, Busy):
        return ""


def _prepare(folders: _Folders, written: list[Written], change: Change, *, synced: bool) -> Written | None:
    """The new content beside its place; None when there is none, or no such place: then the change will not fit."""
    if change.after is None:
        return None
    with suppress(Refused, Busy), told(change.path):
        folder, name = folders.of(change.path, make=True)
        written.append(folders.new(folder, name))
        mode = None
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        temporary.create(written[-1].where, written[-1].temp, change.after, synced=synced, mode=mode)
        return written[-1]
    return None


def _change(folders: _Folders, written: list[Written], change: Change, temp: Written | None) -> bool:
    """Make one prepared change; False when it does not fit what lies there. A temporary file that got its place is not
    `written` any more."""
    after = None if change.after is None else sha256(change.after).hexdigest()
    with suppress(Refused, Busy), told(change.path):
        try:
            folder, name = folders.of(change.path)
            now = sha256(read(folder, name, change.path, LARGEST)).hexdigest()
        except FileNotFoundError:
            now = None
        if now == after:
            return True  # a crash fell between the effect and the next step
        if now != change.before or (after is not None and temp is None):
            return False
        if temp is None:
            os.unlink(name, dir_fd=folder)
        elif now is None:
            rename_new(temp.where, temp.temp, temp.folder, temp.name, change.path)
        else:
            temp.place()
        if temp is not None:
            written.remove(temp)
        crash.step("change applied")
        return True
    return False


def _holds(folder: int, name: str, path: str, data: bytes) -> bool:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        check_regular(found, path)
        return found.st_size == len(data) and read(folder, name, path, len(data)) == data
    except FileNotFoundError:
        return False


def _sync_all(written: list[Written]) -> None:
    """One sync of the whole file system where there is such a call, else one of each file."""
    with told("."):
        if sync_file_system(written[0].where):
            return
        for file in written:
            handle = os.open(file.temp, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=file.where)
            try:
                sync(handle)
            finally:
                os.close(handle)


def _clean_up(written: list[Written]) -> None:
    for file in written:
        temporary.discard(file.where, file.temp)
