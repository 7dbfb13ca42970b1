"""What a source and a task of the `fetch` type may say, flat as front matter is."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from agent.handlers.base import Params
from agent.handlers.fetch import grammar

MAX_FIELDS = 40
LINK = "link-header"  # as `next`: the page that follows stands in the Link header (RFC 8288)

_LINES = {"units": grammar.unit, "alert": grammar.alert, "headers": grammar.header}
_START = re.compile(r"https?://[^/?#{}\s]+(?:[/?][^\s]*)?", re.IGNORECASE)  # what is filled in comes after the host


class SourceParams(Params):
    """What a source says, flat as front matter is. `agent.handlers.fetch.grammar` reads the lines of its lists."""

    url: str = ""
    items: str = ""
    key: str = ""
    fields: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    alert: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    next: str = ""
    cursor: str = ""
    max_pages: int = Field(5, ge=1, le=50)
    limit: int = Field(100, ge=1, le=500)

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not _START.fullmatch(value):
            raise ValueError(f"`{value[:200]}` is no address: it begins with https:// and a host, without blanks")
        urlsplit(value)  # a ValueError for brackets that hold no address
        return value

    @field_validator("fields")
    @classmethod
    def _fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = [grammar.field(line).name for line in value]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two fields are called {min(twice)}")
        if len(names) > MAX_FIELDS:
            raise ValueError(f"there are more than {MAX_FIELDS} fields")
        return value

    @field_validator("units", "alert", "headers")
    @classmethod
    def _lines(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for line in value:
            _LINES[str(info.field_name)](line)
        return value

    @field_validator("items", "key", "next")
    @classmethod
    def _paths(cls, value: str) -> str:
        return value if value in ("", LINK) else grammar.expression(value)

    @model_validator(mode="after")
    def _fits(self) -> SourceParams:
        known = {grammar.field(line).name for line in self.fields}
        named = {grammar.unit(line)[0] for line in self.units}
        if unknown := sorted(named - known) if known else []:
            raise ValueError(f"`units` names {unknown[0]}, which is none of the fields {', '.join(sorted(known))}")
        if self.key and not self.items:
            raise ValueError("`key` needs `items`: it names one of several")
        if self.cursor and self.next in ("", LINK):
            raise ValueError("`cursor` needs `next`: where the next cursor stands")
        return self


class FetchParams(SourceParams):
    """A task's parameters: an address of its own, or the names of sources; all other keys fill holes of addresses."""

    model_config = ConfigDict(extra="allow")

    source: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()  # names that were said in plain English, to be looked for in the answer
    said: bool = False  # the source was said in plain English: one that is not there is a doubt

    @model_validator(mode="after")
    def _one_or_other(self) -> FetchParams:
        if bool(self.url) == bool(self.source):
            raise ValueError("give `url`, or `source` with the name of one in prompts/sources")
        own = self.model_fields_set & (SourceParams.model_fields.keys() - {"alert", "url"})
        if self.source and own:
            raise ValueError(f"`{min(own)}` belongs into the source: beside `source` a task has `alert` and parameters")
        return self

    @property
    def given(self) -> dict[str, str]:
        """What fills the holes of addresses: hole → text; a list is put together with commas."""
        extra = self.model_extra or {}
        return {name: ",".join(map(str, v)) if isinstance(v, list | tuple) else str(v) for name, v in extra.items()}
