"""Whom this machine's settings let tasks write to, and whose mailboxes they may empty: each address named there, and
nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

from agent.clock import utc_now
from agent.config import Settings
from agent.config.tables import Mailbox as ListedMailbox
from agent.config.tables import Recipient as ListedRecipient
from agent.errors import GoferError, Refused, ServerAway
from agent.gate import OutputGate
from agent.handlers.doors import Mailbox, Message, Recipient, Reply
from agent.handlers.retrying import LATER, retry_after
from agent.text import shorten
from agent.web import OpenDoor

_MOST = 500  # messages of one answer; the next poll brings the rest
_TEXT = 64 << 10  # characters of one message
_ID = 200  # characters of a message's id
_DIGITS = 19  # of a sequence number that is sent as text: as many as 64 bits can have
_SECRET_PATH = 8  # characters of a path: a shorter one is no secret, and would blot out words of an answer
_JSON = ("application/json", "application/*+json", "text/json")


def recipients(settings: Settings, web: OpenDoor) -> Mapping[str, Recipient]:
    """Those of this machine, by name."""
    gate = OutputGate(secrets=settings.secret_values)
    return {name: HttpRecipient(one, web.granted(one.url), gate) for name, one in settings.recipients.items()}


def mailboxes(settings: Settings, web: OpenDoor) -> Mapping[str, Mailbox]:
    """Those of this machine, by name."""
    gate = OutputGate(secrets=settings.secret_values)
    return {
        name: HttpMailbox(name, one, web.granted(*filter(None, (one.url, one.ack))), gate)
        for name, one in settings.mailboxes.items()
    }


def _secret(listed: ListedRecipient | ListedMailbox) -> dict[str, str]:
    return {listed.header: listed.secret} if listed.secret else {}


@dataclass(frozen=True, slots=True)
class HttpRecipient:
    """`agent.handlers.doors.Recipient` over a POST: JSON with the message under one key, or plain text, without this
    machine's secrets. The key goes along as `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header)."""

    listed: ListedRecipient
    web: OpenDoor = field(repr=False)
    gate: OutputGate = field(repr=False)

    @property
    def aliases(self) -> tuple[str, ...]:
        return self.listed.aliases

    @property
    def idempotent(self) -> bool:
        return self.listed.idempotent

    def send(self, text: str, key: str) -> Reply:
        text = self.gate.redact(text)
        told, type_ = text.encode("utf-8", "replace"), "text/plain; charset=utf-8"
        if self.listed.text_key:
            told, type_ = json.dumps({self.listed.text_key: text}).encode(), "application/json"
        url, headers = self.listed.url, {"Idempotency-Key": key}
        with _no_path(url):
            reply = self.web.post(url, told, content_type=type_, headers=headers, secrets=_secret(self.listed))
        path = urlsplit(url).path.strip("/").encode()
        body = reply.body.replace(path, "…".encode()) if len(path) >= _SECRET_PATH else reply.body
        return replace(reply, url=_site(url), body=body)


