"""The body of an answer: decoded as it comes, and never more of it than the caller asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

GZIP = ("gzip", "x-gzip")
PLAIN = ("", "identity")


class TooLarge(Exception):
    """The body is larger than the limit."""


class NotAsked(Exception):
    """The body comes in an encoding that was not asked for."""


def media_type(headers: Mapping[str, str]) -> str:
    """`text/html` of an answer, "" when it does not say."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def accepted(type_: str, accept: Sequence[str]) -> bool:
    """Whether a media type fits one of the patterns. `application/json` stands for `application/…+json` too."""
    patterns = [*accept, *(pattern.replace("/", "/*+", 1) for pattern in accept if pattern == "application/json")]
    return not accept or any(fnmatchcase(type_, pattern.lower()) for pattern in patterns)


def read_body(chunks: Iterable[bytes], headers: Mapping[str, str], limit: int, *, cut: bool) -> bytes:
    """The decoded body, at most `limit` bytes. With `cut` what is beyond them is left, without it TooLarge is raised.

    Only gzip is decoded, once: it is all that was asked for. Raises NotAsked for anything else, and ValueError when
    it is broken.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in (*GZIP, *PLAIN):
        raise NotAsked(encoding)
    length = headers.get("content-length", "")
    if not cut and encoding in PLAIN and length.isdecimal() and int(length[:20]) > limit:
        raise TooLarge
    body = bytearray()
    for part in chunks if encoding in PLAIN else _unpacked(chunks, limit + 1, strict=not cut):
        body += part
        if len(body) > limit:
            if not cut:
                raise TooLarge
            break
    return bytes(body[:limit])


def _unpacked(chunks: Iterable[bytes], most: int, *, strict: bool) -> Iterable[bytes]:
    """The parts of a gzip stream of one or more members, none of them longer than `most`."""
    member = None
    for chunk in chunks:
        rest = chunk
        while rest:
            member = member or zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                yield member.decompress(rest, most)
            except zlib.error:
                if not strict:
                    return
                raise ValueError("its gzip encoding is broken") from None
            rest = member.unconsumed_tail or member.unused_data
            if member.eof:
                member = None
    if member and strict:
        raise ValueError("its gzip encoding breaks off")
