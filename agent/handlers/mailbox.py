"""The `mailbox` type: fetch what is new, keep it, acknowledge it, report it; each message may become a task.

At least once: what was fetched is on this machine's disk before it is acknowledged, and stays there until a report that
holds it is known to be out. Only when a worker dies in between, or another poll begins, is a message reported twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from agent import frontmatter
from agent.errors import Doubt, GoferError, Refused, ServerAway
from agent.handlers.base import Context, Handler, Params
from agent.handlers.doors import Mailbox, Message
from agent.text import shorten, slug, utc
from agent.vault.layout import INBOX, REPORTS
from agent.vault.values import Change, HandoffReason, Result, Role, Section, Status, Tier

CURSORS = f"{REPORTS}/mailboxes"  # one small file for each mailbox and worker: no file has two writers
LIMIT = 120.0  # seconds
REMEMBERED = 500  # ids of messages
SHOWN = 20  # messages in the report; Raw Data has all
LINE = 300  # characters of a message that are shown
_URL = re.compile(r"https?://[^\s<>\"']{1,500}")


class MailboxParams(Params):
    """`box`: the name in this machine's settings; `since`: fetch from after this number on."""

    box: str = ""
    since: int | None = Field(None, ge=0)
    acknowledge: bool = True


@dataclass(frozen=True, slots=True)
class Memory:
    """What this machine knows of one mailbox. `kept` was fetched, and no report with it is known to be out: the one of
    the task `by` will have it. `acked` is the highest number that the mailbox knows to have arrived."""

    path: Path
    box: str
    seq: int | None = None
    ids: tuple[str, ...] = ()
    kept: tuple[Message, ...] = ()
    by: str = ""
    acked: int | None = None
    acknowledges: bool = True  # there is a way to tell it; else nothing of it is ever unread

    @staticmethod
    def read(ctx: Context, box: str) -> Memory:
        """What was kept. A file that cannot be read is put aside and named, never overwritten."""
        path = ctx.memory / f"{slug(box)}-{hashlib.sha256(box.encode()).hexdigest()[:8]}.json"
        try:
            said = json.loads(path.read_bytes())
            kept = tuple(Message(int(m["seq"]), str(m["id"]), str(m["sender"]), str(m["text"])) for m in said["kept"])
            return Memory(path, box, said["seq"], tuple(map(str, said["ids"])), kept, str(said["by"]), said["acked"])
        except FileNotFoundError:
            return Memory(path, box)
        except (ValueError, TypeError, KeyError):
            path.rename(aside := path.with_suffix(f".{utc(ctx.now).replace(':', '')}.bad"))
            ctx.note(f"what was kept of the mailbox cannot be read and was put aside: {aside}")
            return Memory(path, box)

    def write(self, ctx: Context, problem: str = "") -> None:
        """Whole, and on the disk when this returns. `polled` and `problem` are for the heartbeat."""
        said = {
            "box": self.box, "seq": self.seq, "ids": self.ids[-REMEMBERED:],
            "kept": [asdict(message) for message in self.kept], "by": self.by, "acked": self.acked,
            "polled": utc(ctx.now), "problem": problem, "acknowledges": self.acknowledges,
        }  # fmt: skip
        part = self.path.with_suffix(".tmp")
        with part.open("w", encoding="utf-8", errors="replace") as file:
            json.dump(said, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)


