"""What a task of the local model costs beyond the model, and what more slots of a server are worth.

`own`: the real engine with a tiny model. A gap is the time between the end of one answer and the coming of the next
question, in a worker with 60 questions before it: all that Gofer does for a task lies in it (report, commit, claim,
finding and loading the model), and nothing of the model's own time.

`slots`: a server that takes a fixed time for each answer, four at once; a hundred tasks, by one worker process and by
four.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

from tests.bench import workers
from tests.bench.place import Place, Vault
from tests.bench.rows import Row, Size
from tests.engine.standin import OllamaStandIn
from tests.engine.tiny_qwen3 import write_tiny_qwen3
from tests.engine.wire import Answer, Json

MODEL = "qwen3:8b"
SECONDS = 0.25  # that an answer of the fixed server takes
_ABOUT = re.compile(r"country (\S+)\?")
GOOD = {"answer": "Lima.", "known": True, "confidence": 0.97}


class Watched(OllamaStandIn):
    """The stand-in that keeps when each question came and its answer ended; with `seconds`, the engine is not asked
    and every answer takes that long, `slots` at once."""

    def __init__(self, models: Mapping[str, Path], seconds: float = 0.0, slots: int = 1) -> None:
        super().__init__(models)
        self.came: list[float] = []
        self.ended: list[float] = []
        self.asked: list[str] = []  # what each question was about
        self._seconds, self._room = seconds, threading.Semaphore(slots)

    def chat(self, body: Json) -> Answer:
        if not body.get("messages"):
            return super().chat(body) if not self._seconds else {"model": body["model"], "done": True}
        self.came.append(time.perf_counter())
        self.asked.append(next(iter(_ABOUT.findall(body["messages"][-1]["content"])), ""))
        return self._parts(body)

    def _parts(self, body: Json) -> Iterator[Json]:
        if self._seconds:
            with self._room:
                time.sleep(self._seconds)
            base = {"model": body["model"], "message": {"role": "assistant", "content": json.dumps(GOOD)}}
            yield {**base, "done": True, "done_reason": "stop", "prompt_eval_count": 400, "eval_count": 20}
        else:
            said = super().chat(body)
            yield from [said] if isinstance(said, dict) else said
        self.ended.append(time.perf_counter())


def own(place: Place, size: Size) -> Iterator[Row]:
    """The median gap between two questions."""
    gaps: list[float] = []
    for _ in range(size.rounds):
        with _serving(place) as server:
            _burst(place, server, size.questions, processes=1)
            # An answer that fails the gate is asked for once more: that is the same task, and no gap of Gofer's.
            spans = sorted(zip(server.came, server.ended, server.asked, strict=True))
            gaps += [later[0] - span[1] for span, later in pairwise(spans) if span[2] != later[2]]
    middle = median(gaps) * 1000
    shown = f"{middle:.1f} ms p50 of {len(gaps)}"
    yield Row("own share of a task of the local model", shown, "-", "-", "≤ 15 ms", middle <= 15)


def slots(place: Place, size: Size) -> Iterator[Row]:
    """A hundred tasks, one at a time and four at a time, on a server with four slots."""
    took = {}
    for processes in (1, 4):
        with _serving(place, SECONDS, 4) as server:
            took[processes] = _burst(place, server, size.slotted, processes=processes)
    ratio = took[1] / took[4]
    yield Row(
        f"{size.slotted} tasks on a server with 4 slots, {SECONDS:g} s each, `--workers 4`", f"{took[4]:.1f} s",
        f"{took[1]:.1f} s one at a time", f"{ratio:.1f} ×", "≥ 3.5 ×", ratio >= 3.5,
    )  # fmt: skip


@contextmanager
def _serving(place: Place, seconds: float = 0.0, slots: int = 1) -> Iterator[Watched]:
    model = place.root / "tiny.gguf"
    if not model.exists():
        write_tiny_qwen3(model)
    with Watched({MODEL: model}, seconds, slots) as server:
        yield server


def _burst(place: Place, server: Watched, count: int, *, processes: int) -> float:
    """Seconds from the drop of so many questions to the last report, in a worker that has answered one before."""
    vault = place.vault(100)
    env = place.env(GOFER_OLLAMA_HOST=server.url)
    with workers.gofer(vault, env, more=("--workers", str(processes))):
        for number in range(processes):
            _question(vault, f"first-{number}")
        vault.wait_for_reports(1 + processes, 60)
        server.came.clear()
        server.ended.clear()
        server.asked.clear()
        for number in range(count):
            _question(vault, f"question-{number}")
        began = time.perf_counter()
        return vault.wait_for_reports(1 + processes + count, 600) - began


def _question(vault: Vault, name: str) -> None:
    text = f"---\nstatus: open\ntype: ask\n---\nWhat is the capital of country {name}?\n"
    (vault.path / "inbox" / f"{name}.md").write_text(text, "utf-8")
