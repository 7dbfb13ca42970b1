"""Writes histories as Gofer does, by hand with real git: sound ones, so that tests can break one thing at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.nemesis.commits import GOFER, git
from tests.nemesis.expect import DONE, Expected, claim_ref, task_id
from tests.remotes import Bare, make_bare

PERSON = "ada@example.org"


class Scribe:
    """A remote, and one clone that plays everybody."""

    def __init__(self, place: Path) -> None:
        self.bare: Bare = make_bare(place / "remote.git")
        self.clone = place / "clone"
        git(place, "clone", "-q", str(self.bare.path), str(self.clone))
        self.commit(PERSON, "a vault", {"README.md": "notes\n", "inbox/.gitkeep": ""})
        self.push()

    def commit(self, author: str, message: str, files: Mapping[str, str | None]) -> str:
        """Add, change and (None) delete files, and commit; the new commit."""
        for path, text in files.items():
            target = self.clone / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True) if text is None else target.write_text(text, "utf-8")
        git(self.clone, "add", "-A")
        who = ("-c", f"user.name={author}", "-c", f"user.email={author}")
        git(self.clone, *who, "commit", "-q", "--allow-empty", "-m", message)
        return git(self.clone, "rev-parse", "HEAD").strip()

    def push(self, *more: str) -> None:
        git(self.clone, "push", "-q", "--atomic", *more[:-1], "origin", "HEAD:main", *more[-1:])

    def drop(self, name: str, text: str, ends: frozenset[str] = DONE, *, token: str = "", file: str = "") -> Expected:
        """The person commits and pushes a task."""
        path = f"inbox/{name}"
        self.commit(PERSON, f"drop {name}", {path: text})
        self.push()
        return Expected(path, task_id(path, text), ends, token=token, file=file)

    def claim(self, task: Expected, worker: str, *, nonce: str = "", lease_s: float = 900, as_task: str = "") -> str:
        """A worker takes, keeps or takes over the claim; its object."""
        nonce = nonce or f"nonce-of-{worker}"
        return self.bare.claim(worker, as_task or task.id, claim_ref(task.id), nonce=nonce, lease_s=lease_s)

    def outcome(
        self,
        task: Expected,
        worker: str,
        *,
        status: str = "done",
        nonce: str = "",
        files: Mapping[str, str | None] | None = None,
    ) -> str:
        """The commit of an outcome, not yet pushed. `files` are changed or (None) left out."""
        report = f"---\ntype: report\ntask: {task.id}\nstatus: {status}\n---\n# Qwen Worker Report\n"
        ledger = f"memory/ledger/{worker}-2026-11-20-01.jsonl"
        so_far = (self.clone / ledger).read_text("utf-8") if (self.clone / ledger).exists() else ""
        wanted: dict[str, str | None] = {
            f"outbox/{task.id}.md": report,
            f"memory/qwen-worker/task-reports/2026-11/2026-11-20-{task.id}-{worker}.md": report,
            f"memory/tasks/2026-11/{task.id}.md": "the task\n",
            ledger: so_far + json.dumps({"v": 1, "task": task.id, "status": status}) + "\n",
        }
        if status == "invalid":
            wanted = {f"outbox/{task.id}.md": report}
        elif (self.clone / task.path).exists():
            wanted[task.path] = None
        if status == "handed-off":
            wanted[f"outbox/handoffs/{task.id}.handoff.md"] = "the hand-off\n"
        if task.token:
            target = self.clone / task.file
            wanted[task.file] = (target.read_text("utf-8") if target.exists() else "") + task.token + "\n"
        wanted.update(files or {})
        trailers = f"Gofer-Task: {task.id}\nGofer-Status: {status}\nGofer-Worker: {worker}\n"
        trailers += f"Gofer-Claim: {nonce or f'nonce-of-{worker}'}\nGofer-Attempt: 1\n"
        changed = {p: t for p, t in wanted.items() if t is not None or (self.clone / p).exists()}
        return self.commit(GOFER, f"gofer: {status} {task.id}\n\n{trailers}", changed)

    def publish(self, task: Expected, *, release: bool = True) -> None:
        """Push what is committed, and in the same push remove the claim as it is."""
        ref = claim_ref(task.id)
        held = self.bare.refs().get(ref)
        if release and held:
            self.push(f"--force-with-lease={ref}:{held}", f":{ref}")
        else:
            git(self.clone, "push", "-q", "origin", "HEAD:main")

    def done(
        self,
        task: Expected,
        worker: str = "alpha-1",
        *,
        status: str = "done",
        files: Mapping[str, str | None] | None = None,
    ) -> str:
        """A worker claims a task, does it and publishes it, all in good order."""
        self.claim(task, worker)
        made = self.outcome(task, worker, status=status, files=files)
        self.publish(task)
        return made
