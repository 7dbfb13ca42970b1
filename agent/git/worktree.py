"""The work tree as git fills it: files, their executable bit, links; one that was a folder becomes a file, and back.
Nothing is followed, nothing is run, and only what lies there as expected is replaced."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path, PurePosixPath

from agent.errors import Refused
from agent.files import Beneath
from agent.files.folders import opened
from agent.files.group import change_all
from agent.files.paths import parts
from agent.git.history import Difference
from agent.git.repository import Repository
from agent.vault.values import Change

FILES, LINK = ("100644", "100755"), "120000"
LARGEST = 256 << 20  # bytes of one file
TOGETHER = 256  # files that are held in memory at once
KEPT = ("inbox", "outbox")  # folders that stay when they are empty: people drop and look there


@dataclass(frozen=True, slots=True)
class There:
    """What lies at a path: the content of a file, or where a link leads; None when nothing does. `trouble`: why
    nothing can be put there."""

    content: bytes | None = None
    link: bool = False
    executable: bool = False
    trouble: str = ""

    @property
    def gist(self) -> Lies:
        """The same without its content."""
        return Lies(None if self.content is None else sha256(self.content).hexdigest(), self.link)


@dataclass(frozen=True, slots=True)
class Lies:
    """What a step expects at its path: something with this sha256, None for nothing."""

    digest: str | None = None
    link: bool = False


class WorkTree:
    """One vault's work tree."""

    def __init__(self, repository: Repository, files: Beneath) -> None:
        self.repository, self.files, self.root = repository, files, repository.work_tree

    def there(self, path: str, gone: Collection[str], sound: set[str]) -> There:
        """What lies at a path once the files in `gone` are not there any more. `sound`: folders that were found to be
        real ones, on the way to another path."""
        place = os.path.join(self.root, path)
        try:
            parts(path)
            info = os.lstat(place)
            if stat.S_ISLNK(info.st_mode):
                return self._link(path)
            if stat.S_ISDIR(info.st_mode):
                left = [found for found in _below(Path(place)) if found.relative_to(self.root).as_posix() not in gone]
                return There(trouble="it is a folder with files of yours in it") if left else There()
            return There(self.files.read(path, LARGEST), executable=bool(info.st_mode & 0o100))
        except (FileNotFoundError, NotADirectoryError):
            return There(trouble=self._blocked(path, gone, sound))
        except Refused as error:
            return There(trouble=error.why)

    def _link(self, path: str) -> There:
        *above, name = parts(path)
        with opened(self.root, above, path) as folder:
            return There(os.fsencode(os.readlink(name, dir_fd=folder)), link=True)

    def _blocked(self, path: str, gone: Collection[str], sound: set[str]) -> str:
        """Whether a file or a link lies where a folder is needed, and stays there."""
        above = os.path.dirname(path)
        while above and above not in sound:
            try:
                if stat.S_ISDIR(os.lstat(os.path.join(self.root, above)).st_mode):
                    sound.add(above)
                elif above not in gone:
                    return f"{above} is no folder here"
            except (FileNotFoundError, NotADirectoryError):
                pass  # it will be made; or what is above it says why not
            above = os.path.dirname(above)
        return ""

    def make(self, todo: Sequence[tuple[Difference, Lies]]) -> list[str]:
        """Bring each path from what lies there to what its step says, deletions first; the paths that somebody
        changed in the last moment. After the first group of these nothing more is done."""
        going = [(step, lies) for step, lies in todo if lies.digest and _goes_first(step, lies)]
        if misfits := self._remove(going):
            return misfits
        coming = [(step, Lies() if _goes_first(step, lies) else lies) for step, lies in todo if step.new]
        if misfits := self._write([(step, lies) for step, lies in coming if step.new_mode != LINK]):
            return misfits
        return [step.path for step, _ in coming if step.new_mode == LINK and not self._put_link(step)]

    def _remove(self, going: Sequence[tuple[Difference, Lies]]) -> list[str]:
        misfits = [step.path for step, lies in going if lies.link and not self._remove_link(step.path, lies)]
        changes = [Change(step.path, lies.digest, None) for step, lies in going if not lies.link]
        unfit = change_all(self.files, ([change] for change in changes))
        for step, _ in going:
            self._prune(step.path)
        return misfits + [changes[number].path for number in sorted(unfit)]

    def _prune(self, path: str) -> None:
        """Remove the folders that are empty now, as git does."""
        for above in list(PurePosixPath(path).parents)[:-1]:
            if above.as_posix() in KEPT:
                return
            try:
                os.rmdir(self.root / above)
            except FileNotFoundError:
                continue
            except OSError:
                return

    def _write(self, coming: Iterable[tuple[Difference, Lies]]) -> list[str]:
        """Write files, some at a time; the paths that somebody changed in the last moment."""
        todo, misfits = iter(coming), list[str]()
        while some := list(islice(todo, TOGETHER)):
            for step, _ in some:
                self._clear(step.path)
            contents = self.repository.many_contents([step.new for step, _ in some])
            changes = [
                Change(step.path, lies.digest, content or b"")
                for (step, lies), content in zip(some, contents, strict=True)
            ]
            unfit = change_all(self.files, ([change] for change in changes))
            misfits += [changes[number].path for number in sorted(unfit)]
            for number, (step, _) in enumerate(some):
                fresh = step.old_mode or "100644"  # what a new file is
                if number not in unfit and step.new_mode != fresh:
                    self._set_mode(step.path, executable=step.new_mode == "100755")
        return misfits

    def _clear(self, path: str) -> None:
        """Remove folders without any file in the place of a file."""
        place = self.root / path
        if place.is_dir() and not place.is_symlink():
            for folder in sorted((p for p in place.rglob("*") if p.is_dir()), reverse=True):
                with suppress(OSError):
                    os.rmdir(folder)
            with suppress(OSError):
                os.rmdir(place)

    def _set_mode(self, path: str, *, executable: bool) -> None:
        *above, name = parts(path)
        with suppress(FileNotFoundError, Refused), opened(self.root, above, path) as folder:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            try:
                mode = stat.S_IMODE(os.fstat(handle).st_mode)
                readers = (mode & 0o444) >> 2  # who may read it may run it, as git has it
                os.fchmod(handle, mode | readers if executable else mode & ~0o111)
            finally:
                os.close(handle)

    def _put_link(self, step: Difference) -> bool:
        self._clear(step.path)
        *above, name = parts(step.path)
        with opened(self.root, above, step.path, make=True) as folder:
            part = f".gofer-{secrets.token_hex(8)}"
            os.symlink(self.repository.contents(step.new) or b"", part, dir_fd=folder)
            try:
                os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                return False
            finally:
                os.unlink(part, dir_fd=folder)
        return True

    def _remove_link(self, path: str, lies: Lies) -> bool:
        *above, name = parts(path)
        with suppress(FileNotFoundError, OSError), opened(self.root, above, path) as folder:
            if sha256(os.fsencode(os.readlink(name, dir_fd=folder))).hexdigest() != lies.digest:
                return False
            os.unlink(name, dir_fd=folder)
        return True


def _goes_first(step: Difference, lies: Lies) -> bool:
    """Whether what lies there is removed before anything new comes: for good, or because it is of another kind."""
    return not step.new or lies.link or step.new_mode == LINK


def _below(folder: Path) -> Iterable[Path]:
    """Everything in a folder that is no folder."""
    for where, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(where, name))]
        yield from (Path(where) / name for name in (*names, *links))