def run(ctx: Context, params: MailboxParams) -> Result:
    """One poll."""
    name, box = _box(ctx, params)
    memory = replace(Memory.read(ctx, name), acknowledges=box.acknowledges)
    cursors = _cursors(ctx, name)
    seen = {*memory.ids, *(id_ for cursor in cursors.values() for id_ in cursor.get("ids", ()))}
    numbers = [seq for seq in (memory.seq, *(cursor.get("seq") for cursor in cursors.values())) if isinstance(seq, int)]
    since = params.since if params.since is not None else max(numbers, default=None)
    left = () if memory.by != ctx.task.id and _is_out(ctx, memory.by) else memory.kept
    try:
        found = box.messages(since)
    except GoferError as error:
        memory.write(ctx, problem=str(error))
        raise
    fresh = _unseen(found, seen - {message.id for message in left}, left)
    kept = (*left, *fresh)
    highest = max((message.seq for message in (*found, *kept)), default=memory.seq)
    ids = (*memory.ids, *(message.id for message in fresh if message.id not in memory.ids))
    memory = replace(memory, seq=max((n for n in (highest, memory.seq) if n is not None), default=None), ids=ids,
                     kept=kept, by=ctx.task.id)  # fmt: skip
    memory.write(ctx)
    ctx.check()
    memory, told = _acknowledge(ctx, box, memory, params)
    if ctx.task.scheduled and not kept and not told.startswith("not"):
        return Result(quiet=True)
    return _result(ctx, name, box, kept, memory, told, cursors, repeated=len(left))


def _box(ctx: Context, params: MailboxParams) -> tuple[str, Mailbox]:
    """The mailbox that is meant: by name, by an address in the text, or the only one. A request in plain English may
    name another; then nothing is polled."""
    known = ctx.mailboxes
    if not known:
        fix = 'add [mailboxes.NAME] with url = "https://…" to this machine\'s config.toml'
        raise Refused("no mailbox is listed on this machine", fix=fix)
    listed = ", ".join(sorted(known)) or "none"
    if params.box:
        if params.box not in known:
            fix = f"add [mailboxes.{params.box}] with a url to this machine's config.toml; it lists {listed}"
            raise Refused(f"no mailbox is called '{params.box}' here", fix=fix)
        return params.box, known[params.box]
    text = ctx.task.text.partition("\n\n")[0]
    if url := _URL.search(text):
        base = url[0].partition("?")[0].rstrip("/.,;:)")
        named = [name for name, box in known.items() if box.url.partition("?")[0].rstrip("/").startswith(base)]
    else:
        words = set(re.findall(r"[a-z0-9._-]+", text.casefold()))
        named = [name for name in known if name in words] or [*known]
    if len(named) != 1:
        why = f"this machine's config.toml lists {listed}" + (f", and {len(named)} of them fit" if named else "")
        raise Doubt("it is not clear which mailbox is meant", why=why, reason=HandoffReason.NEEDS)
    return named[0], known[named[0]]


def _unseen(found: Iterable[Message], seen: set[str], left: Sequence[Message]) -> list[Message]:
    """What was not reported and is not kept, each once."""
    have, fresh = seen | {message.id for message in left}, []
    for message in found:
        if message.id not in have:
            have.add(message.id)
            fresh.append(message)
    return fresh


def _acknowledge(ctx: Context, box: Mailbox, memory: Memory, params: MailboxParams) -> tuple[Memory, str]:
    """Tell the mailbox what arrived, unless it knows. A refusal or a lost answer loses nothing: it is told again."""
    if memory.seq is None or (memory.acked is not None and memory.acked >= memory.seq):
        return memory, ""
    if not params.acknowledge or not box.acknowledges:
        why = "the task says so" if not params.acknowledge else "its settings name no address for that"
        return memory, f"left unacknowledged: {why}"
    try:
        box.acknowledge(memory.seq)
    except (Refused, ServerAway) as error:
        ctx.note(f"not acknowledged: {error}")
        memory.write(ctx, problem=f"not acknowledged: {error}")
        return memory, f"not acknowledged, it is tried again with the next poll: {error}"
    memory = replace(memory, acked=memory.seq)
    memory.write(ctx)
    return memory, f"acknowledged up to number {memory.seq}"


def _is_out(ctx: Context, task: str) -> bool:
    """Whether the report that tells the messages of a task is known to be out. One that says `failed` tells none."""
    for entry in ctx.facts().get("recent") or ():
        if entry.get("task") == task:
            return bool(entry.get("status") == Status.DONE)
    with suppress(Refused, FileNotFoundError):
        return bool(task) and b"\nstatus: done\n" in ctx.files.read(f"outbox/{task}.md")
    return False


