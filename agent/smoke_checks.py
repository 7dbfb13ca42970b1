"""The ten tasks of the smoke test, and for each the code that tells whether it was really done.

A check gets the vault and its remote, and says what is wrong, "" when nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import frontmatter
from agent.facts import handoffs
from agent.git.command import Git
from agent.text import shorten

REPO = "sample"
OVERDUE, PAID = "Send the invoice to Ada", "Order paper"
ANSWER = "Two remarks: the parser drops the last line, and the test for empty input is missing."
MEETING = "# Meeting\n\nThe demo is on Friday. Ben writes the release notes.\n"
IDEAS = "Ideas for the garden: beans, a bench, less lawn.\n"
LIST = "- order seeds\n"
KEPT = "the only copy of something\n"

# LATE becomes a day in the past.
NOTES = {
    "active-tasks.md": f"# Active\n\n- [ ] {OVERDUE} (due LATE)\n- [x] {PAID} (due LATE)\n",
    "memory/list.md": LIST,
    "memory/meeting.md": MEETING,
    "memory/ideas.md": IDEAS,
    "memory/kept.md": KEPT,
}
REMARKS = {"kept.md": "kept, and edited\n", "planted.md": "new\n"}  # not committed in the listed repository

# By the file's base name, from which a task's id is made.
DROPPED = {
    "write.md": 'Write "Call the plumber before Friday" to memory/todo.md\n',
    "append.md": 'Append "- buy beans" to memory/list.md\n',
    "read.md": "Read memory/meeting.md\n",
    "move.md": "Move memory/ideas.md to memory/archive/\n",
    "keep.md": 'Write "something else" to memory/kept.md\n',
    "heartbeat.md": "---\ntype: heartbeat\n---\n# Heartbeat\n",
    "status.md": "Post a status report\n",
    "repo.md": f"---\ntype: git\nop: status\nrepo: {REPO}\n---\n",
    "broken.md": "---\ntitle: Weekly digest\npriority: hgih\n---\nSummarize the week\n",
    "review.md": "Review PR #214 and leave substantive comments\n",
}


def answer_of(handoff: str) -> str:
    """The file with which the lead answers a hand-off, at no cost."""
    stated = {"type": "answer", "status": "open", "handoff": handoff, "by": "Smoke", "model": "none"}
    return frontmatter.dump({**stated, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0}, f"{ANSWER}\n")


@dataclass(frozen=True, slots=True)
class Scene:
    """What is there to be looked at after the run."""

    vault: Path
    remote: Path
    runs: Sequence[Mapping[str, Any]]  # ledger lines

    def read(self, path: str) -> bytes | None:
        """A file of the work tree, None when it is not there."""
        try:
            return (self.vault / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def pushed(self, path: str) -> bytes | None:
        """The same file as it arrived at the remote."""
        said = Git(self.remote.parent, self.remote).run("show", f"main:{path}", ok=(0, 128))
        return said.out if said.code == 0 else None

    def runs_of(self, name: str) -> list[Mapping[str, Any]]:
        return [run for run in self.runs if str(run.get("task", "")).rpartition("-")[0] == name]

    def report(self, name: str) -> str:
        """The text of a task's one report, "" when there is none or more than one."""
        found = [path for path in (self.vault / "outbox").glob("*.md") if path.stem.rpartition("-")[0] == name]
        return found[0].read_text("utf-8") if len(found) == 1 else ""


def _held(scene: Scene, path: str, wanted: str | None) -> str:
    for place, found in (("the vault", scene.read(path)), ("the remote", scene.pushed(path))):
        if found != (None if wanted is None else wanted.encode()):
            shown = "is missing" if found is None else f"holds {shorten(found.decode('utf-8', 'replace'), 60)!r}"
            return f"{path} in {place} {shown}"
    return ""


def _ended(scene: Scene, name: str, status: str, *words: str) -> str:
    """Report, ledger and remote agree on how a task ended, and the report says these words."""
    text = scene.report(name)
    if not text:
        return "it has no report"
    said = str(frontmatter.read(text).values.get("status", ""))
    if said != status:
        return f"its report says {said or 'no status'}, not {status}"
    if status != "invalid" and [run.get("status") for run in scene.runs_of(name)][-1:] != [status]:
        return f"the ledger has no line that says {status}"
    path = next(p for p in (scene.vault / "outbox").glob("*.md") if p.stem.rpartition("-")[0] == name)
    if scene.pushed(f"outbox/{path.name}") != text.encode():
        return "its report did not arrive at the remote"
    missing = [word for word in words if word not in text]
    return f"its report does not say {missing[0]!r}" if missing else ""


def _write(scene: Scene) -> str:
    return _ended(scene, "write", "done") or _held(scene, "memory/todo.md", "Call the plumber before Friday\n")


def _append(scene: Scene) -> str:
    return _ended(scene, "append", "done") or _held(scene, "memory/list.md", f"{LIST}- buy beans\n")


def _read(scene: Scene) -> str:
    return _ended(scene, "read", "done", MEETING.strip())


def _move(scene: Scene) -> str:
    return (
        _ended(scene, "move", "done")
        or _held(scene, "memory/archive/ideas.md", IDEAS)
        or _held(scene, "memory/ideas.md", None)
    )


def _keep(scene: Scene) -> str:
    found = scene.read("memory/kept.md")
    return _ended(scene, "keep", "failed", "never replaced unasked") or (
        "" if found == KEPT.encode() else "memory/kept.md was changed"
    )


def _heartbeat(scene: Scene) -> str:
    wrong = _ended(scene, "heartbeat", "done", OVERDUE, "overdue")
    return wrong or (f"it flags {PAID!r}, which is done" if PAID in scene.report("heartbeat") else "")


def _status(scene: Scene) -> str:
    return _ended(scene, "status", "done", "Worker: smoke", "Queue: ")


def _repo(scene: Scene) -> str:
    return _ended(scene, "repo", "done", f"{REPO}: on main at ", " M kept.md", "?? planted.md")


def _broken(scene: Scene) -> str:
    wrong = _ended(scene, "broken", "invalid", "Not a task", "line 4", "hgih", "priority: high")
    return wrong or ("" if scene.read("inbox/broken.md") else "the file was taken away")


def _review(scene: Scene) -> str:
    if [run.get("status") for run in scene.runs_of("review")] != ["handed-off", "done"]:
        return "it was not handed off and then done"
    left = [handoff["status"] for handoff in handoffs(scene.vault)]
    if left != ["answered"]:
        return f"its hand-off is {', '.join(left) or 'missing'}, not answered"
    decisions = [path.read_text("utf-8") for path in (scene.vault / "memory/decisions").glob("*-review-*.md")]
    decided = len(decisions) == 1 and ANSWER in decisions[0]
    return _ended(scene, "review", "done", ANSWER) or ("" if decided else "memory/decisions/ lacks the answer")


Check = Callable[[Scene], str]

# task → (what is looked at, the code that looks)
CHECKS: Mapping[str, tuple[str, Check]] = {
    "write": ("the file holds the words, here and at the remote", _write),
    "append": ("the note has one line more and the old ones", _append),
    "read": ("the report holds the note, word for word", _read),
    "move": ("the note is at its new place and not at the old one", _move),
    "keep": ("another text in the file is not overwritten", _keep),
    "heartbeat": ("the overdue item is flagged, the ticked one is not", _heartbeat),
    "status": ("the report names the worker and the queue", _status),
    "repo": ("git status names the edited and the new file", _repo),
    "broken": ("the bad header is told with its line and corrected", _broken),
    "review": ("handed off; the lead's answer closes it", _review),
}
