"""Which blobs lie where in a commit, for many paths of the same few folders: each folder is read once per commit."""

from __future__ import annotations

import os
from collections.abc import Iterator

from agent.git.repository import Repository

REMEMBERED = 32  # folders of commits


class Trees:
    """Looks paths up in commits. Not thread-safe: it shares the repository's reader."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._folders: dict[tuple[str, str], dict[bytes, str]] = {}

    def blob(self, commit: str, path: str) -> str | None:
        """The object id of the file at a path of a commit (object id), None when there is none."""
        folder, _, name = path.rpartition("/")
        key = commit, folder
        if (listed := self._folders.get(key)) is None:
            if len(self._folders) >= REMEMBERED:
                del self._folders[next(iter(self._folders))]
            listed = self._folders[key] = dict(self._read(commit, folder))
        return listed.get(os.fsencode(name))

    def _read(self, commit: str, folder: str) -> Iterator[tuple[bytes, str]]:
        """Name and object id of the files in a folder, links among them. A tree is `<mode> <name>\\0<id>` again and
        again, with the id in binary (gitformat: git-mktree(1), Documentation/technical; the same for both hashes)."""
        found = self.repository.info(f"{commit}:{folder}")
        if found is None or found[1] != "tree":
            return
        raw, width = self.repository.contents(found[0]) or b"", len(self.repository.zero) // 2
        at = 0
        while at < len(raw):
            middle, end = raw.index(b" ", at), raw.index(b"\0", at)
            if raw[at:middle].startswith((b"100", b"120")):
                yield raw[middle + 1 : end], raw[end + 1 : end + 1 + width].hex()
            at = end + 1 + width
