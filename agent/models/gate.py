"""The gate that every reply passes before it counts as an answer. Policy only: a backend brings the reply.

A reply counts when it comes from the model that was asked for, is finished, is not empty, holds no thinking, was made
from the whole prompt, and fits the schema. A reply that does not is asked for once more, in a changed way; then the
question goes one tier up. A question that cannot fit the model's context is never sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from agent.errors import Doubt, GoferError
from agent.models.base import Answer, Request
from agent.models.schema import check
from agent.vault.values import Usage

# Thinking counts against the bound of the output, so a level brings its own share, in tokens.
_THINKING_SHARE = {"off": 0, "low": 1024, "medium": 2048, "high": 4096}
_TEMPLATE_SHARE = 64  # what a chat template adds around two messages
# Thinking marks of Qwen, DeepSeek and Granite, and the control tokens of ChatML, Llama 3 and Harmony.
_LEAK = re.compile(r"</?think(?:ing)?>|<\|\w{1,32}\|?>", re.IGNORECASE)
_WORD = re.compile(r"\S+")
_LETTERS = re.compile(r"[A-Za-z]+")
_SIGN = re.compile(r"[^\sA-Za-z\x80-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a backend brought back, judged by nobody yet. Counts are tokens; 0 means that the server did not say."""

    text: str
    model: str  # the model that answered, spelled as in the request when it is the same
    provider: str
    digest: str = ""
    thinking: str = "off"  # the level that was in force, or "on"
    finished: bool = True  # the server itself said that the answer is complete
    reason: str = "stop"  # why it ended
    error: str = ""  # what the server said when it broke off
    input_tokens: int = 0
    output_tokens: int = 0
    context: int = 0  # the window the model really had
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Flaw:
    """Why a reply does not count. `hint` is what the second try adds; None when a second try would be blind."""

    what: str
    hint: str | None = ""
    reason: str = "bad-answer"
    wider: bool = False  # the second try may use more tokens, and none of them for thinking


def gated(attempt: Callable[[Request], Reply], request: Request) -> Answer:
    """The answer to `request`, from at most two calls of `attempt`; its usage is the sum of both.

    Raises Doubt: `too-long` when the prompt cannot fit or was cut, `bad-answer` when no reply counted. What `attempt`
    raises passes through; its `usage` tells of the first call when it was the second.
    """
    asked = _with_schema(request)
    must_fit(asked)
    first = attempt(asked)
    verdict = _judge(first, asked)
    if isinstance(verdict, Answer):
        return verdict
    again = _changed(asked, verdict)
    if again is None:
        raise _doubt(request, [verdict], [first])
    try:
        second = attempt(again)
    except GoferError as error:
        error.usage = (_usage(first), *error.usage)
        raise
    final = _judge(second, again)
    if isinstance(final, _Flaw):
        raise _doubt(request, [verdict, final], [first, second])
    both = replace(
        final.usage,
        input_tokens=first.input_tokens + second.input_tokens,
        output_tokens=first.output_tokens + second.output_tokens,
        estimated=not all((first.input_tokens, first.output_tokens, second.input_tokens, second.output_tokens)),
    )
    return replace(final, usage=both, notes=(*final.notes, f"asked twice: {verdict.what}"))


def output_limit(request: Request) -> int:
    """The most tokens the model may produce: the answer's own, and the share of the thinking level."""
    return request.max_tokens + _THINKING_SHARE.get(request.thinking, _THINKING_SHARE["high"])


def must_fit(request: Request) -> None:
    """Raises Doubt `too-long` when prompt and answer would not fit `request.context` by a careful estimate."""
    needed = estimate(request.system) + estimate(request.prompt) + _TEMPLATE_SHARE + output_limit(request)
    if needed > request.context:
        raise Doubt(
            "the question does not fit the model",
            reason="too-long",
            tried=f"{request.model} was not asked",
            why=f"it takes about {needed} tokens with the answer, and the context holds {request.context}",
        )


