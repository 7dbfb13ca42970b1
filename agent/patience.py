"""Calls that may hang: a file that lies in a cloud, a network disk that is away. They must not hold the worker up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from agent.errors import TryLater

T = TypeVar("T")


class Patience:
    """One thread that makes calls on behalf of another, which waits `seconds` for each and then goes on."""

    def __init__(self, what: str, seconds: float) -> None:
        self.what, self.seconds = what, seconds
        self._calls: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._late = False

    def call(self, function: Callable[[], T]) -> T:
        """The result of `function`, or the exception it raised. TryLater when it takes too long; what it says
        later is not heard, and until then every further call is TryLater at once."""
        if self._late:
            try:
                self._answers.get_nowait()
            except queue.Empty:
                raise self._hangs() from None
            self._late = False
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="gofer-patience", daemon=True)
            self._thread.start()
        self._calls.put(function)
        try:
            ok, answer = self._answers.get(timeout=self.seconds)
        except queue.Empty:
            self._late = True
            raise self._hangs() from None
        if ok:
            result: T = answer
            return result
        raise answer

    def _hangs(self) -> TryLater:
        return TryLater(f"{self.what} does not answer within {self.seconds:g} s", fix="look at the disk it lies on")

    def _serve(self) -> None:
        while True:
            function = self._calls.get()
            try:
                self._answers.put((True, function()))
            except BaseException as error:  # it belongs to the caller, whatever it is
                self._answers.put((False, error))
