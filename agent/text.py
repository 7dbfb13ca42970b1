"""Normal form, revisions, slugs and times: everything two machines must derive alike."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import UTC, datetime

_NOT_SLUG = re.compile(r"[^a-z0-9]+")
SLUG_LENGTH = 48


def normal_form(raw: bytes) -> str:
    """The text two machines agree on: strict UTF-8, no BOM, LF, NFC, no trailing white space, one final newline.

    Raises UnicodeDecodeError when `raw` is not UTF-8. An empty file gives "".
    """
    text = raw.decode("utf-8", "strict").removeprefix("\ufeff")
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).rstrip()
    return text + "\n" if text else ""


def digest(text: str) -> str:
    """Hex sha256 of a text in normal form. A revision is its first 12 digits, an id uses the first 8."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def revision(text: str) -> str:
    """The 12 hex digits that name this exact text (already in normal form)."""
    return digest(text)[:12]


def slug(name: str) -> str:
    """Lower-case ASCII words joined by single hyphens, at most 48 characters, never empty."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    return _NOT_SLUG.sub("-", ascii_name).strip("-")[:SLUG_LENGTH].strip("-") or "task"


def derived_id(base_name: str, text: str) -> str:
    """The id of a task that names none: slug of the file's base name (no suffix), and 8 digits of its content."""
    return f"{slug(base_name)}-{digest(text)[:8]}"


def utc(when: datetime) -> str:
    """A time as programs write it: `2026-11-20T09:30:00Z`."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_utc(text: str) -> datetime:
    """The reverse of `utc`; ValueError when it is none. A naive time is taken as UTC."""
    when = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def shorten(text: str, limit: int) -> str:
    """One line, at most `limit` characters, with an ellipsis where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
