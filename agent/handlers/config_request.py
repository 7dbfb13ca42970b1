"""Plain English about one setting: "set X to Y in FILE", understood completely or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LONGEST = 400  # characters
_KEY = r"(?:`(?P<kq>[^`\n]+)`|\"(?P<kd>[^\"\n]+)\"|(?P<k>[\w-]+(?:\.[\w-]+)*))"
_VALUE = r"(?:`(?P<vq>[^`\n]*)`|\"(?P<vd>[^\"\n]*)\"|(?P<v>[^\s`\",;]*[^\s`\",;.]))"
_FILE = r"(?:`(?P<fq>[^`\n]+)`|\"(?P<fd>[^\"\n]+)\"|\[\[(?P<fl>[^\]|\n]+)\]\]|(?P<f>[\w./-]*\.(?:md|toml|ya?ml|json)))"
_VERB = r"(?:please )?(?:set|change|update|bump|switch)(?: the)?(?: value of)?(?: setting| key| option)?"
_FORMS = tuple(
    re.compile(form + r"(?:,? please)?[.!]?", re.IGNORECASE)
    for form in (
        rf"{_VERB} {_KEY} (?:from \S+ )?to {_VALUE} in (?:the )?(?:file )?{_FILE}",
        rf"in (?:the )?(?:file )?{_FILE},? {_VERB} {_KEY} (?:from \S+ )?to {_VALUE}",
        rf"{_VERB} {_KEY} in (?:the )?(?:file )?{_FILE} (?:from \S+ )?to {_VALUE}",
        rf"(?:please )?(?P<switch>enable|disable) {_KEY} in (?:the )?(?:file )?{_FILE}",
    )
)


@dataclass(frozen=True, slots=True)
class Wish:
    """One setting, its new value, and the file that the request names."""

    key: str
    value: str
    path: str


def read_wish(text: str) -> Wish | None:
    """The one change that a request asks for; None when a word of it is left over."""
    line = " ".join(text.split())
    if len(line) > _LONGEST or "\n" in text.strip():
        return None
    for form in _FORMS:
        if match := form.fullmatch(line):
            parts = match.groupdict()
            link = parts.get("fl")
            path = f"{link.removesuffix('.md')}.md" if link else _first(parts, "fq", "fd", "f")
            switch = parts.get("switch")
            value = ("true" if switch.lower() == "enable" else "false") if switch else _first(parts, "vq", "vd", "v")
            return Wish(_first(parts, "kq", "kd", "k"), value, path)
    return None


def _first(parts: dict[str, str | None], *names: str) -> str:
    return next((part for name in names if (part := parts.get(name)) is not None), "")
