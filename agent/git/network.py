"""Talking to the remote: fetch, push and list refs, from a private bare repository with the person's own credentials.

Nothing of it happens in the vault's repository: a fetch or push that is killed leaves its locks and half packs in the
private one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from agent.errors import CredentialsRefused, RemoteAway, TryLater
from agent.git.command import Done, GitError, without_secrets
from agent.git.private import PrivateRepository
from agent.git.repository import Repository

DEADLINE = 60.0  # seconds for one exchange with the remote
TIP = "refs/gofer/tip"  # where the private repository keeps the remote's branch
AT_ONCE = 400  # refs in one command: each takes 220 bytes of a command line that holds 128 KiB or more (execve(2))
_FEW = 16  # names that git compares with every ref of the remote; more are quicker found here
_AUTH = re.compile(
    r"Authentication failed|could not read (Username|Password)|Permission denied|Invalid username or "
    r"password|Host key verification failed|error: 40[13]|terminal prompts disabled",
    re.I,
)
# What git says of a repository that a power cut left half written.
_DAMAGED = re.compile(
    r"bad object|loose object|corrupt|broken ref|bad ref|unable to resolve ref|is empty|inflate|unexpected line", re.I
)
_LINE = re.compile(r"([ +\-*=!])\t[^\t]*:([^\t]+)\t(.*)")
_GONE = re.compile(r"couldn't find remote ref (\S+)")
_UNSURE = re.compile(r"failed to update ref|cannot lock|atomic|failed to report|no report|timed? ?out|unable to", re.I)
_FULL_THERE = re.compile(r"No space left on device|Disk quota exceeded|Read-only file system|Input/output error")


class Verdict(Enum):
    """What the remote said of one ref."""

    DONE = "done"  # it is there now; also when it was there before
    STALE = "stale"  # the ref is not what was expected
    BEHIND = "behind"  # the branch has commits that the pushed one does not contain
    REFUSED = "refused"  # a rule of the remote forbids it
    UNSURE = "unsure"  # read the ref: a lock, or the answer was lost


@dataclass(frozen=True, slots=True)
class Told:
    """The remote's answer for one ref, in its own words."""

    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """One ref to move: to `new`, or away (None). `expect` is what must be there: an object id, "" for nothing, None
    for any commit that `new` contains (a fast-forward), `"*"` for whatever is there."""

    ref: str
    new: str | None
    expect: str | None = None