def estimate(text: str) -> int:
    """Tokens of a text, rather too many than too few: three letters of a word, one digit or sign, and other scripts
    a token for every byte but the first of each character."""
    letters = sum(-(-len(run) // 3) for run in _LETTERS.findall(text))
    other_scripts = len(text.encode("utf-8", "replace")) - len(text)
    return letters + len(_SIGN.findall(text)) + other_scripts + text.count("\n")


def _with_schema(request: Request) -> Request:
    # `format` constrains the form; a model that also reads the schema fills it with better sense.
    if request.schema is None:
        return request
    schema = json.dumps(request.schema, ensure_ascii=False, separators=(",", ":"))
    return replace(
        request, prompt=f"{request.prompt}\n\nAnswer with one JSON object of this schema and nothing else:\n{schema}"
    )


def _judge(reply: Reply, request: Request) -> Answer | _Flaw:
    data: Any = None
    text = reply.text.strip()
    if reply.model != request.model:
        return _Flaw(f"'{reply.model}' answered instead of '{request.model}'", hint=None)
    if reply.error:
        return _Flaw(f"the server broke off: {reply.error[:200]}")
    if not reply.finished:
        return _Flaw("the answer ended without its last part")
    if cut := _cut(reply, request):
        return _Flaw(cut, hint=None, reason="too-long")
    if reply.reason == "length":
        return _Flaw("the answer was longer than its limit", "Answer more briefly.", wider=True)
    if reply.reason != "stop":
        return _Flaw(f"the answer ended for the reason '{reply.reason[:40]}'")
    if not text:
        return _Flaw("the answer was empty", "Answer now, without thinking first.", wider=True)
    if _LEAK.search(text):
        return _Flaw("thinking or control text leaked into the answer", "Give the answer alone.", wider=True)
    if request.schema is not None:
        try:
            data = json.loads(text, parse_constant=_no_constant)
            check(data, request.schema)
        except (ValueError, RecursionError) as error:
            what = str(error)[:200] or "it is nested too deeply"
            return _Flaw(f"the answer is not of the form asked for: {what}", f"An earlier answer was wrong: {what}.")
    return Answer(text, _usage(reply), data, reply.notes)


def _usage(reply: Reply) -> Usage:
    return Usage(
        reply.model, reply.provider, reply.digest, reply.input_tokens, reply.output_tokens, thinking=reply.thinking
    )


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _cut(reply: Reply, request: Request) -> str:
    """Why the prompt must have been cut, or "". Tokens never span white space, so every word is at least one."""
    window = min(reply.context or request.context, request.context)
    prompt = f"{request.system}\n{request.prompt}"
    if not reply.input_tokens:  # no count, no proof: then two bytes a token must fit
        fits = len(prompt.encode("utf-8", "replace")) // 2 + output_limit(request) <= window
        return "" if fits else "the server does not say how much of the prompt it read"
    words = sum(1 for _ in _WORD.finditer(prompt))
    if reply.input_tokens < words:
        return f"the server read {reply.input_tokens} tokens of a prompt of {words} words"
    if reply.input_tokens + reply.output_tokens > window:
        return f"the server used {reply.input_tokens + reply.output_tokens} tokens in a context of {window}"
    return ""


def _changed(request: Request, flaw: _Flaw) -> Request | None:
    """The second try: never the same question, since at temperature 0 it would get the same answer."""
    if flaw.hint is None:
        return None
    hint = flaw.hint or "Answer briefly."
    again = replace(request, prompt=f"{request.prompt}\n\n{hint}")
    if flaw.wider:
        again = replace(again, thinking="off", max_tokens=2 * request.max_tokens)
    try:
        must_fit(again)
    except Doubt:
        return None
    return again


def _doubt(request: Request, flaws: list[_Flaw], replies: list[Reply]) -> Doubt:
    times = "once" if len(flaws) == 1 else "twice"
    tried = f"{request.model} was asked {times}: " + "; then ".join(flaw.what for flaw in flaws)
    doubt = Doubt("no answer of the model could be used", reason=flaws[-1].reason, tried=tried, why=flaws[-1].what)
    doubt.usage = tuple(_usage(reply) for reply in replies)  # refused answers cost tokens too
    return doubt