def _cursors(ctx: Context, box: str) -> dict[str, dict[str, Any]]:
    """How far the workers of all machines are, by the path of each one's file."""
    found: dict[str, dict[str, Any]] = {}
    for path in ctx.files.list(CURSORS, (".json",)):
        if path.rpartition("/")[2].startswith(f"{box}-of-"):
            with suppress(ValueError, Refused, FileNotFoundError):
                said = json.loads(ctx.files.read(path))
                if isinstance(said, dict) and said.get("box") == box:
                    found[path] = said
    return found


def _result(
    ctx: Context, name: str, box: Mailbox, kept: Sequence[Message], memory: Memory, told: str,
    cursors: dict[str, dict[str, Any]], *, repeated: int,
) -> Result:  # fmt: skip
    count = f"{len(kept)} new message{'s' * (len(kept) != 1)}" if kept else "Nothing new"
    findings = [f"{count} in the mailbox '{name}'" + (f", up to number {memory.seq}" if memory.seq is not None else "")]
    if repeated:
        why = "were fetched before by a run whose report was not out yet: it may tell them too"
        findings.append(f"{repeated} of them {why}")
    if told:
        findings.append(told)
    tasks = [change for message in kept if (change := _task(ctx, name, box, message))]
    if tasks:
        draft = ", as drafts: set status: open in those that shall run" if box.tasks == "draft" else ""
        findings.append(f"{len(tasks)} became tasks in {INBOX}/mail/{draft}")
    lines = [f"- {m.seq}{f', {m.sender}' if m.sender else ''}: {shorten(m.text, LINE)}" for m in kept[:SHOWN]]
    if len(kept) > SHOWN:
        lines.append(f"- … and {len(kept) - SHOWN} more in Raw Data")
    cut_off = told.startswith("not acknowledged")
    return Result(
        findings=tuple(findings),
        actions=(f"see why the mailbox '{name}' is not acknowledged",) if cut_off else (),
        sections=(Section("Messages", "\n".join(lines)),) if lines else (),
        raw="\n".join(json.dumps(asdict(message), ensure_ascii=False) for message in kept),
        changes=(*tasks, _cursor(ctx, name, memory, cursors)) if kept else (),
    )


def _task(ctx: Context, name: str, box: Mailbox, message: Message) -> Change | None:
    """A message as a task file, which code alone gives its header: the text cannot choose a type, a model or an id."""
    if box.tasks == "off" or not message.text.strip():
        return None
    key = hashlib.sha256(f"{name}\n{message.id}".encode()).hexdigest()[:8]
    path = f"{INBOX}/mail/{slug(name)[:24]}-{message.seq}-{key}.md"
    if ctx.files.exists(path):
        return None
    message = replace(message, text=message.text.replace("<%", "< %"))  # Templater runs what is in it
    sender = f" of {message.sender}" if message.sender else ""
    header = {
        "status": box.tasks, "id": f"mail-{slug(name)[:24]}-{message.seq}-{key}", "model": "auto", "thinking": "off",
        "title": shorten(f"Message {message.seq}{sender.replace('<%', '< %')} in {name}: {message.text}", 120),
    }  # fmt: skip
    text = message.text.replace("\r\n", "\n").replace("\r", "\n")
    return Change(path, None, frontmatter.dump(header, text.strip() + "\n").encode("utf-8", "replace"))


def _cursor(ctx: Context, name: str, memory: Memory, cursors: dict[str, dict[str, Any]]) -> Change:
    path = f"{CURSORS}/{name}-of-{slug(ctx.worker or 'worker')}.json"
    before = hashlib.sha256(ctx.files.read(path)).hexdigest() if path in cursors else None
    said = {"box": name, "seq": memory.seq, "ids": list(memory.ids[-REMEMBERED:]), "at": utc(ctx.now)}
    return Change(path, before, (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace"))


HANDLER = Handler(
    "mailbox", Tier.TRIVIAL, Role.TASK, MailboxParams, run, limit=LIMIT, outside=True, unmarked_waits=True,
    uses_facts=True,
)  # fmt: skip