class Network(PrivateRepository):
    """One remote of one vault. Raises RemoteAway when it does not answer, CredentialsRefused when it knows us not."""

    def __init__(self, repository: Repository, folder: Path, remote: str) -> None:
        super().__init__(repository, folder, remote)
        self._lock = threading.Lock()  # the poll runs in a thread of its own

    def fetch(self, branch: str, deadline: float = DEADLINE) -> str | None:
        """The remote's tip of a branch (full ref name), with all its objects in one pack in the private repository;
        None when the remote has no such branch."""
        with self._lock:
            try:
                self._talk("fetch", *_QUIET, "--", self.remote, f"+{branch}:{TIP}", deadline=deadline, unpack=0)
            except GitError as error:
                if "couldn't find remote ref" in error.stderr:
                    return None
                raise self._failure(error) from None
            return (self.folder / TIP).read_text("ascii").strip()

    def fetch_into(self, sources: Mapping[str, str], deadline: float = DEADLINE) -> None:
        """Fetch small refs of the remote that are there (patterns too) into refs of the private repository; those that
        the remote no longer has are removed here."""
        with self._lock:
            self._fetch_those_there(sources, deadline, "--prune")

    def cards(self, refs: Mapping[str, str], deadline: float = DEADLINE) -> dict[str, str]:
        """What the cards at these refs (name → object) say, "" for one that is not there any more or is none."""
        with self._lock:
            self._fetch_those_there(dict.fromkeys(refs, ""), deadline)
        texts = self.card_texts(refs.values())
        return {ref: texts[oid] for ref, oid in refs.items()}

    def _fetch_those_there(self, sources: Mapping[str, str], deadline: float, *flags: str) -> None:
        """Git fetches nothing when one of several refs is gone: then the rest of them. A target "" keeps no ref."""
        left = dict(sources)
        while left:
            specs = [f"+{source}:{target}" if target else f"+{source}" for source, target in left.items()]
            try:
                self._talk("fetch", *_QUIET, *flags, "--", self.remote, *specs, deadline=deadline)
            except GitError as error:
                gone = _GONE.search(error.stderr)
                if gone is None or gone[1] not in left:
                    raise self._failure(error) from None
                if target := left.pop(gone[1]):
                    (self.folder / target).unlink(missing_ok=True)
            else:
                return

    def refs(self, *patterns: str, heads: bool = False, deadline: float = DEADLINE) -> dict[str, str]:
        """The remote's refs of these names, or with a `*` at the end of these beginnings, all without any: name →
        object id. With `heads` only branches are looked through, which costs the same however many claims there are."""
        only = ("--heads",) if heads else ()
        few = patterns if len(patterns) <= _FEW else ()
        try:
            said = self._talk("ls-remote", "--quiet", *only, "--", self.remote, *few, deadline=deadline).text
        except GitError as error:
            raise self._failure(error) from None
        pairs = (line.split("\t", 1) for line in said.splitlines() if "\trefs/" in line and not line.endswith("^{}"))
        exact, beginnings = set(patterns), tuple(p.removesuffix("*") for p in patterns if p.endswith("*"))
        wanted = exact.__contains__ if not beginnings else lambda name: name in exact or name.startswith(beginnings)
        return {name: oid for oid, name in pairs if not patterns or wanted(name)}

    def push(
        self, updates: Sequence[Update], *, atomic: bool = False, deadline: float = DEADLINE
    ) -> Mapping[str, Told]:
        """Move refs, each by itself or all together. What the remote says of each; RemoteAway when it says nothing,
        and then any of them may have moved all the same."""
        size = len(updates) if atomic else AT_ONCE
        told: dict[str, Told] = {}
        for start in range(0, len(updates), size or 1):
            told |= self._push(updates[start : start + size], atomic, deadline)
        return told

    def _push(self, updates: Sequence[Update], atomic: bool, deadline: float) -> dict[str, Told]:
        leases = [f"--force-with-lease={u.ref}:{u.expect}" for u in updates if u.expect not in (None, "*")]
        specs = [f"{'+' if u.expect == '*' and u.new else ''}{u.new or ''}:{u.ref}" for u in updates]
        flags = ("--porcelain", "--no-verify", "--no-recurse-submodules", *(("--atomic",) if atomic else ()))
        args = ("push", *flags, *leases, "--", self.remote, *specs)
        try:
            done = self._talk(*args, deadline=deadline, ok=(0, 1))
        except GitError as error:
            raise self._failure(error) from None
        lines = list(_lines(done.text))
        if done.code and not lines:
            raise self._failure(GitError(args, done.code, done.err, str(self.folder)))
        remarks = without_secrets("; ".join(_remarks(done.err)))
        told = {ref: _judged(flag, without_secrets(what), remarks) for flag, ref, what in lines}
        return {u.ref: told.get(u.ref, Told(Verdict.UNSURE, remarks or "the remote did not say")) for u in updates}

    def _talk(self, *args: str, deadline: float, ok: Sequence[int] = (0,), unpack: int = AT_ONCE) -> Done:
        """One exchange. `unpack`: up to how many objects a fetch leaves loose. The caller judges a GitError."""
        for again in (False, True):
            try:
                git, env = self._git(), self._env(f"fetch.unpackLimit={unpack + 1}")
                return git.run(*args, env=env, deadline=deadline, ok=ok, outside=True)
            except GitError as error:
                self._sweep(args[0])
                if again or not _DAMAGED.search(error.stderr):
                    raise
                self._forget()
            except TryLater as error:
                self._sweep(args[0])
                if "disk" in error.what:
                    raise
                raise RemoteAway(error.what, where=self.remote, why=error.why) from None
        raise AssertionError("unreachable")

    def _sweep(self, command: str) -> None:
        """Remove the half pack that a fetch leaves when it is cut off: on a bad line it would be one at every try."""
        if command == "fetch":
            for path in self.packs().glob("tmp_*"):
                path.unlink(missing_ok=True)

    def _failure(self, error: GitError) -> RemoteAway | CredentialsRefused:
        lines = [line for line in error.stderr.splitlines() if line.strip()] or [error.why]
        why = next((line for line in lines if line.startswith(("fatal:", "ERROR", "ssh:", "error:"))), lines[0])
        if _AUTH.search(error.stderr):
            return CredentialsRefused(
                f"the remote '{self.remote}' refused who we are", where=self.remote, why=why,
                fix=f"git fetch {self.remote} by hand; then let a credential helper or an ssh agent remember",
            )  # fmt: skip
        return RemoteAway(f"the remote '{self.remote}' does not answer", where=self.remote, why=why)


_QUIET = (
    "--quiet", "--refmap=", "--no-tags", "--no-prune", "--no-write-fetch-head", "--no-recurse-submodules",
    "--no-auto-maintenance",
)  # fmt: skip


def _lines(said: str) -> Iterator[tuple[str, str, str]]:
    """The flag, ref and summary of each line of `git push --porcelain` (git-push(1), Output)."""
    for line in said.splitlines():
        if found := _LINE.fullmatch(line):
            yield found[1], found[2], found[3]


def _remarks(said: str) -> Iterator[str]:
    """What the remote itself said."""
    for line in said.splitlines():
        if line.startswith("remote:") and (words := line.removeprefix("remote:").strip()):
            yield words


def _judged(flag: str, what: str, remarks: str) -> Told:
    if flag != "!":
        return Told(Verdict.DONE)
    if "stale info" in what:
        return Told(Verdict.STALE, what)
    if "non-fast-forward" in what or "fetch first" in what or "needs force" in what:
        return Told(Verdict.BEHIND, what)
    if "[remote rejected]" in what and not _UNSURE.search(what) and not _FULL_THERE.search(remarks):
        return Told(Verdict.REFUSED, f"{what.removeprefix('[remote rejected] ').strip('()')}: {remarks}".strip(": "))
    return Told(Verdict.UNSURE, remarks or what)