@dataclass(frozen=True, slots=True)
class HttpMailbox:
    """`agent.handlers.doors.Mailbox` over GET and POST."""

    name: str
    listed: ListedMailbox
    web: OpenDoor = field(repr=False)
    gate: OutputGate = field(repr=False)

    @property
    def url(self) -> str:
        return self.listed.url

    @property
    def tasks(self) -> str:
        return self.listed.tasks

    @property
    def acknowledges(self) -> bool:
        return bool(self.listed.ack)

    def messages(self, since: int | None) -> list[Message]:
        """What is new after `since`, the lowest number first."""
        key, url = self.listed.since_key, self.listed.url
        if key and since is not None:
            url += ("&" if "?" in url else "?") + urlencode({key: since})
        with _no_path(url):
            reply = self.web.get(url, secrets=_secret(self.listed), accept=_JSON)
        _succeeded(reply, self._table)
        try:
            said = json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            raise self._odd("it answers no JSON", shorten(str(error), 100)) from None
        listed = self._find("messages", said)
        if not isinstance(listed, list):
            raise self._odd("it answers no list of messages", f"`{self.listed.messages}` finds {_kind(listed)}")
        return [self._message(one) for one in sorted(listed, key=self._number)[:_MOST]]

    def acknowledge(self, seq: int) -> None:
        """Tell the mailbox that everything up to this number has arrived."""
        body = json.dumps({"seq": seq}).encode()
        with _no_path(self.listed.ack):
            reply = self.web.post(self.listed.ack, body, secrets=_secret(self.listed))
        _succeeded(reply, self._table)

    @property
    def _table(self) -> str:
        return f"[mailboxes.{self.name}]"

    def _number(self, said: Any) -> int:
        seq = self._find("seq", said)
        if isinstance(seq, str) and seq.isascii() and seq.isdecimal() and len(seq) <= _DIGITS:
            seq = int(seq)
        if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq < 1 << 63:
            raise self._odd("a message has no sequence number", f"`{self.listed.seq}` finds {_kind(seq)}")
        return seq

    def _message(self, said: Any) -> Message:
        seq = self._number(said)
        text, id_, sender = (self._find(name, said) for name in ("text", "id", "sender"))
        if not isinstance(text, str):
            text = json.dumps(said, ensure_ascii=False) if text is None else json.dumps(text, ensure_ascii=False)
        known = _whole(str(id_ if isinstance(id_, str | int) and not isinstance(id_, bool) else seq))
        if known != shorten(self.gate.redact(known), _ID):  # ids are kept in files of the vault, and must stay apart
            known = f"sha256:{sha256(known.encode()).hexdigest()}"
        told = _whole(sender) if isinstance(sender, str) else ""
        return Message(seq, known, shorten(told, 200), _whole(text[:_TEXT]))

    def _find(self, name: str, said: Any) -> Any:
        import jmespath  # noqa: PLC0415  (only who has a mailbox needs it)
        from jmespath.exceptions import JMESPathError  # noqa: PLC0415

        try:
            return jmespath.search(getattr(self.listed, name), said)
        except JMESPathError as error:
            why = " ".join(str(error).split())
            raise Refused(
                f"`{name}` of the mailbox cannot be used", where=f"{self._table} in config.toml", why=shorten(why, 200),
                fix="write a JMESPath expression: https://jmespath.org",
            ) from None  # fmt: skip

    def _odd(self, what: str, why: str) -> Refused:
        fix = f"correct {self._table} in this machine's config.toml, or the mailbox"
        return Refused(what, where=_site(self.listed.url), why=why, fix=fix)


def _site(url: str) -> str:
    """All of an address that a report may show: who knows the path of a webhook or a topic may send to it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@contextmanager
def _no_path(url: str) -> Iterator[None]:
    """What goes wrong inside is told without the path of the address."""
    try:
        yield
    except GoferError as error:
        error.where = _site(url) if error.where else ""
        raise


def _succeeded(reply: Reply, table: str) -> None:
    """Raises ServerAway for what may go better later, Refused for every other error status."""
    if reply.status < 300:
        return
    said = " ".join(reply.body[:300].decode("utf-8", "replace").split())
    if 300 <= reply.status < 400:
        said = "it passes on to another address, which is never followed"
    why = f"HTTP {reply.status}" + (f": {shorten(said, 120)}" if said else "")
    where = _site(reply.url)
    if reply.status in LATER:
        wait = retry_after(reply.headers, utc_now())
        raise ServerAway("the mailbox asks to come back later", where=where, why=why, retry_after=wait)
    fix = f"look at {table} in this machine's config.toml"
    raise Refused("the mailbox refuses", where=where, why=why, fix=fix)


def _whole(text: str) -> str:
    """Text that can be written: JSON can name half a character, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return f"'{shorten(_whole(value), 40)}'"
    return "nothing" if value is None else f"a {type(value).__name__}"
