"""A streamed chat completion, put together from its server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html, of which these servers use `data:` lines with one JSON
object each, comments to keep the connection open, and `data: [DONE]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.models.line import count, error_words, json_object


@dataclass(slots=True)
class Heard:
    """What has come so far. It grows, so that one who is cut off knows whether the answer had begun."""

    text: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)  # who says that it answers; more than one name is a fault
    begun: bool = False  # a token came, of the answer or of the thinking before it
    reason: str = ""  # why it ended; "" while it has not
    error: str = ""
    fingerprint: str = ""
    input_tokens: int = 0
    output_tokens: int = 0

    def listen(self, lines: Iterable[bytes]) -> None:
        """Hear the stream to its end, or to the error in it. Raises ValueError when it is no such stream."""
        for part in _parts(lines):
            if part.get("error") or part.get("object") == "error":
                self.error = error_words(part) or str(part.get("message") or "no reason given")
                return
            self._take(part)

    def _take(self, part: Mapping[str, Any]) -> None:
        if (model := part.get("model")) and str(model) not in self.models:
            self.models.append(str(model))
        self.fingerprint = str(part.get("system_fingerprint") or self.fingerprint)
        if isinstance(usage := part.get("usage"), dict):
            self.input_tokens = count(usage.get("prompt_tokens")) or self.input_tokens
            self.output_tokens = count(usage.get("completion_tokens")) or self.output_tokens
        choices = part.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict) and not choice.get("index"):
                self._hear(choice)

    def _hear(self, choice: Mapping[str, Any]) -> None:
        self.reason = str(choice.get("finish_reason") or self.reason)
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return
        if isinstance(content := delta.get("content"), str) and content:
            self.text.append(content)
        # `reasoning_content` (llama-server, vLLM, DeepSeek) and `reasoning` (OpenRouter, Ollama) are no answer.
        self.begun = self.begun or any(delta.get(key) for key in ("content", "reasoning_content", "reasoning"))


def _parts(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    last: bytes | None = None
    for line in lines:
        if last is not None and last.startswith(b"data:"):
            data = last.removeprefix(b"data:").strip()
            if data == b"[DONE]":
                return
            if data:
                yield json_object(data)
        last = line  # a line counts once its end has come: what follows the last line end was cut off
