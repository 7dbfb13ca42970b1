"""The vault as it will be once the changes under way are applied: what a second task of the same group must see."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from agent.errors import Refused
from agent.files.beneath import READ_LIMIT
from agent.files.vault import VaultFiles
from agent.vault.values import Change


class OverlayFiles:
    """`VaultFiles` with proposed changes laid over it. Not synced between threads: one lane proposes."""

    def __init__(self, below: VaultFiles) -> None:
        self._below = below
        self._over: dict[str, bytes | None] = {}
        self._by: dict[str, int] = {}  # the number of the run that proposed it last

    def propose(self, changes: Iterable[Change], run: int) -> None:
        """The run of this number wants these changes: who comes after it sees them."""
        for change in changes:
            self._over[change.path], self._by[change.path] = change.after, run

    def settle(self, runs: Collection[int]) -> None:
        """The changes of these runs are applied, or dropped: for them the disk is the truth again. What a later run
        proposed for the same file stays, since nobody has collected it yet."""
        for path, run in list(self._by.items()):
            if run in runs:
                self._over.pop(path, None)
                self._by.pop(path, None)

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        if path in self._over:
            data = self._over[path]
            if data is None:
                raise FileNotFoundError(path)
            if len(data) > limit:
                raise Refused("the file is too big", where=path, why=f"it has more than {limit:,} bytes")
            return data
        return self._below.read(path, limit)

    def read_pdf(self, path: str, limit: int) -> bytes:
        return self._below.read_pdf(path, limit)

    def exists(self, path: str) -> bool:
        return self._over[path] is not None if path in self._over else self._below.exists(path)

    def list(self, folder: str, suffixes: Sequence[str] = ()) -> Sequence[str]:
        return self._below.list(folder, suffixes)

    def times(self, folder: str, suffixes: Sequence[str] = (), skip: Sequence[str] = ()) -> Mapping[str, float]:
        return self._below.times(folder, suffixes, skip)

    def modified(self, path: str) -> float:
        return self._below.modified(path)

    def check_writable(self, path: str) -> str:
        return self._below.check_writable(path)
