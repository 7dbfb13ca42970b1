"""Bringing the cache up to date: only ledger files that are new, grew or changed are opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from agent.stats.buckets import Broken, buckets
from agent.stats.cache import Cache, FileSums, Stamp, with_cache
from agent.vault.layout import LEDGER

T = TypeVar("T")

LEDGER_LIMIT = 16 << 20  # bytes of one file; Gofer writes segments of 64 KiB
BATCH = 256  # files that are written at once
UNREAD = Stamp(-1, -1)  # of a file that could not be read: no file has it, so the next call tries again

Read = Callable[[Path], tuple[Stamp, bytes]]
Progress = Callable[[int, int], None]


def with_ledger(root: Path, state: Path, work: Callable[[Cache], T], progress: Progress | None = None) -> T:
    """Do `work` with the cache when it knows the ledger of the vault at `root` as it is now. `progress` is told how
    many files of how many were read. `work` may be done twice. Raises Busy when another gofer holds the cache."""

    def fresh(cache: Cache) -> T:
        refresh(cache, root / LEDGER, progress)
        with cache.at_rest():
            return work(cache)

    return with_cache(state, fresh)


def read_whole(path: Path) -> tuple[Stamp, bytes]:
    """A ledger file and its stamp from before it was read: what grows meanwhile is read again the next time.

    FileNotFoundError when it is gone; other OSError when it cannot be read or is too large.
    """
    with path.open("rb") as file:
        info = os.fstat(file.fileno())
        if info.st_size > LEDGER_LIMIT:
            raise OSError(f"it has {info.st_size:,} bytes, and a segment has 64 KiB")
        return Stamp(info.st_size, info.st_mtime_ns), file.read(LEDGER_LIMIT)


def refresh(cache: Cache, folder: Path, progress: Progress | None = None, read: Read = read_whole) -> int:
    """Make the cache agree with the ledger files in `folder`, and return how many were read. Where two do it at once
    the later one wins, with the stamp of what it read, so that nothing stale stays for long."""
    known, there = cache.known(), dict(_listed(folder))
    # By name, which has the day: files of one day share sums, and are better written together.
    changed = sorted(name for name, stamp in there.items() if known.get(name) != stamp)
    if gone := known.keys() - there.keys():
        cache.put({}, gone)
    left, done = iter(changed), 0
    while batch := list(islice(left, BATCH)):
        cache.put(dict(_read(folder, batch, read)))
        done += len(batch)
        if progress:
            progress(done, len(changed))
    return len(changed)


def _listed(folder: Path) -> Iterator[tuple[str, Stamp]]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.name.endswith(".jsonl") and entry.name.isascii() and entry.is_file(follow_symlinks=False):
                try:
                    info = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield entry.name, Stamp(info.st_size, info.st_mtime_ns)


def _read(folder: Path, names: list[str], read: Read) -> Iterator[tuple[str, FileSums]]:
    for name in names:
        try:
            stamp, data = read(folder / name)
        except FileNotFoundError:
            continue  # gone since it was listed: it is dropped the next time
        except OSError as error:
            yield name, FileSums(UNREAD, {}, [Broken(0, error.strerror or str(error))])
        else:
            yield name, FileSums(stamp, *buckets(data))
