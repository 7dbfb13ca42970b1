"""What a research task asks for: which pages and files, and what they are to be asked.

Addresses come from the front matter or from the person's own sentence, never from what was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from agent.handlers.base import Context
from agent.handlers.material import PathParams
from agent.vault.params import read_params
from agent.vault.values import Task

MAX_SOURCES = 10
MOST_SOURCES = 30
LONGEST_ADDRESS = 2000  # characters
_NAMED_WITHIN = 2000  # characters of the request in which addresses are looked for
_ADDRESS = re.compile(r"https?://[^\s<>\"'`\[\]{}|\\^]{1,2000}", re.IGNORECASE)
_LISTED = re.compile(r"(?:[-*+]|\d{1,3}[.)])?\s*<?(https?://[^\s<>\"'`\[\]{}|\\^]{1,2000})>?", re.IGNORECASE)


class ResearchParams(PathParams):
    """`urls` and `path` (one or a list), the question in `focus`, and how many sources are read at most."""

    urls: tuple[str, ...] = ()
    focus: str = Field("", max_length=2000)
    max_sources: int = Field(MAX_SOURCES, ge=1, le=MOST_SOURCES)

    @field_validator("urls", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("urls")
    @classmethod
    def _addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not is_address(url):
                raise ValueError(f"'{url[:200]}' is no address of a page; one begins with https:// or http://")
        return _once(urls)


def understand(task: Task) -> ResearchParams:
    """The parameters of the front matter; without `urls` and `path`, the addresses that the request names.

    What is to be done without any is `run`'s to say: as a Doubt of this function it would only send the request on to
    the next row of the matrix, and its reason would be lost.
    """
    params = read_params(task, ResearchParams)
    return params if params.urls or params.path else params.model_copy(update={"urls": addresses(task.text)})


def addresses(text: str) -> tuple[str, ...]:
    """The addresses in the first paragraph of a request, and in lines below that hold nothing else; each once."""
    first, _, rest = text.strip().partition("\n\n")
    found = [_trimmed(match[0]) for match in _ADDRESS.finditer(first[:_NAMED_WITHIN])]
    listed = (_LISTED.fullmatch(line.strip()) for line in rest[:_NAMED_WITHIN].splitlines())
    found += [_trimmed(match[1]) for match in listed if match]
    return _once(url for url in found if is_address(url))


def _once(urls: Iterable[str]) -> tuple[str, ...]:
    """Each page once: what follows a # is a place on it, and no server sees it."""
    pages: dict[str, str] = {}
    for url in urls:
        pages.setdefault(url.partition("#")[0], url)
    return tuple(pages.values())


def is_address(url: str) -> bool:
    """Whether this is an address of the web: a scheme, a host, nothing that breaks a line."""
    try:
        split = urlsplit(url)
        named = bool(split.hostname)
    except ValueError:
        return False
    plain = url.isprintable() and " " not in url and len(url) <= LONGEST_ADDRESS
    return plain and named and split.scheme in ("http", "https")


def wish(ctx: Context, params: ResearchParams) -> str:
    """What the sources are asked."""
    return params.focus or ctx.task.text.strip()[:_NAMED_WITHIN] or ctx.task.title


def _trimmed(url: str) -> str:
    """Without what belongs to the sentence around it."""
    url = url.rstrip(".,;:!?*_")
    while url.endswith(")") and url.count("(") < url.count(")"):
        url = url[:-1].rstrip(".,;:!?*_")
    return url
