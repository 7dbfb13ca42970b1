"""What a link leads to: the files of a vault by path and by name, found as Obsidian finds them."""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterable

from agent.handlers.organize.links import WIKI

NOTE = ".md"


def fold(path: str) -> str:
    """The form in which two paths meet on a file system that minds neither case nor Unicode form."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def folder_of(path: str) -> str:
    return path.rpartition("/")[0]


class Names:
    """The files of a vault, looked up by what links say."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_path: dict[str, list[str]] = {}
        self._by_name: dict[str, list[tuple[str, str]]] = {}  # base name → (folded path, path)
        self._known: dict[tuple[str, str, bool], str | None] = {}  # what was resolved before
        for path in sorted(paths):
            key = fold(path)
            self._by_path.setdefault(key, []).append(path)
            self._by_name.setdefault(key.rpartition("/")[2], []).append((key, path))

    def has(self, path: str) -> bool:
        """Whether a file has this path, or one that differs in case or Unicode form alone."""
        return fold(path) in self._by_path

    def twins(self, path: str) -> list[str]:
        """The files at a path, with those that differ from it in case or Unicode form alone."""
        return self._by_path.get(fold(path), [])

    def alone(self, path: str) -> bool:
        """Whether the name of this file leads to no other one."""
        return len(self._by_name.get(fold(path).rpartition("/")[2], ())) == 1

    def resolve(self, target: str, source: str, kind: str) -> str | None:
        """The file that a link in the note `source` leads to, None when there is none.

        `./` and `../` are relative to the note, a leading slash is the vault's root. Of anything else: the path from
        the root; else any file whose path ends so, the nearest first: one in the note's own folder, then the shortest
        path. A Markdown link is relative to its note before all that. `.md` may be left out, case does not matter.
        """
        if not target:
            return source
        key = target, folder_of(source), kind == WIKI
        if key not in self._known:
            self._known[key] = self._resolve(*key)
        return self._known[key]

    def _resolve(self, target: str, folder: str, is_wiki: bool) -> str | None:
        if target.startswith("/"):
            return self._at(target[1:])
        if target.startswith(("./", "../")):
            return self._at(joined(folder, target))
        if not is_wiki and (found := self._at(joined(folder, target))):
            return found
        return self._at(target) or self._ending(fold(target), folder)

    def _at(self, path: str) -> str | None:
        for wanted in (path, path + NOTE):
            if found := self._by_path.get(fold(wanted)):
                return wanted if wanted in found else found[0]
        return None

    def _ending(self, wanted: str, folder: str) -> str | None:
        name = wanted.rpartition("/")[2]
        for suffix in ("", NOTE):
            end = f"/{wanted}{suffix}"
            found = [path for key, path in self._by_name.get(name + suffix, ()) if key.endswith(end)]
            if found:
                near = f"{folder}/" if folder else ""
                return min(found, key=lambda path: (not path.startswith(near), len(path), path))
        return None


def joined(folder: str, path: str) -> str:
    """A relative path from the root; one that leaves the vault keeps its `..` and leads nowhere."""
    return posixpath.normpath(f"{folder}/{path}" if folder else path)


def relative(path: str, folder: str) -> str:
    """The way to `path` from a folder; both from the vault's root."""
    return posixpath.relpath(f"/{path}", f"/{folder}")
