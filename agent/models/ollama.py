"""Ollama (https://github.com/ollama/ollama/blob/main/docs/api.md), through its own package's client.

One question is three steps on one connection: find the model by name, load it, chat; the first two fall away while it
is loaded. Each has its own time limit, because a cold start takes minutes and an answer should not. The package (0.6.3)
can send neither `truncate: false` nor `shift: false`, without which the server cuts a long prompt silently, so the chat
is posted through its transport.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agent.errors import GoferError, ModelAway, Refused
from agent.models.base import SAMPLING, Answer, Health, Request, Stop, never
from agent.models.gate import Reply, gated, must_fit, output_limit
from agent.models.line import Late, Line, ServerSaid, checked_host, count, json_object
from agent.models.troubles import late, refusal, told

if TYPE_CHECKING:
    import httpx

_FRESH = 10.0  # seconds for which the list of models is believed
_TALK_SECONDS = 10.0  # for the small questions: which models are there, which are loaded
_CLOUD = re.compile(r"[:-]cloud$")  # how ollama.com names models that run there: gpt-oss:120b-cloud


@dataclass(frozen=True, slots=True)
class _Pulled:
    """A model as the server lists it."""

    name: str
    digest: str
    remote: str  # the host it really runs on, "" for here


class Ollama:
    """One Ollama server. `host` is its base URL, times are seconds, `keep_alive` is how long a model stays loaded.

    `allow_cloud` lets models answer that the server passes on to somebody else's machine, `allow_remote` lets `host`
    be another machine. Raises BadConfig when `host` is not an address, or not one that is allowed.
    """

    provider = "ollama"

    def __init__(
        self,
        host: str,
        *,
        connect_timeout: float = 3.0,
        load_timeout: float = 300.0,
        keep_alive: str = "5m",
        allow_cloud: bool = False,
        allow_remote: bool = False,
    ) -> None:
        self.host = checked_host(host, allow_remote=allow_remote)
        self._connect_timeout, self._load_timeout = connect_timeout, load_timeout
        # A bare number is seconds and travels as a number: the server reads text only with a unit.
        self._keep_alive: str | int = int(keep_alive) if keep_alive.removeprefix("-").isdecimal() else keep_alive
        self._allow_cloud = allow_cloud
        self._seen: dict[str, tuple[float, _Pulled]] = {}  # when each model was found

    def ask(self, request: Request, *, stop: Stop = never) -> Answer:
        """The gated answer. Beyond the protocol: CredentialsRefused when the server wants to know who we are."""
        with self._line() as line:
            return gated(lambda asked: self._attempt(line, asked, stop), request)

    def health(self, model: str) -> Health:
        """Whether the server answers and has `model`. Never raises, never loads, and takes a few seconds at most."""
        names: tuple[str, ...] = ()
        try:
            with self._line() as line:
                pulled = self._pulled(line, never, self._connect_timeout)
            names = tuple(one.name for one in pulled)
            self._pick(pulled, model)
        except GoferError as error:
            return Health(False, self.provider, told(error), error.fix, names)
        return Health(True, self.provider, f"{model} is ready at {self.host}", models=names)

    def _line(self) -> Line:
        def client(**options: Any) -> httpx.Client:
            import ollama  # noqa: PLC0415

            made: httpx.Client = ollama.Client(options.pop("base_url"), **options)._client
            return made  # the package offers no other way to send its own fields

        return Line(self.host, self._connect_timeout, server="Ollama", fix="ollama serve", client=client)

    def _attempt(self, line: Line, request: Request, stop: Stop) -> Reply:
        model = self._found(line, request.model, stop)
        window = request.context
        if not self._is_loaded(line, model, request, stop):
            window = self._load(line, model, request, stop)
        must_fit(replace(request, context=window))  # the model's own limit can lie below the size asked for
        refused = ""
        for think in _levels(request.thinking):
            try:
                reply = self._chat(line, model, request, think, stop)
            except ServerSaid as said:
                if said.status != 400 or "think" not in said.words.lower() or think is False:
                    raise refusal(said, self.host, model=request.model, fix=f"ollama pull {request.model}") from None
                refused = refused or _word(think)
                continue
            notes = (f"thinking level '{refused}' was refused; used {_word(think)}",) if refused else ()
            return replace(reply, digest=model.digest, context=window, thinking=_word(think), notes=notes)
        raise AssertionError("the last level is off, and that either answers or raises")

    def _found(self, line: Line, name: str, stop: Stop) -> _Pulled:
        """The model of that name, as the server listed it a few seconds ago or lists it now."""
        at, model = self._seen.get(name, (0.0, None))
        if model is None or time.monotonic() - at > _FRESH:
            model = self._pick(self._pulled(line, stop), name)
            self._seen[name] = (time.monotonic(), model)
        return model

    def _is_loaded(self, line: Line, model: _Pulled, request: Request, stop: Stop) -> bool:
        """Whether this very model is in memory with just the context asked for: then nothing is left to load."""
        return any(
            _same(str(one.get("model") or one.get("name") or ""), model.name)
            and (one.get("digest"), one.get("context_length")) == (model.digest, request.context)
            for one in self._told(line, stop, "/api/ps")
        )

    def _pulled(self, line: Line, stop: Stop, seconds: float = _TALK_SECONDS) -> list[_Pulled]:
        listed = self._told(line, stop, "/api/tags", seconds)
        return [
            _Pulled(
                str(one.get("model") or one.get("name") or ""),
                str(one.get("digest") or ""),
                str(one.get("remote_host") or one.get("remote_model") or ""),
            )
            for one in listed
        ]

    def _pick(self, pulled: list[_Pulled], name: str) -> _Pulled:
        """The model of that name. What is not there is never fetched: that is a person's decision, and gigabytes."""
        found = next((one for one in pulled if _same(one.name, name)), None)
        elsewhere = found.remote if found and found.remote else "ollama.com" if _CLOUD.search(name.lower()) else ""
        if elsewhere and not self._allow_cloud:
            raise _cloud(name, elsewhere)
        if found is None:
            raise ModelAway(f"the model '{name}' is not there", where=self.host, fix=f"ollama pull {name}")
        if not found.digest:
            raise ModelAway(f"the server does not say which '{name}' it has", where=self.host)
        return found

    def _load(self, line: Line, model: _Pulled, request: Request, stop: Stop) -> int:
        """Have the model loaded with the context asked for, and return the context it really has, in tokens."""
        body: dict[str, Any] = {
            "model": model.name,
            "messages": [],
            "keep_alive": self._keep_alive,
            "options": {"num_ctx": request.context},
        }
        try:
            with line.within(self._load_timeout, stop):
                for part in _parts(line, body):
                    if part.get("error"):
                        raise ServerSaid(500, str(part["error"]))
        except Late:
            why = f"it took longer than {self._load_timeout:g} s"
            raise ModelAway(f"'{model.name}' was not loaded", where=self.host, why=why) from None
        except ServerSaid as said:
            raise refusal(said, self.host, model=request.model, fix=f"ollama pull {request.model}") from None
        for one in self._told(line, stop, "/api/ps"):
            if _same(str(one.get("model") or one.get("name") or ""), model.name):
                if one.get("digest") != model.digest:
                    raise ModelAway(f"'{model.name}' was replaced while it was loading", where=self.host)
                return min(count(one.get("context_length")) or request.context, request.context)
        return request.context  # with keep_alive 0 it is unloaded again already

    def _chat(self, line: Line, model: _Pulled, request: Request, think: bool | str, stop: Stop) -> Reply:
        body: dict[str, Any] = {
            "model": model.name,
            "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": request.prompt}],
            "stream": True,
            "think": think,
            "truncate": False,
            "shift": False,
            "keep_alive": self._keep_alive,
            "options": {
                "temperature": SAMPLING if request.seed else 0,
                "seed": request.seed,
                "num_ctx": request.context,
                "num_predict": output_limit(request),
            },
        }
        if request.schema is not None:
            body["format"] = dict(request.schema)
        said: list[str] = []
        last: dict[str, Any] = {}
        try:
            with line.within(request.timeout, stop):
                for part in _parts(line, body):
                    last |= part
                    message = part.get("message")
                    said.append(str(message.get("content") or "") if isinstance(message, dict) else "")
                    if (remote := part.get("remote_host") or part.get("remote_model")) and not self._allow_cloud:
                        raise _cloud(model.name, str(remote))
                    if part.get("error") or part.get("done") is True or not _same(str(part.get("model")), model.name):
                        break  # leaving closes the connection, and that stops the server's work
        except Late:
            raise late(request, self.host, started=bool(said)) from None
        answered = str(last.get("model") or "")
        return Reply(
            "".join(said),
            request.model if _same(answered, model.name) or last.get("error") else answered,
            self.provider,
            finished=last.get("done") is True,
            reason=str(last.get("done_reason") or ""),
            error=str(last.get("error") or ""),
            input_tokens=count(last.get("prompt_eval_count")),
            output_tokens=count(last.get("eval_count")),
        )

    def _told(self, line: Line, stop: Stop, path: str, seconds: float = _TALK_SECONDS) -> list[dict[str, Any]]:
        """The models that one of the server's lists names."""
        try:
            with line.within(seconds, stop):
                listed = line.get(path)
                models = listed.get("models") if isinstance(listed, dict) else None
                if not isinstance(models, list):
                    raise ValueError(f"{path} names no models")
        except Late:
            raise ModelAway("Ollama does not answer", where=self.host, why=f"{path} took over {seconds:g} s") from None
        except ServerSaid as said:
            raise refusal(said, self.host) from None
        return [one for one in models if isinstance(one, dict)]


def _parts(line: Line, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects of a streamed answer, one on each line."""
    return (json_object(part) for part in line.lines("/api/chat", body) if part.strip())


def _levels(thinking: str) -> tuple[bool | str, ...]:
    """The `think` values to try. Always explicit: the server's own default is on."""
    return (False,) if thinking == "off" else (thinking, True, False)


def _word(think: bool | str) -> str:
    return think if isinstance(think, str) else "on" if think else "off"


def _same(name: str, other: str) -> bool:
    return _full(name) == _full(other)


def _full(name: str) -> str:
    """A name with its tag; the server reads names without regard to case."""
    name = name.lower()
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _cloud(name: str, remote: str) -> Refused:
    return Refused(
        f"'{name}' does not run on this machine",
        where=remote,
        why="the text of the task would leave it",
        fix="choose a local model, or set ollama.allow_cloud in this machine's config.toml",
    )
