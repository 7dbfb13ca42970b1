"""The vault as handlers see it: the door of `beneath` with the rules of `paths`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.files.beneath import READ_LIMIT, Beneath
from agent.files.paths import TEXT_SUFFIXES, readable, writable


class VaultFiles:
    """The vault as handlers see it: `agent.handlers.doors.Files` over `Beneath`, with the policy for tasks."""

    def __init__(self, root: Path) -> None:
        self._beneath = Beneath(root)

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """The bytes of a text file; Refused for what tasks may not read and for more than `limit` bytes."""
        return self._beneath.read(readable(path), limit)

    def read_pdf(self, path: str, limit: int) -> bytes:
        """The bytes of a PDF; Refused for any other file, and for what tasks may not read."""
        return self._beneath.read(readable(path, (".pdf",)), limit)

    def exists(self, path: str) -> bool:
        """Whether the file is there; Refused for what tasks may not read."""
        return self._beneath.exists(readable(path))

    def list(self, folder: str, suffixes: Sequence[str] = ()) -> Sequence[str]:
        """Sorted paths of the readable files below a folder ("" is the vault)."""
        return self._beneath.list(folder, suffixes or TEXT_SUFFIXES)

    def times(self, folder: str, suffixes: Sequence[str] = (), skip: Sequence[str] = ()) -> Mapping[str, float]:
        """Path and modification time of what `list` lists, in one pass, without the folders in `skip`."""
        return self._beneath.times(folder, suffixes or TEXT_SUFFIXES, skip)

    def modified(self, path: str) -> float:
        """When the content last changed, in seconds since the epoch."""
        return self._beneath.modified(readable(path))

    def check_writable(self, path: str) -> str:
        """The cleaned path; Refused when a task may not write it."""
        return writable(path)
