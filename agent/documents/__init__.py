"""The door to documents that others wrote: pages and PDFs are taken apart in a child process with limits, shut in
without network where this machine has a sandbox, so that one that hangs, swells, crashes or takes over a parser ends
that process and reaches nothing else."""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent import process
from agent.errors import Refused, TimeUp
from agent.handlers.doors import Document
from agent.limits import Limits
from agent.sandbox import Box, Sandbox

SECONDS = 45.0  # for one document
LIMITS = Limits(output=16 << 20, memory=1 << 30, file_size=0, processes=8)
MAX_PAGES = 300  # of a PDF
MAX_TEXT = 2 << 20  # characters of one document that are kept; in JSON they fit the output limit
_PROGRAM = Path(__file__).with_name("taking_apart.py")
_PACKAGES = {"html": "trafilatura", "pdf": "pypdf", "text": "charset_normalizer"}


@dataclass(frozen=True, slots=True)
class DocumentReader:
    """Takes documents apart (`agent.handlers.doors.Documents`). `check` raises TimeUp once the run must end; `sandbox`
    shuts the parser in as this machine's settings say."""

    check: Callable[[], None]
    sandbox: Sandbox

    def read(self, kind: str, data: bytes, where: str, charset: str = "") -> Document:
        """The text of a document, and what it says of itself. Raises Refused with the reason when there is none."""
        package = _PACKAGES[kind]
        if importlib.util.find_spec(package) is None:
            raise Refused(
                "this kind of document cannot be read here",
                where=where,
                why=f"the package {package} is not installed",
                fix="pip install -e '.[web]' in the checkout of Gofer",
            )
        argv = [sys.executable, "-I", str(_PROGRAM), kind, str(MAX_PAGES), str(MAX_TEXT), charset]
        level = self.sandbox.level
        with tempfile.TemporaryDirectory(prefix="gofer-document-") as name:
            folder = Path(name).resolve()
            box = Box(folder, folder, readable=(_PROGRAM,))
            env = {"LC_ALL": "C.UTF-8"}
            ready = self.sandbox.ready(
                argv, env, box, where="sandbox", wanted=level != "full", must=level == "restricted"
            )
            try:
                done = process.run(
                    ready.argv, cwd=folder, stdin=data, env=ready.env, timeout=SECONDS, stop=self._over, limits=LIMITS
                )
            except TimeUp:
                self.check()  # the run itself is over, or it is only this document
                why = f"it took more than {SECONDS:g} s"
                raise Refused("the document could not be read", where=where, why=why) from None
        if done.code or done.cut:
            why = _last_line(done.stderr) or "the process that read it died, perhaps for want of memory"
            raise Refused("the document could not be read", where=where, why=why)
        return Document(**json.loads(done.stdout))

    def _over(self) -> bool:
        try:
            self.check()
        except TimeUp:
            return True
        return False


def _last_line(stderr: bytes) -> str:
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
