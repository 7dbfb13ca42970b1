"""Any server that speaks OpenAI's chat completions: llama-server, vLLM, LM Studio, OpenRouter, OpenAI.

https://platform.openai.com/docs/api-reference/chat. The `openai` package (3.57) is not used for it: seven variables
of the environment change where it sends a question and what it sends along, OPENAI_CUSTOM_HEADERS whatever the
caller says; its own headers describe this machine; its decoder reads a stream without a bound; and it takes 0.5 s
longer to import. What is left is one POST and a few lines of server-sent events.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.errors import BadConfig, Doubt, GoferError, Unasked
from agent.models.base import Answer, Health, Request, Stop, never
from agent.models.events import Heard
from agent.models.gate import Reply, gated, must_fit
from agent.models.line import Late, Line, ServerSaid, checked_url, count
from agent.models.offer import Offer
from agent.models.troubles import late, refusal, told

_TALK_SECONDS = 10.0  # for the small question: which models are there
_NAMED = 5  # models that a message names, of those that are there
_KEY = re.compile(r"[!-~]*")  # what fits a header; httpx quotes a header that does not
_DATED = re.compile(r"-\d{3,8}(?:-\d{2}){0,2}\Z")  # gpt-4o is answered by gpt-4o-2024-08-06, gpt-4 by gpt-4-0613
_NO_LIST = (404, 405, 501)  # how a server without /models says so
# The window of a model by the names that llama-server (inside `meta`), vLLM, LM Studio and OpenRouter give it.
_WINDOWS = ("n_ctx", "max_model_len", "loaded_context_length", "context_length")


@dataclass(frozen=True, slots=True)
class _Listed:
    """A model as the server lists it. `window` is its context in tokens, 0 when the server does not say."""

    names: tuple[str, ...]
    window: int


class OpenAICompatible:
    """One OpenAI-compatible server. `url` is its base, such as http://127.0.0.1:8080/v1; times are seconds.

    `provider` names it in messages and in the ledger. `key` goes to that address only. `thinking` is the switch that
    its models know: `template` (chat_template_kwargs), `effort` (reasoning_effort), `none`, or `auto`: template when
    `local`, else effort. Raises BadConfig when `url` is no plain http address or `key` cannot be sent.
    """

    def __init__(
        self,
        provider: str,
        url: str,
        *,
        key: str = "",
        local: bool = False,
        thinking: str = "auto",
        connect_timeout: float = 5.0,
    ) -> None:
        self.provider = provider
        self._setting = f"providers.{provider}.url in this machine's config.toml"
        self.url = checked_url(url.strip(), fix=f"set {self._setting}, for example http://127.0.0.1:8080/v1")
        if not _KEY.fullmatch(key):
            raise BadConfig(
                f"the key of '{provider}' cannot be sent",
                where=self.url,
                why="it has white space or letters that no key has",
                fix=f"set providers.{provider}.key again, without anything around it",
            )
        self._key, self._connect_timeout = key, connect_timeout
        self._mode = thinking if thinking != "auto" else "template" if local else "effort"

    def ask(self, request: Request, *, stop: Stop = never) -> Answer:
        """The gated answer. Beyond the protocol: CredentialsRefused when the server does not take the key."""
        with self._line() as line:
            return gated(lambda asked: self._attempt(line, asked, stop), request)

    def health(self, model: str) -> Health:
        """Whether the server answers and lists `model`. Never raises, and takes a few seconds at most."""
        names: tuple[str, ...] = ()
        try:
            with self._line() as line:
                listed = self._listed(line, never, self._connect_timeout)
            names = tuple(one.names[0] for one in listed)
            self._pick(listed, model)
        except GoferError as error:
            return Health(False, self.provider, told(error), error.fix, names)
        detail = f"{model} is ready at {self.url}" if names else f"{self.url} answers, and lists no models"
        return Health(True, self.provider, detail, models=names)

    def _line(self) -> Line:
        fix = f"start it, or correct {self._setting}"
        return Line(self.url, self._connect_timeout, server=f"the server '{self.provider}'", fix=fix, key=self._key)

    def _attempt(self, line: Line, request: Request, stop: Stop) -> Reply:
        window = self._pick(self._listed(line, stop, _TALK_SECONDS), request.model)
        if 0 < window < request.context:
            must_fit(replace(request, context=window))
        offer = Offer.of(request, self._mode)
        while True:  # every turn gives something up, and there are few things to give
            try:
                reply = self._chat(line, request, offer, stop)
            except ServerSaid as said:
                error = self._refusal(said, request.model)
                refused = isinstance(error, Doubt) and error.reason == "failed"
                next_best = offer.conceding(said.words) if refused else None
                if next_best is None:
                    raise error from None
                offer = next_best
                continue
            return replace(reply, context=window, thinking=offer.level, notes=offer.notes)

    def _listed(self, line: Line, stop: Stop, seconds: float) -> list[_Listed]:
        """The models that are there; none when the server keeps no such list."""
        try:
            with line.within(seconds, stop):
                said = line.get("/models")
                entries = said.get("data") if isinstance(said, dict) else None
                if not isinstance(entries, list):
                    raise ValueError("/models names no models")
        except Late:
            why = f"/models took over {seconds:g} s"
            raise Unasked(f"the server '{self.provider}' does not answer", where=self.url, why=why) from None
        except ServerSaid as said:
            if said.status in _NO_LIST:
                return []
            raise self._refusal(said) from None
        return [_entry(one) for one in entries if isinstance(one, dict) and one.get("id")]

    def _pick(self, listed: Sequence[_Listed], model: str) -> int:
        """The window of the model of that name, 0 when nobody says; Unasked when it is not on the list."""
        if not listed:
            return 0
        for one in listed:
            if any(_same(name, model) for name in one.names):
                return one.window
        there = ", ".join(one.names[0][:80] for one in listed[:_NAMED])
        more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
        fix = f"load '{model}' on the server '{self.provider}', or choose what it has: {there}{more}"
        raise Unasked(f"the model '{model}' is not there", where=self.url, fix=fix)

    def _chat(self, line: Line, request: Request, offer: Offer, stop: Stop) -> Reply:
        heard = Heard()
        try:
            with line.within(request.timeout, stop):
                heard.listen(line.lines("/chat/completions", {"model": request.model, **offer.fields(request)}))
        except Late:
            raise late(request, self.url, started=heard.begun) from None
        others = [name for name in heard.models if not _answers(name, request.model)]
        named = heard.models or not heard.reason  # who broke off before the first part has told no name either
        return Reply(
            "".join(heard.text),
            request.model if heard.error or (named and not others) else line.without_key("".join(others[:1])),
            self.provider,
            digest=heard.fingerprint,
            finished=bool(heard.reason),
            reason=line.without_key(heard.reason),
            error=line.without_key(heard.error),
            input_tokens=heard.input_tokens,
            output_tokens=heard.output_tokens,
        )

    def _refusal(self, said: ServerSaid, model: str = "") -> GoferError:
        fix = f"load '{model}' on the server, or correct {self._setting}: it mostly ends in /v1"
        if 300 <= said.status < 400:
            why = f"HTTP {said.status}: it sends questions elsewhere, and they are not sent after it"
            return Unasked(f"the server '{self.provider}' is not there", where=self.url, why=why, fix=fix)
        return refusal(said, self.url, model=model, fix=fix)


def _entry(one: dict[str, Any]) -> _Listed:
    aliases = one.get("aliases")
    meta = one.get("meta")
    facts = {**one, **(meta if isinstance(meta, dict) else {})}
    windows = [count(facts.get(key)) for key in _WINDOWS]
    names = (one["id"], *(aliases if isinstance(aliases, list) else ()))
    return _Listed(tuple(str(name) for name in names), next(filter(None, windows), 0))


def _same(name: str, wanted: str) -> bool:
    """Equal; a maker's name before a slash may be missing from one of them."""
    if "/" in name and "/" in wanted:
        return name == wanted
    return name.rpartition("/")[2] == wanted.rpartition("/")[2]


def _answers(name: str, wanted: str) -> bool:
    """Whether `name` is the model wanted, or a dated state of it."""
    base = wanted.removesuffix("-latest")
    return _same(name, wanted) or _same(_DATED.sub("", name), base)
