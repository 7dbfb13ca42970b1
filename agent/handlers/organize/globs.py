"""Globs of the rules page. No pattern tries anything in more than polynomially few ways, whatever it says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LONGEST = 200  # characters
DEEP = 2  # how many `**` a glob may hold
_PART = re.compile(r"\*|\?|YYYY|MM|DD|[^*?YMD]+|.", re.DOTALL)
_DIGITS = {"YYYY": "(?P<year>[0-9]{4})", "MM": "(?P<month>[0-9]{2})", "DD": "(?P<day>[0-9]{2})", "?": "."}


@dataclass(frozen=True, slots=True)
class Glob:
    """What stands between the slashes, each as a pattern; None is `**`, which is any folders, or none."""

    text: str
    parts: tuple[re.Pattern[str] | None, ...]

    def fits(self, names: Sequence[str]) -> Mapping[str, str] | None:
        """The date that the components of a path give (year, month, day, as far as it names them), None when the glob
        does not fit them."""
        return _fits(self.parts, names)


def read_glob(text: str) -> Glob:
    """A glob for vault paths. ValueError, with the reason, for one that cannot be used.

    `*` and `?` stay within a folder, `**` does not; a glob without a slash is a file name in any folder, one that ends
    in a slash is everything below that folder. `YYYY`, `MM` and `DD` are the digits of a date, each at most once.
    """
    if len(text) > LONGEST:
        raise ValueError(f"the pattern is longer than {LONGEST} characters")
    names = (text if "/" in text else f"**/{text}").split("/")
    names[-1] = names[-1] or "**"
    if any(name in ("", ".", "..") or "\\" in name for name in names):
        raise ValueError(f"'{text}' is no path from the vault's top")
    if any("**" in name and name != "**" for name in names) or names.count("**") > DEEP:
        raise ValueError(f"`**` stands for whole folders, at most {DEEP} times: {text}")
    if any(text.count(word) > 1 for word in ("YYYY", "MM", "DD")):
        raise ValueError("YYYY, MM and DD may each stand in it once")
    return Glob(text, tuple(None if name == "**" else _component(name) for name in names))


def _component(name: str) -> re.Pattern[str]:
    """One name. An atomic group ends each star at the first place where what follows fits: no later one is better."""
    first, *others = ("".join(_DIGITS.get(part, re.escape(part)) for part in _PART.findall(run))
                      for run in name.split("*"))  # fmt: skip
    last = [f".*{others.pop()}"] if others else []
    return re.compile("".join([first, *(f"(?>.*?{run})" for run in others), *last]), re.DOTALL)


def _fits(parts: Sequence[re.Pattern[str] | None], names: Sequence[str]) -> Mapping[str, str] | None:
    date: dict[str, str] = {}
    for at, part in enumerate(parts):
        if part is None:
            rest = parts[at + 1 :]
            if not rest:
                return date if len(names) > at else None
            for start in range(at, len(names)):
                if (found := _fits(rest, names[start:])) is not None:
                    return {**date, **found}
            return None
        match = part.fullmatch(names[at]) if at < len(names) else None
        if match is None:
            return None
        date |= match.groupdict()
    return date if len(parts) == len(names) else None
