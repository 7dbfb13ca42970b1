"""Talking to the remote: fetch, push and list refs, from a private bare repository with the person's own credentials.

Nothing of it happens in the vault's repository: a fetch or push that is killed leaves its locks and half packs here.
The vault lends its objects and those of its settings that say how to reach the remote (addresses, credential helper,
ssh command); they travel in the environment, where `ps` does not show them.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from agent.errors import CredentialsRefused, RemoteAway, TryLater
from agent.git.command import Git, GitError
from agent.git.repository import Repository, mtime

DEADLINE = 60.0  # seconds for one exchange with the remote
TIP = "refs/gofer/tip"  # where the private repository keeps the remote's branch
KEPT = 3600.0  # seconds for which objects of our own, such as claims, are kept
_BORROWED = re.compile(r"(url|credential|http|https|ssh)\.|core\.(sshcommand|gitproxy)$", re.I)
_OF_REMOTE = ("url", "pushurl", "proxy", "proxyauthmethod", "uploadpack", "receivepack")
_SLOW = ("http.lowSpeedLimit=1000", "http.lowSpeedTime=20", "push.followTags=false", "push.gpgSign=false",
         "fetch.unpackLimit=1", "core.alternateRefsPrefixes=refs/heads/", "transfer.fsckObjects=false")  # fmt: skip
_BATCH = " -oBatchMode=yes -oConnectTimeout=15 -oServerAliveInterval=10 -oServerAliveCountMax=3"
_AUTH = re.compile(
    r"Authentication failed|could not read (Username|Password)|Permission denied|Invalid username or "
    r"password|Host key verification failed|error: 40[13]|terminal prompts disabled",
    re.I,
)
_LINE = re.compile(r"([ +\-*=!])\t[^\t]*:([^\t]+)\t(.*)")
_UNSURE = re.compile(r"failed to update ref|cannot lock|atomic|failed to report|no report|timed? ?out|unable to", re.I)


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


class Network:
    """One remote of one vault. Raises RemoteAway when it does not answer, CredentialsRefused when it knows us not."""

    def __init__(self, repository: Repository, folder: Path, remote: str) -> None:
        self.repository, self.folder, self.remote = repository, folder, remote
        self._config: tuple[int, dict[str, str]] = (-1, {})
        self._lock = threading.Lock()  # the poll runs in a thread of its own

    # -- the three things one can ask ------------------------------------------------------------------------------

    def fetch(self, branch: str, deadline: float = DEADLINE) -> str | None:
        """The remote's tip of a branch (full ref name), with all its objects in the private repository; None when
        the remote has no such branch."""
        with self._lock:
            try:
                self._run("fetch", *_QUIET, "--", self.remote, f"+{branch}:{TIP}", deadline=deadline)
            except GitError as error:
                if "couldn't find remote ref" in error.stderr:
                    return None
                raise self._failure(error) from None
            return (self.folder / TIP).read_text("ascii").strip()

    def fetch_into(self, sources: Mapping[str, str], deadline: float = DEADLINE) -> None:
        """Fetch refs of the remote that are there (patterns too) into refs of the private repository; those that the
        remote no longer has are removed here."""
        with self._lock:
            specs = [f"+{source}:{target}" for source, target in sources.items()]
            try:
                self._run("fetch", *_QUIET, "--prune", "--", self.remote, *specs, deadline=deadline)
            except GitError as error:
                raise self._failure(error) from None

    def refs(self, *patterns: str, heads: bool = False) -> dict[str, str]:
        """The remote's refs that match: name → object id. With `heads` only branches are looked through, which costs
        the same however many claims there are."""
        only = ("--heads",) if heads else ()
        try:
            said = self._run("ls-remote", "--quiet", *only, "--", self.remote, *patterns)
        except GitError as error:
            raise self._failure(error) from None
        pairs = (line.split("\t", 1) for line in said.splitlines() if "\t" in line)
        return {name: oid for oid, name in pairs}

    def push(self, updates: Sequence[Update], *, atomic: bool = False) -> Mapping[str, Told]:
        """Move refs, each by itself or all together. What the remote says of each; RemoteAway when it says nothing,
        and then any of them may have moved all the same."""
        leases = [f"--force-with-lease={u.ref}:{u.expect}" for u in updates if u.expect not in (None, "*")]
        specs = [f"{'+' if u.expect == '*' and u.new else ''}{u.new or ''}:{u.ref}" for u in updates]
        flags = ("--porcelain", "--no-verify", "--no-recurse-submodules", *(("--atomic",) if atomic else ()))
        try:
            done = self._git().run(
                *_settings(), "push", *flags, *leases, "--", self.remote, *specs,
                env=self._env(), deadline=DEADLINE, ok=(0, 1),
            )  # fmt: skip
        except GitError as error:
            raise self._failure(error) from None
        except TryLater as error:
            raise RemoteAway(error.what, where=self.remote, why=error.why) from None
        remarks = "; ".join(
            line.removeprefix("remote:").strip() for line in done.err.splitlines() if line.startswith("remote:")
        )
        told = {ref: _judged(flag, what, remarks) for flag, ref, what in _lines(done.text)}
        return {u.ref: told.get(u.ref, Told(Verdict.UNSURE, remarks or "the remote did not say")) for u in updates}

    # -- objects of our own ----------------------------------------------------------------------------------------

    def card(self, text: str, when: int) -> str:
        """A commit without parents on the empty tree that carries one line of text; its object id. Written straight
        into the private repository (gitformat-loose: zlib of `<type> <size>\\0<content>`)."""
        tree = self._object(b"tree", b"")
        who = f"Gofer <gofer@localhost> {when} +0000"
        return self._object(b"commit", f"tree {tree}\nauthor {who}\ncommitter {who}\n\n{text}\n".encode())

    def card_text(self, oid: str) -> str:
        """The line that a card carries, "" when it is not here or is none."""
        try:
            said = self._git().run("cat-file", "commit", oid, env=self._env()).text
        except GitError:
            return ""
        return said.partition("\n\n")[2].strip()

    def packs(self) -> Path:
        """Where fetched packs arrive."""
        return self.folder / "objects" / "pack"

    def private_refs(self, prefix: str) -> dict[str, str]:
        """Refs of the private repository below a prefix, read from their files."""
        top = self.folder / prefix
        return {
            path.relative_to(self.folder).as_posix(): path.read_text("ascii").strip()
            for path in sorted(top.rglob("*"))
            if path.is_file() and not path.name.endswith(".lock")
        }

    def prune(self) -> None:
        """Forget cards that nobody needs any more."""
        for path in (self.folder / "objects").glob("??/*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > KEPT:
                    path.unlink()

    def _object(self, kind: bytes, content: bytes) -> str:
        self._prepare()
        whole = kind + b" %d\0" % len(content) + content
        oid = hashlib.new(self.repository.object_format, whole, usedforsecurity=False).hexdigest()
        path = self.folder / "objects" / oid[:2] / oid[2:]
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            part = path.with_name(f"tmp_obj_{secrets.token_hex(6)}")
            part.write_bytes(zlib.compress(whole, 1))
            os.replace(part, path)
        return oid

    # -- how git is called -----------------------------------------------------------------------------------------

    def _run(self, *args: str, deadline: float = DEADLINE) -> str:
        git = self._git()
        try:
            return git.run(*_settings(), *args, env=self._env(), deadline=deadline).text
        except TryLater as error:
            if "disk" in error.what:
                raise
            raise RemoteAway(error.what, where=self.remote, why=error.why) from None

    def _git(self) -> Git:
        self._prepare()
        return Git(self.repository.work_tree, self.folder)

    def _prepare(self) -> None:
        """Make the private repository, anew when it is damaged: it is only a cache."""
        try:
            whole = (self.folder / "HEAD").read_bytes().startswith(b"ref: ") and (self.folder / "refs").is_dir()
            whole = whole and self.packs().is_dir() and (self.folder / "config").stat().st_size > 0
        except OSError:
            whole = False
        if not whole:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            Git(self.folder.parent).run(
                "init", "--quiet", "--bare", f"--object-format={self.repository.object_format}", "--template=",
                str(self.folder),
            )  # fmt: skip
            self.packs().mkdir(parents=True, exist_ok=True)

    def repair(self) -> None:
        """At start: remove the locks and half packs of commands that were killed."""
        if self.folder.is_dir():
            for path in [*self.folder.rglob("*.lock"), *self.packs().glob("tmp_*"), *self.packs().glob("*.keep")]:
                path.unlink(missing_ok=True)

    def _env(self) -> dict[str, str]:
        seen = mtime(self.repository.common_dir / "config")
        if self._config[0] != seen:
            self._config = seen, dict(self._borrowed())
        quoted = str(self.repository.objects).replace("\\", "\\\\").replace('"', '\\"')
        return {**self._config[1], "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"'}

    def _borrowed(self) -> Iterator[tuple[str, str]]:
        """What the vault's own settings say about reaching the remote, as variables of git's (git(1), GIT_CONFIG_*)."""
        said = self.repository.git.run("config", "--local", "--includes", "--null", "--list", ok=(0, 1)).out
        wanted = {f"remote.{self.remote}.{key}" for key in _OF_REMOTE}
        count, ssh = 0, ""
        for entry in said.decode("utf-8", "surrogateescape").split("\0"):
            key, _, value = entry.partition("\n")
            if key == "core.sshcommand":
                ssh = value
            if key in wanted or _BORROWED.match(key):
                yield f"GIT_CONFIG_KEY_{count}", key
                yield f"GIT_CONFIG_VALUE_{count}", value
                count += 1
        yield "GIT_CONFIG_COUNT", str(count)
        ssh = os.environ.get("GIT_SSH_COMMAND") or ssh or self.repository.config("core.sshCommand") or "ssh"
        if Path(ssh.split()[0]).name == "ssh":  # another program may not know these options
            yield "GIT_SSH_COMMAND", ssh + _BATCH

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
    "--quiet", "--no-tags", "--no-prune", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance",
)  # fmt: skip


def _settings() -> Iterable[str]:
    return [word for setting in _SLOW for word in ("-c", setting)]


def _lines(said: str) -> Iterator[tuple[str, str, str]]:
    """The flag, ref and summary of each line of `git push --porcelain` (git-push(1), Output)."""
    for line in said.splitlines():
        if found := _LINE.fullmatch(line):
            yield found[1], found[2], found[3]


def _judged(flag: str, what: str, remarks: str) -> Told:
    if flag != "!":
        return Told(Verdict.DONE)
    if "stale info" in what:
        return Told(Verdict.STALE, what)
    if "non-fast-forward" in what or "fetch first" in what or "needs force" in what:
        return Told(Verdict.BEHIND, what)
    if "[remote rejected]" in what and not _UNSURE.search(what):
        return Told(Verdict.REFUSED, f"{what.removeprefix('[remote rejected] ').strip('()')}: {remarks}".strip(": "))
    return Told(Verdict.UNSURE, remarks or what)
