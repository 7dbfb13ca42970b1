"""llama.cpp in this process, from a GGUF file: no server to install, the package `xllamacpp` alone.

One model and one question at a time for the whole process. The file is read once before it is loaded: that is the
slow part of a cold start, and unlike the load itself it can be stopped.
"""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.errors import Doubt, GoferError, ModelAway, TimeUp
from agent.models.base import SAMPLING, Answer, Health, Request, Stop, never
from agent.models.engine import Engine, Late, Said
from agent.models.gate import Reply, gated, must_fit, output_limit
from agent.models.gguf import Digests, Seal, flaw_of, read_through, seal_of, warm
from agent.models.shelf import download_command

_PACKAGE = "xllamacpp"
_INSTALL = "pip install -e '.[embedded]' in the checkout of Gofer"
_TICK = 0.05  # seconds between two tries for the turn
_TURN = threading.Lock()  # llama.cpp takes all cores for one question


@dataclass(frozen=True, slots=True)
class _Loaded:
    engine: Engine
    seal: Seal
    digest: str


class Embedded:
    """The model in the GGUF file `path`. `context` is the size in tokens that `preload` uses, `threads` 0 means as
    many as there are cores, `load_timeout` is seconds, `state` is a folder in which the file's digest is remembered.
    """

    provider = "embedded"

    def __init__(
        self,
        path: Path,
        *,
        context: int = 8192,
        threads: int = 0,
        load_timeout: float = 300.0,
        state: Path | None = None,
    ) -> None:
        self.path = path.expanduser().absolute()
        self._context, self._threads, self._load_timeout = context, threads, load_timeout
        self._digests = Digests(state)
        self._loaded: _Loaded | None = None

    @property
    def name(self) -> str:
        """The one model that this backend has: the file's name without `.gguf`."""
        return self.path.stem if self.path.suffix.lower() == ".gguf" else self.path.name

    def ask(self, request: Request, *, stop: Stop = never) -> Answer:
        """The gated answer. Another `request.context` than before loads the model anew."""
        if request.model != self.name:
            raise self._other(request.model)
        with _turn(stop):
            return gated(lambda asked: self._attempt(asked, stop), request)

    def health(self, model: str) -> Health:
        """Whether the package and the file are there and `model` is that file. Never raises, never loads."""
        models = (self.name,) if self.path.is_file() else ()
        trouble = self._missing() or (self._other(model) if model != self.name else None)
        if trouble:
            detail = f"{trouble.what}, {trouble.why}" if trouble.why else trouble.what
            return Health(False, self.provider, detail, trouble.fix, models)
        return Health(True, self.provider, f"{model} is ready in {self.path}", models=models)

    def preload(self, *, stop: Stop = never) -> None:
        """Load now instead of with the first question. Raises ModelAway or TimeUp."""
        with _turn(stop):
            self._load(self._context, stop)

    def close(self) -> None:
        """Unload; waits for a question that is being answered. A later question loads again."""
        with _turn(never):
            self._unload()

    def _attempt(self, request: Request, stop: Stop) -> Reply:
        loaded = self._load(request.context, stop)
        must_fit(replace(request, context=loaded.engine.window))  # the model's own limit can lie below the size asked
        started = threading.Event()
        try:
            with loaded.engine.within(request.timeout, stop):
                reply = self._chat(loaded.engine, request, started)
        except Late:
            raise self._late(request, started=started.is_set()) from None
        except Said as said:
            raise self._refusal(said, request) from None
        return replace(reply, digest=loaded.digest, context=loaded.engine.window)

    def _chat(self, engine: Engine, request: Request, started: threading.Event) -> Reply:
        thinking = request.thinking != "off"
        said: list[str] = []
        answered, reason, error, ended = "", "", "", False
        usage: dict[str, Any] = {}
        for event in engine.stream(self._question(request, thinking)):
            ended = not event
            answered = str(event.get("model") or answered)
            usage = event.get("usage") or usage
            if event.get("error"):
                error = str(event["error"].get("message") if isinstance(event["error"], dict) else event["error"])
                break
            for choice in event.get("choices") or ():
                delta = choice.get("delta") or {}
                said.append(str(delta.get("content") or ""))  # thinking comes in a field of its own, and stays there
                if delta.get("content") or delta.get("reasoning_content"):
                    started.set()
                reason = str(choice.get("finish_reason") or reason)
        unknown = thinking and request.thinking != "on"
        return Reply(
            "".join(said),
            answered or request.model,
            self.provider,
            thinking="on" if thinking else "off",
            finished=ended and bool(reason),
            reason=reason,
            error=error,
            input_tokens=int(usage.get("prompt_tokens") or 0),
            output_tokens=int(usage.get("completion_tokens") or 0),
            notes=(f"llama.cpp knows no thinking level '{request.thinking}'; used on",) if unknown else (),
        )

    def _question(self, request: Request, thinking: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.name,
            "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": request.prompt}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": SAMPLING if request.seed else 0,
            "seed": request.seed,
            "max_tokens": output_limit(request),
            "chat_template_kwargs": {"enable_thinking": thinking},
        }
        if request.schema is not None:
            schema = {"name": "answer", "schema": dict(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _load(self, context: int, stop: Stop) -> _Loaded:
        """The model with that context: the one that is loaded, or loaded now."""
        if trouble := self._missing():
            raise trouble
        try:
            seal = seal_of(self.path)
            if (have := self._loaded) and have.engine.context == context and have.seal == seal:
                return have
            self._unload()  # first: two at once may not fit
            digest = self._read(seal, stop)
            engine = Engine(self.path, self.name, context, self._threads)
            self._loaded = _Loaded(engine, seal, digest)
            if seal_of(self.path) != seal:
                self._unload()
                raise self._away(f"'{self.name}' was replaced while it was loading")
        except OSError as error:
            raise self._away(f"'{self.name}' cannot be read", error.strerror or str(error)) from None
        except ImportError as error:
            raise self._away("llama.cpp cannot be started", str(error).partition("\n")[0], _INSTALL) from None
        except RuntimeError as error:
            why = f"llama.cpp refused it ({error}): the file is damaged, or memory is short for {context} tokens"
            fix = f"{download_command(self.name)} brings it again; a smaller model needs less memory"
            raise self._away(f"'{self.name}' was not loaded", why, fix) from None
        return self._loaded

    def _unload(self) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded:
            loaded.engine.close()

    def _read(self, seal: Seal, stop: Stop) -> str:
        """The digest. Either way the file is in the system's memory afterwards, as far as that is large enough."""
        end = time.monotonic() + self._load_timeout

        def look() -> None:
            if stop():
                raise TimeUp("the run was stopped while the model was loading")
            if time.monotonic() >= end:
                raise self._away(f"'{self.name}' was not loaded", f"it took longer than {self._load_timeout:g} s")

        look()
        if digest := self._digests.known(self.path, seal):
            warm(self.path, look)
        else:
            digest = read_through(self.path, look)
            self._digests.keep(self.path, seal, digest)
        return digest

    def _missing(self) -> ModelAway | None:
        """What has to be brought before anything can be loaded."""
        if importlib.util.find_spec(_PACKAGE) is None:
            return self._away(f"the package {_PACKAGE} is not installed", fix=_INSTALL)
        if not self.path.is_file():
            return self._away("the model's file is not there", fix=download_command(self.name))
        if flaw := flaw_of(self.path):
            return self._away("the model's file cannot be used", flaw, download_command(self.name))
        return None

    def _other(self, model: str) -> ModelAway:
        fix = f"name '{self.name}', or set embedded.path in this machine's config.toml to the file of '{model}'"
        return self._away(f"the model '{model}' is not there", f"the embedded model is '{self.name}'", fix)

    def _away(self, what: str, why: str = "", fix: str = "") -> ModelAway:
        return ModelAway(what, where=str(self.path), why=why, fix=fix)

    def _late(self, request: Request, *, started: bool) -> GoferError:
        what, why = f"'{request.model}' did not finish its answer", f"it took longer than {request.timeout:g} s"
        if started:  # the same question would take as long again, so waiting does not help
            return Doubt(what, reason="failed", tried=f"{request.model}: {why}", where=str(self.path), why=why)
        return self._away(what, why)

    def _refusal(self, said: Said, request: Request) -> GoferError:
        words = said.words[:300] or f"HTTP {said.status}"
        if "context size" in words:
            what = "the question does not fit the model"
            return Doubt(what, reason="too-long", tried=f"{request.model}: {words}", why=words)
        if said.status == 400:
            return Doubt(
                "llama.cpp refused the question", reason="failed", tried=f"{request.model}: {words}", why=words
            )
        return self._away("llama.cpp is failing", f"HTTP {said.status}: {words}")


@contextmanager
def _turn(stop: Stop) -> Iterator[None]:
    """This process's one place at the engine. Raises TimeUp when `stop()` while it is taken."""
    while not _TURN.acquire(timeout=_TICK):
        if stop():
            raise TimeUp("the run was stopped while another question was being answered")
    try:
        yield
    finally:
        _TURN.release()
