"""The parameters of an `organize` task."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from agent.handlers.base import Params
from agent.handlers.organize.globs import read_glob
from agent.handlers.organize.rules import age

Part = Literal["file", "archive", "orphans", "duplicates", "empty", "broken", "summary"]
MOVING = frozenset({"file", "archive"})
MOST = 1000  # files that one run moves
DEFAULT = "memory"


def _many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class OrganizeParams(Params):
    """What to look at and what to do there; nothing given: everything, in `memory/`.

    `older_than` takes the place of the age limits of all rows; `match` names files to move, the rest stays.
    """

    path: str = DEFAULT
    only: Annotated[tuple[Part, ...], BeforeValidator(_many)] = ()
    match: Annotated[tuple[str, ...], BeforeValidator(_many)] = ()
    older_than: str = ""
    dry_run: bool = False
    limit: int = Field(MOST, ge=1, le=MOST)
    wording: bool = False

    @field_validator("path")
    @classmethod
    def _folder(cls, value: str) -> str:
        folder = value.strip("/ ").removeprefix("./")
        return "" if folder == "." else folder  # "." and "/" are the whole vault

    @field_validator("older_than")
    @classmethod
    def _age(cls, value: str) -> str:
        if value and age(value) < 1:
            raise ValueError("older_than is at least one day")
        return value

    @field_validator("match")
    @classmethod
    def _globs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for glob in value:
            read_glob(glob)
        return value

    @property
    def scope(self) -> str:
        """The folder with its final slash; "" is the vault."""
        return f"{self.path}/" if self.path else ""

    @property
    def moves(self) -> bool:
        """Whether anything may be moved."""
        return not self.only or not MOVING.isdisjoint(self.only)

    def wants(self, part: Part) -> bool:
        return not self.only or part in self.only
