"""Bringing a model's file over HTTP: resumed where it broke off, and counted only when its checksum is right.

While it comes it is `NAME.part`, with `NAME.part.json` beside it, which says what it is a part of. Hugging Face states
the sha256 of a large file as `X-Linked-Etag` on the way to it (https://huggingface.co/docs/hub/storage-backends).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from agent.errors import Busy, GoferError, ModelAway, PersonMustAct, Refused, TimeUp
from agent.models.base import Stop, never
from agent.models.gguf import flaw_of, read_through
from agent.models.web import Cuttable, Found, look_up, opened

if TYPE_CHECKING:  # 0.2 s to import
    import httpx

Progress = Callable[[int, int], None]  # bytes that are there, bytes in all

_SPARE = 64 << 20  # bytes that stay free on the disk
_DIGEST = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is there and whole. `fresh`: it was brought now, and not before."""

    path: Path
    sha256: str
    size: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a part belongs to. With another mark it is worth nothing."""

    sha256: str
    etag: str


def fetch(
    url: str,
    target: Path,
    progress: Progress,
    *,
    sha256: str = "",
    stop: Stop = never,
    connect_timeout: float = 10.0,
    silence_timeout: float = 60.0,
) -> Fetched:
    """Have the file of `url` at `target`. `sha256` in hex wins over what the server states; times are seconds.

    Raises PersonMustAct (no checksum at all, or no room), ModelAway (the server is away or broke off; the part
    stays), Refused (a redirect to a place that is not allowed, a wrong checksum, no GGUF file), Busy (somebody brings
    it already) and TimeUp (`stop`; the part stays).
    """
    expected = _checked(sha256)
    if expected and target.is_file() and read_through(target, _looking(stop)) == expected:
        return Fetched(target, expected, target.stat().st_size, fresh=False)
    with _own_part(target) as part, Cuttable(connect_timeout, silence_timeout, stop) as web:
        while True:
            before = part.stat().st_size
            try:
                with web.within():
                    expected = _bring(web.client, url, part, expected, progress)
                break
            except ModelAway:
                if part.stat().st_size <= before:  # it brought nothing; else go on where it broke off
                    raise
        return _accept(part, target, url, expected, stop)


def _bring(client: httpx.Client, url: str, part: Path, expected: str, progress: Progress) -> str:
    """Fill `part` to its end; the checksum that it must have."""
    found = look_up(client, url)
    stated = found.sha256 if _DIGEST.fullmatch(found.sha256) else ""
    if expected and stated and expected != stated:
        why = f"the server says that its sha256 is {stated}, and {expected} is wanted"
        raise Refused("the file there is another one", where=url, why=why, fix="compare both with the model's own page")
    if not (expected or stated):
        raise PersonMustAct(
            "the server states no sha256 of the file",
            where=url,
            why="without one nobody can tell whether what comes is the model",
            fix="take it from the model's own page: --sha256 HEX",
        )
    expected = expected or stated
    headers = {"Accept-Encoding": "identity"}
    mark, have = _mark_of(part), part.stat().st_size
    if have and mark and mark.sha256 == expected:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": mark.etag} if mark.etag else {})
    with opened(client, found.url, headers) as response:
        start, total = _span(response, have, found)
        etag = response.headers.get("etag", "")
        _mark(part, _Mark(expected, "" if etag.startswith("W/") else etag))
        _room(part, total - start)
        with part.open("r+b") as file:
            file.truncate(start)
            file.seek(start)
            _copy(response, file, start, total, progress)
    return expected


def _span(response: httpx.Response, have: int, found: Found) -> tuple[int, int]:
    """Where what comes begins, and how large the whole is, in bytes."""
    if response.status_code == 206 and (told := _RANGE.match(response.headers.get("content-range", ""))):
        start, total = int(told[1]), int(told[2])
        if start == have <= total:
            return start, total
    elif response.status_code == 416 and have:
        return have, have  # nothing is left to bring; the checksum tells whether that is true
    elif response.status_code == 200:
        total = int(response.headers.get("content-length") or found.size or 0)
        if total:
            return 0, total
        raise ModelAway("the server does not say how large the file is", where=found.url)
    raise ModelAway("the server does not give the file", where=found.url, why=f"HTTP {response.status_code}")


def _copy(response: httpx.Response, file: BinaryIO, done: int, total: int, progress: Progress) -> None:
    progress(done, total)
    if response.status_code == 416:
        return
    for piece in response.iter_raw():
        if done + len(piece) > total:
            raise ModelAway("the server sends more than it said", why=f"it said {total} bytes")
        file.write(piece)
        file.flush()
        done += len(piece)
        progress(done, total)
    if done < total:
        raise ModelAway("the file ended too early", why=f"{done} of {total} bytes came")


def _accept(part: Path, target: Path, url: str, expected: str, stop: Stop) -> Fetched:
    """Put the finished part into its place, when it is what it should be."""
    got = read_through(part, _looking(stop))
    if got != expected:
        _forget(part)
        why = f"its sha256 is {got}, and {expected} was announced; what came was deleted"
        raise Refused(
            "what came is not the file", where=url, why=why, fix="try again; if it stays so, ask who offers it"
        )
    if flaw := flaw_of(part):
        _forget(part)
        raise Refused("what came is not a model", where=url, why=flaw, fix="give the address of a .gguf file")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    size = part.stat().st_size
    os.replace(part, target)
    _mark_file(part).unlink(missing_ok=True)
    return Fetched(target, got, size, fresh=True)


@contextmanager
def _own_part(target: Path) -> Iterator[Path]:
    """The part of `target`, for this process alone."""
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy("this model is being downloaded already", where=str(part)) from None
            yield part
    except OSError as error:
        raise _refused_by_disk(error, part) from None
    finally:
        with suppress(OSError):
            if not part.stat().st_size:
                _forget(part)


def _room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed + _SPARE:
        raise OSError(errno.ENOSPC, f"{needed >> 20} MiB are still to come, and {free >> 20} MiB are free")


def _refused_by_disk(error: OSError, part: Path) -> GoferError:
    what = "there is no room for the model" if error.errno == errno.ENOSPC else "the model cannot be written"
    fix = "make room there, or name another folder in GOFER_MODELS_DIR"
    return PersonMustAct(what, where=str(part.parent), why=error.strerror or str(error), fix=fix)


def _mark_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _mark_of(part: Path) -> _Mark | None:
    with suppress(OSError, ValueError, TypeError, RecursionError):
        told = json.loads(_mark_file(part).read_text(encoding="utf-8"))
        return _Mark(str(told["sha256"]), str(told["etag"]))
    return None


def _mark(part: Path, mark: _Mark) -> None:
    _mark_file(part).write_text(json.dumps(asdict(mark)), encoding="utf-8")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _mark_file(part).unlink(missing_ok=True)


def _checked(sha256: str) -> str:
    wanted = sha256.strip().lower().removeprefix("sha256:")
    if wanted and not _DIGEST.fullmatch(wanted):
        raise PersonMustAct("this is no sha256", where=sha256, fix="it has 64 hexadecimal digits")
    return wanted


def _looking(stop: Stop) -> Callable[[], None]:
    def look() -> None:
        if stop():
            raise TimeUp("the download was stopped")

    return look
