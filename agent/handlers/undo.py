"""The `undo` type: take back what one task did to files, by its change journal, whatever commit carried it.

What is still as the task left it becomes what it was. What somebody changed since is left alone and named. Nothing is
written here: the reverse changes are proposed like those of any task, so an undo can be undone too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated

from pydantic import BeforeValidator, Field

from agent.errors import Refused
from agent.handlers.base import Context, Handler, Params
from agent.vault.actions import Action
from agent.vault.values import Change, Result, Role, Status, Tier

LARGEST = 64 << 20  # bytes of a file that is brought back
SHOWN = 20  # files named in the findings, of each kind
DATA = "undo.json"  # in the run's folder: what `gofer undo --json` prints


def _id(value: object) -> object:
    """The id in what people write: the id itself, a path of its report, a link to it."""
    if not isinstance(value, str):
        return value
    name = value.strip().removeprefix("[[").removesuffix("]]").partition("|")[0]
    return name.rpartition("/")[2].removesuffix(".md").strip()


class UndoParams(Params):
    """Whose changes are taken back."""

    of: Annotated[str, BeforeValidator(_id), Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=96)]


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is left alone, why, and what a person can do."""

    what: str
    where: str
    fix: str

    def __str__(self) -> str:
        return f"Left alone: `{self.where}`: {self.what}; {self.fix}"


def run(ctx: Context, params: UndoParams) -> Result:
    """Look at the files as they are and propose what takes the task's changes back."""
    changed = _Files(ctx)
    done = _journal(ctx, params.of)
    for action in reversed(done):
        ctx.check()
        changed.take_back(action)
    changes = changed.changes()
    data = {
        "id": params.of,
        "restored": sorted({change.path for change in changes}),
        "kept": [{"what": kept.what, "where": kept.where, "fix": kept.fix} for kept in changed.kept],
    }
    (ctx.run_dir / DATA).write_text(json.dumps(data), "utf-8")
    findings = [*_told(changes), *(str(kept) for kept in changed.kept[:SHOWN])]
    if len(changed.kept) > SHOWN:
        findings.append(f"… and {len(changed.kept) - SHOWN} more that were left alone: they are listed below")
    if not changes:
        findings.insert(0, f"Nothing of `{params.of}` could be taken back" if changed.kept else _already(params.of))
    else:
        whole = "" if changed.kept else "all of "
        count = f"{len(changes)} file{'s' * (len(changes) != 1)}"
        findings.insert(0, f"Took {whole}what `{params.of}` did to files back: {count} as before")
    return Result(
        Status.NEEDS_REVIEW if changed.kept else Status.DONE,
        findings=tuple(findings),
        actions=("look at what was left alone",) if changed.kept else (),
        raw="\n".join(json.dumps(row, ensure_ascii=False) for row in data["kept"]),
        changes=changes,
    )


def _already(task: str) -> str:
    return f"Already undone: every file is as it was before `{task}`, and nothing was changed"


def _told(changes: Sequence[Change]) -> list[str]:
    """The files that come back or go, the first of them by name."""
    words = [f"{'Removed' if change.after is None else 'Restored'} `{change.path}`" for change in changes]
    more = [f"… and {len(words) - SHOWN} more"] if len(words) > SHOWN else []
    return words[:SHOWN] + more


def _journal(ctx: Context, task: str) -> Sequence[Action]:
    try:
        done = ctx.past.changes(task)
    except ValueError as error:
        raise Refused(
            f"the list of what {task} changed cannot be read",
            where=f"memory/changes/…/{task}.jsonl",
            why=str(error),
            fix="restore it from git, or put the files back by hand",
        ) from None
    if done is None:
        raise Refused(
            f"there is nothing to undo: no task '{task}' changed a file of this vault",
            why="a push, a message that was sent, or what another program did cannot be taken back by Gofer",
            fix="gofer list shows the ids; the report of the task says what it did",
        )
    return done


@dataclass(slots=True)
class _Files:
    """The files as they are, and as they will be once the actions that were looked at are taken back."""

    ctx: Context
    kept: list[Kept] = field(default_factory=list)
    _first: dict[str, str | None] = field(default_factory=dict)  # path → sha256 as it lies there
    _now: dict[str, str | None] = field(default_factory=dict)
    _blobs: dict[str, str] = field(default_factory=dict)  # sha256 → git's id

    def take_back(self, action: Action) -> None:
        """Plan the reverse of one action, if everything that it touches is still as the task left it."""
        end = action.to or action.path
        try:
            here, there = self._digest(action.path), self._digest(end)
            if action.op == "move":
                if here == action.before and there != action.after:
                    return  # taken back before
                if (here, there) != (None, action.after):
                    raise Refused(self._moved_why(here, there), fix=f"move it back by hand: to {action.path}")
                self._now[action.path], self._now[end] = action.before, None
                return
            if here == action.before:
                return
            if here != action.after:
                what = "it is gone" if here is None else "it was changed since" if action.after else "it is there again"
                raise Refused(what, fix="compare it with the commit of the task, and change it by hand")
            self._blobs[action.before or ""] = action.blob
            self._now[action.path] = action.before
        except Refused as refused:
            self.kept.append(Kept(refused.what if not refused.why else refused.why, end, refused.fix or "look at it"))

    def _moved_why(self, here: str | None, there: str | None) -> str:
        if there is None:
            return "it is gone"
        return "it was changed since" if here is None else "another file has its old name by now"

    def changes(self) -> tuple[Change, ...]:
        """What has to be changed, and what cannot be because its content is nowhere. New content comes first, so that
        a crash in between leaves two copies, never none."""
        moved = {digest: path for path, digest in self._first.items() if digest is not None}
        wanted = [path for path, digest in self._now.items() if digest != self._first[path]]
        come, go = list[Change](), list[Change]()
        for path in wanted:
            digest = self._now[path]
            if digest is None:
                go.append(Change(path, self._first[path], None))
                continue
            source = moved.get(digest)
            data = self.ctx.files.read(source, LARGEST) if source else None
            data = self.ctx.past.content(digest, self._blobs.get(digest, "")) if data is None else data
            if data is None:
                what = "what it held was never committed, and this machine has no copy of it"
                self.kept.append(Kept(what, path, "look for it on the machine that ran the task, or in a backup"))
            else:
                come.append(Change(path, self._first[path], data))
        return (*come, *go)

    def _digest(self, path: str) -> str | None:
        """The sha256 of a file as it will be, None for no file. Refused for what a task may not change."""
        if path not in self._now:
            self.ctx.files.check_writable(path)
            try:
                self._first[path] = sha256(self.ctx.files.read(path, LARGEST)).hexdigest()
            except FileNotFoundError:
                self._first[path] = None
            self._now[path] = self._first[path]
        return self._now[path]


HANDLER = Handler(
    name="undo", tier=Tier.TRIVIAL, role=Role.TASK, params=UndoParams, run=run, limit=300.0, unmarked_waits=True
)
