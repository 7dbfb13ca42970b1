"""The `forward` type: the same words to somebody whom this machine's settings list. At most once where nobody can tell
whether they arrived; the report then says `unknown`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from pydantic import Field, field_validator

from agent.defaults import default_file
from agent.errors import AnswerLost, Doubt, Refused, ServerAway, TimeUp
from agent.handlers.base import Context, Handler, Params
from agent.handlers.doors import Recipient, Reply
from agent.handlers.forward_rules import RULES, Rule, read_rules
from agent.handlers.notebook import Notebook
from agent.handlers.retrying import LATER, retry_after
from agent.handlers.status import filled
from agent.text import shorten
from agent.vault.privacy import is_private
from agent.vault.values import HandoffReason, Result, Role, Section, Status, Tier

LONGEST = 64 << 10  # characters of a message
LIMIT = 120.0  # seconds
_UNCLEAR = (500, 502, 504)  # statuses after which nobody knows whether the message was taken
_SAID = 200  # characters of an answer
_PLEASE = r"^\s*(?:please\s+|can you\s+|could you\s+){0,2}"
_WHO = r"(?:the\s+)?@?(?P<who>[\w.@+-]{1,40}(?: [\w.+-]{1,40}){0,3}?)"
_THAT = r"\s*(?::|\s[-–—]\s|\bthat\s)\s*(?P<text>\S.*)$"
_SEND = r"(?:forward|fwd|relay|send|pass|hand|deliver|route)\b[^:\n\"“]{0,120}?\bto\s+"
_ORDERS = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        rf"{_PLEASE}{_SEND}{_WHO}{_THAT}",
        rf"{_PLEASE}(?:let|notify|ping|tell)\s+{_WHO}(?:\s+know)?(?:\s+with)?{_THAT}",
        rf"{_PLEASE}\w{{2,10}}[^\"“\n]{{0,60}}[\"“](?P<text>[^\"”\n]{{1,2000}})[\"”]\s+to\s+{_WHO}[.!]?\s*$",
        rf"{_PLEASE}{_SEND}{_WHO}[.:]?[ \t]*\n\s*(?P<text>\S.*)$",
    )
)


class ForwardParams(Params):
    """`to`: names of recipients; without it the text names one, or the rules do. `template`: a note whose placeholders
    are filled with the worker's status; without it the text is the message."""

    to: tuple[str, ...] = ()
    template: str = Field("", max_length=200)

    @field_validator("to")
    @classmethod
    def _bare(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.lstrip("@").strip() for name in names))


@dataclass(frozen=True, slots=True)
class Sent:
    """How it went with one recipient, in words; `status` is that of the whole task if it is the worst."""

    name: str
    status: Status
    words: str


def run(ctx: Context, params: ForwardParams) -> Result:
    """Send one message to each recipient. Raises TryLater when none was reached and trying again is safe."""
    names, text, why = _order(ctx, params)
    if len(text) > LONGEST:
        raise Refused("the message is too long to send", why=f"it has {len(text):,} characters, and {LONGEST:,} may be")
    book = Notebook(ctx.memory, ctx.task.id, ctx.task.revision)
    sent: list[Sent] = []
    away: ServerAway | None = None
    for name in names:
        ctx.check()
        try:
            sent.append(_send(ctx, name, ctx.recipients[name], text, book, alone=len(names) == 1))
        except ServerAway as error:
            away = error
            sent.append(Sent(name, Status.FAILED, f"not sent to {name}: {error}"))
    if away and all(one.status is Status.FAILED for one in sent):
        raise away  # nobody has it yet, so all of it waits
    book.tidy()
    worst = next((s for s in (Status.UNKNOWN, Status.FAILED) if any(one.status is s for one in sent)), Status.DONE)
    if worst is Status.FAILED and any(one.status is Status.DONE for one in sent):
        worst = Status.NEEDS_REVIEW
    return Result(
        worst,
        findings=(*(one.words for one in sent), *((why,) if why else ())),
        actions=tuple(f"see to this: {one.words}" for one in sent if one.status is not Status.DONE),
        sections=(Section("Message", text),),
        raw="\n".join(f"{one.name}: {one.status}" for one in sent),
    )


def _send(ctx: Context, name: str, recipient: Recipient, text: str, book: Notebook, *, alone: bool) -> Sent:
    """One message to one recipient, at most once unless the recipient acts once for each key."""
    noted = book.look(name)
    if noted is not None and "ended" in noted:
        return Sent(name, Status(noted["ended"]["status"]), f"{noted['ended']['words']} (by a run that was cut off)")
    elsewhere = ctx.attempt > 1 and ctx.shared and noted is None
    if (noted is not None or elsewhere) and not recipient.idempotent:
        where = "on another machine" if elsewhere else "here"
        return Sent(
            name, Status.UNKNOWN, f"a run that was cut off {where} may have sent it to {name}: it is not sent again"
        )
    book.begin(name)
    whose = sha256(name.encode()).hexdigest()[:8]  # one server may be behind two of them
    key = f"{ctx.task.id}-{ctx.task.revision}-{whose}"
    try:
        reply = recipient.send(text, key)
    except AnswerLost as error:
        if recipient.idempotent:
            raise ServerAway(error.what, where=error.where, why=error.why, retry_after=error.retry_after) from error
        return _ended(book, Sent(name, Status.UNKNOWN, f"{name} may have it, the answer was lost: {error}"))
    except (ServerAway, Refused):
        book.forget(name)  # it was surely not sent
        raise
    except TimeUp:
        return _ended(book, Sent(name, Status.UNKNOWN, f"{name} may have it: the time was up before an answer came"))
    if reply.status in LATER and (reply.status not in _UNCLEAR or recipient.idempotent):
        book.forget(name)
        raise ServerAway(
            f"{name} asks to come back later", where=reply.url, why=_said(reply),
            retry_after=retry_after(reply.headers, ctx.now),
        )  # fmt: skip
    ended = _ended(book, _read(name, reply))
    if ended.status is Status.FAILED and alone:
        raise Refused(
            f"{name} does not take it", where=reply.url, why=_said(reply),
            fix=f"look at [recipients.{name}] in this machine's config.toml, then: gofer retry {ctx.task.id}",
        )  # fmt: skip
    return ended


