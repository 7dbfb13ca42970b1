"""The private repository through which we talk to a remote: objects of our own, what git left, and how it is called.

It is only a cache: damaged, it is made anew. The vault lends its objects and those of its settings that say how to
reach the remote (addresses, credential helper, ssh command); they travel in the environment, where `ps` does not show
them. Nothing is ever written into the vault's own repository.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import shlex
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from agent.git.command import Git, GitError
from agent.git.repository import Repository, mtime

KEPT = 3600.0  # seconds for which objects of our own, such as claims, are kept
_BORROWED = re.compile(r"(url|credential|http|https|ssh|protocol)\.|core\.gitproxy$", re.I)
_OF_REMOTE = ("url", "pushurl", "proxy", "proxyauthmethod", "uploadpack", "receivepack")
# What must not matter here, whatever the person set for their own fetches and pushes.
_OURS = (
    "http.lowSpeedLimit=1000", "http.lowSpeedTime=20", "push.gpgSign=false", "push.pushOption=",
    "core.alternateRefsPrefixes=refs/heads/", "transfer.fsckObjects=false", "fetch.writeCommitGraph=false",
)  # fmt: skip
_OF_OURS = ("mirror=false", "prune=false", "pruneTags=false")
_BATCH = " -oBatchMode=yes -oConnectTimeout=15 -oServerAliveInterval=10 -oServerAliveCountMax=3"


class PrivateRepository:
    """A bare repository outside the vault that knows one of its remotes."""

    def __init__(self, repository: Repository, folder: Path, remote: str) -> None:
        self.repository, self.folder, self.remote = repository, folder, remote
        self._borrowed: tuple[int, tuple[tuple[str, str], ...], str] = (-1, (), "")

    # -- objects of our own ----------------------------------------------------------------------------------------

    def card(self, text: str, when: int) -> str:
        """A commit without parents on the empty tree that carries one line of text; its object id. Written straight
        into the private repository (gitformat-loose: zlib of `<type> <size>\\0<content>`)."""
        tree = self._object(b"tree", b"")
        who = f"Gofer <gofer@localhost> {max(0, when)} +0000"
        return self._object(b"commit", f"tree {tree}\nauthor {who}\ncommitter {who}\n\n{text}\n".encode())

    def card_texts(self, oids: Iterable[str]) -> dict[str, str]:
        """The lines that cards carry, "" for one that is not here or is none. One git for all of them."""
        texts = dict.fromkeys(oids, "")
        if not texts:
            return {}
        asked = "".join(f"{oid}\n" for oid in texts).encode()
        try:
            said = io.BytesIO(self._git().run("cat-file", "--batch", env=self._env(), stdin=asked).out)
        except GitError:
            return texts
        for oid in texts:  # `<id> <type> <size>`, then the object and a line end; or `<id> missing` (git-cat-file(1))
            head = said.readline().split()
            if len(head) == 3:
                body = said.read(int(head[2]) + 1).decode("utf-8", "replace")
                texts[oid] = body.partition("\n\n")[2].strip() if head[1] == b"commit" else ""
        return texts

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
        """Forget cards that nobody needs any more: old ones that no ref here names."""
        named = set(self.private_refs("refs").values())
        for path in (self.folder / "objects").glob("??/*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > KEPT and path.parent.name + path.name not in named:
                    path.unlink()

    def repair(self) -> None:
        """At start: remove the locks and half packs of commands that were killed."""
        if self.folder.is_dir():
            for path in [*self.folder.rglob("*.lock"), *self.packs().glob("tmp_*"), *self.packs().glob("*.keep")]:
                path.unlink(missing_ok=True)

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

    def _git(self) -> Git:
        self._prepare()
        return Git(self.repository.work_tree, self.folder)

    def _prepare(self) -> None:
        """Make the private repository, anew when one can see that it is damaged."""
        try:
            whole = (self.folder / "HEAD").read_bytes().startswith(b"ref: ") and (self.folder / "refs").is_dir()
            whole = whole and self.packs().is_dir() and (self.folder / "config").stat().st_size > 0
        except OSError:
            whole = False
        if not whole:
            self._forget()
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            Git(self.folder.parent).run(
                "init", "--quiet", "--bare", f"--object-format={self.repository.object_format}", "--template=",
                str(self.folder),
            )  # fmt: skip
            self.packs().mkdir(parents=True, exist_ok=True)

    def _forget(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _env(self, *settings: str) -> dict[str, str]:
        """The environment of a command that talks to the remote; `settings` ("key=value") come on top."""
        self._share_depth()
        seen = mtime(self.repository.common_dir / "config")
        if self._borrowed[0] != seen:
            self._borrowed = seen, tuple(self._borrow()), self._ssh()
        of_remote = [f"remote.{self.remote}.{setting}" for setting in _OF_OURS]
        ours = [setting.split("=", 1) for setting in (*_OURS, *of_remote, *settings)]
        pairs = [*self._borrowed[1], *((key, value) for key, value in ours)]
        quoted = str(self.repository.objects).replace("\\", "\\\\").replace('"', '\\"')
        return {
            **{f"GIT_CONFIG_KEY_{number}": key for number, (key, _) in enumerate(pairs)},
            **{f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in enumerate(pairs)},
            "GIT_CONFIG_COUNT": str(len(pairs)),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
            **({"GIT_SSH_COMMAND": self._borrowed[2]} if self._borrowed[2] else {}),
        }

    def _borrow(self) -> Iterator[tuple[str, str]]:
        """What the vault's own settings say about reaching the remote (git(1), GIT_CONFIG_COUNT). Of several addresses
        only the first: compare-and-swap needs one place."""
        said = self.repository.git.run("config", "--local", "--includes", "--null", "--list", ok=(0, 1)).out
        wanted, first = {f"remote.{self.remote}.{key}" for key in _OF_REMOTE}, set[str]()
        for entry in said.decode("utf-8", "surrogateescape").split("\0"):
            key, _, value = entry.partition("\n")
            if (key in wanted and key not in first) or _BORROWED.match(key):
                first.add(key)
                yield key, value

    def _ssh(self) -> str:
        """The person's ssh command, which is told to ask nothing; "" for another program, which may not know how."""
        ssh = os.environ.get("GIT_SSH_COMMAND") or self.repository.config("core.sshCommand") or "ssh"
        try:
            program = shlex.split(ssh)[0]
        except (ValueError, IndexError):
            return ssh
        return ssh + _BATCH if Path(program).name == "ssh" else ssh

    def _share_depth(self) -> None:
        """A shallow vault lends objects whose parents nobody has: its list of them is needed here too."""
        theirs, ours = self.repository.common_dir / "shallow", self.folder / "shallow"
        try:
            said = theirs.read_bytes()
        except OSError:
            ours.unlink(missing_ok=True)
            return
        if not ours.exists() or ours.read_bytes() != said:
            ours.write_bytes(said)
