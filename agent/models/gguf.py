"""What can be known of a GGUF file without loading it: whether it is one, and its digest.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct("<4sIQQ")  # magic, version, number of tensors, number of keys
_VERSIONS = (2, 3)
_MOST = 1 << 20  # tensors or keys; real models have hundreds
_PIECE = 8 << 20  # bytes between two looks at the clock


@dataclass(frozen=True, slots=True)
class Seal:
    """What changes when a file is replaced: size in bytes, time in nanoseconds, number of the file."""

    size: int
    changed: int
    inode: int


def seal_of(path: Path) -> Seal:
    """The seal of the file. Raises OSError."""
    found = path.stat()
    return Seal(found.st_size, found.st_mtime_ns, found.st_ino)


def flaw_of(path: Path) -> str:
    """Why this cannot be a model, or "". Only the header is read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
    except OSError as error:
        return error.strerror or str(error)
    if head[:4] != b"GGUF":
        return "it is not a GGUF file: it does not begin with 'GGUF'"
    if len(head) < _HEADER.size:
        return "it ends within its header"
    _, version, tensors, keys = _HEADER.unpack(head)
    if version not in _VERSIONS:
        return f"its GGUF version is {version}, and {' or '.join(map(str, _VERSIONS))} can be read"
    if not 0 < tensors < _MOST or not 0 < keys < _MOST:
        return "its header is damaged"
    return ""


def read_through(path: Path, look: Callable[[], None]) -> str:
    """The sha256 of the file in hex; `look` is called every few megabytes and may raise. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        for piece in iter(lambda: file.read(_PIECE), b""):
            digest.update(piece)
            look()
    return digest.hexdigest()


def warm(path: Path, look: Callable[[], None]) -> None:
    """Have the file in the system's memory; `look` is called every few megabytes and may raise. Raises OSError."""
    piece = bytearray(_PIECE)
    with path.open("rb", buffering=0) as file:
        while file.readinto(piece):
            look()


class Digests:
    """The digests of files, kept in `folder`/digests.json, or in memory when it is None."""

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / "digests.json" if folder else None
        self._known: dict[str, list[object]] = {}

    def known(self, path: Path, seal: Seal) -> str:
        """The digest of the file as it is now, or ""."""
        self._read()
        entry = self._known.get(str(path))
        if isinstance(entry, list) and len(entry) == 3 and entry[:2] == [seal.size, seal.changed]:
            return str(entry[2])
        return ""

    def keep(self, path: Path, seal: Seal, digest: str) -> None:
        """Remember it. A folder that cannot be written costs only the time to compute it again."""
        self._read()
        self._known[str(path)] = [seal.size, seal.changed, digest]
        if self._file is None:
            return
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".digests-", dir=self._file.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(self._known, file, indent=1)
                os.replace(name, self._file)
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise

    def _read(self) -> None:
        if self._file is None:
            return
        with suppress(OSError, ValueError, RecursionError):
            read = json.loads(self._file.read_text(encoding="utf-8"))
            if isinstance(read, dict):
                self._known |= read