def _read(name: str, reply: Reply) -> Sent:
    if reply.status < 300:
        return Sent(name, Status.DONE, f"sent to {name} ({_said(reply)})")
    if reply.status in _UNCLEAR:
        return Sent(name, Status.UNKNOWN, f"{name} may have it: {_said(reply)}")
    return Sent(name, Status.FAILED, f"{name} does not take it: {_said(reply)}")


def _ended(book: Notebook, sent: Sent) -> Sent:
    book.end(sent.name, {"status": str(sent.status), "words": sent.words})
    return sent


def _order(ctx: Context, params: ForwardParams) -> tuple[tuple[str, ...], str, str]:
    """Who gets it, what they get, and which rule chose them. Raises Doubt when the text does not say, Refused for
    somebody who is not listed."""
    text = ctx.task.text.strip()
    if params.template:
        text = filled(_template(ctx, params.template), ctx.facts(), ctx.now, params.template)
    if params.to:
        return tuple(dict.fromkeys(_listed(ctx, name) for name in params.to)), _message(text), ""
    if not params.template and (found := understood(text)):
        who, message = found
        if name := _known(ctx.recipients, who):
            return (name,), message, ""
        raise Doubt(
            f"nobody is listed as '{shorten(who, 60)}'", reason=HandoffReason.NEEDS,
            why=f"this machine's config.toml has {_names(ctx)}",
        )  # fmt: skip
    if rule := next((rule for rule in _rules(ctx) if rule.fits(text)), None):
        name = _listed(ctx, rule.to, where=f"{RULES} line {rule.line}")
        return (name,), _message(text), f"{RULES} line {rule.line} chose {name}: {rule.says}"
    raise Doubt("it is not clear who shall get it", why="neither `to`, nor the text, nor a rule names somebody")


def understood(text: str) -> tuple[str, str] | None:
    """Who and what, of a request in plain English: `Forward this to Anna: the server is back up`. None when unclear."""
    for order in _ORDERS:
        if match := order.match(text):
            return match["who"].strip(), match["text"].strip()
    return None


def _known(recipients: Mapping[str, Recipient], who: str) -> str:
    """The recipient of that name, alias, or "NAME agent"."""
    wanted = _folded(who)
    for name, recipient in recipients.items():
        if wanted in {_folded(one) for one in (name, *recipient.aliases)}:
            return name
    return ""


def _folded(name: str) -> str:
    words = re.sub(r"[\s_-]+", " ", name.casefold()).strip().removeprefix("the ").removesuffix(" agent")
    return words.removeprefix("@")


def _listed(ctx: Context, who: str, where: str = "") -> str:
    if name := _known(ctx.recipients, who):
        return name
    fix = f'add [recipients.<name>] with url = "https://…" to this machine\'s config.toml; it has {_names(ctx)}'
    raise Refused(f"nobody is listed as '{shorten(who, 60)}' here", where=where, fix=fix)


def _names(ctx: Context) -> str:
    return ", ".join(sorted(ctx.recipients)) or "no recipients"


def _message(text: str) -> str:
    if not text.strip():
        raise Refused("there is nothing to send", fix="write the message below the header")
    return text


def _template(ctx: Context, path: str) -> str:
    try:
        text = ctx.files.read(path).decode("utf-8")
    except FileNotFoundError:
        if path == "prompts/status.md":
            return default_file(path)
        raise Refused(
            "there is no such template", where=path, fix="correct `template`, or use prompts/status.md"
        ) from None
    except UnicodeDecodeError:
        raise Refused("the template is not UTF-8 text", where=path) from None
    if is_private(text):
        raise Refused("the template may not be sent", where=path, why="it says private: true", fix="use another note")
    return text


def _rules(ctx: Context) -> tuple[Rule, ...]:
    try:
        return read_rules(ctx.files.read(RULES).decode("utf-8", "replace"))
    except FileNotFoundError:
        return read_rules(default_file(RULES))


def _said(reply: Reply) -> str:
    said = " ".join(reply.body[:1000].decode("utf-8", "replace").split())
    if 300 <= reply.status < 400:
        said = "it passes on to another address, which is never followed"
    return f"HTTP {reply.status}" + (f": {shorten(said, _SAID)}" if said else "")


HANDLER = Handler(
    "forward", Tier.TRIVIAL, Role.TASK, ForwardParams, run, limit=LIMIT, outside=True, unmarked_waits=True,
    uses_facts=True,
)  # fmt: skip
