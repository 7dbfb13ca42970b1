"""Writing commits: a private bare repository whose long-lived `fast-import` builds them in one synced pack each.

The vault lends its objects to the writer (as alternates, in its environment alone: `git repack --geometric` cannot
do with them before git 2.41); the finished packs are linked into the vault before any ref names them. So the vault
is complete by itself at every moment, no half-written object can ever be in it, and fast-import's `.keep` and crash
files stay out of it. One pack a commit would slow git down, so packs are merged geometrically in quiet moments.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.errors import TryLater
from agent.git.command import Git, GitError, end
from agent.git.repository import Repository

IDENTITY = "Gofer <gofer@localhost>"
MERGE_AT = 48  # packs: merged when there is nothing else to do
MERGE_NOW = 192  # packs: merged before the next commit, whatever is waiting


@dataclass(frozen=True, slots=True)
class Building:
    """A commit under way."""

    parents: tuple[str, ...]
    message: str
    when: int


class Store:
    """Builds commits for one vault. Not thread-safe: the publisher owns it."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository, self.folder = repository, folder
        self.sign = repository.config("gofer.sign") == "true"  # in .git/config: the machine's own word
        self._packs = folder / "objects" / "pack"
        self._writer: subprocess.Popen[bytes] | None = None
        self._linked: set[str] = set()
        self._unmerged = 0  # packs that a failed merge left: the next try comes when there are more

    def commit(self, parent: str | None, message: str, when: int, files: Mapping[str, bytes | None]) -> str:
        """Build a commit: `begin` and `finish`."""
        return self.finish(self.begin(parent, message, when, files))

    def begin(
        self,
        parent: str | None,
        message: str,
        when: int,
        files: Mapping[str, bytes | None],
        *,
        merged: str | None = None,
        tree: str | None = None,
    ) -> Building:
        """Let git build a commit on `parent` (None: the first) that sets each path to its bytes or removes it (None).
        `when` is seconds since 1970. With `merged` it has a second parent, and `tree` is what both come to. No ref
        moves. `finish` must follow."""
        if len(self._linked) - self._unmerged >= MERGE_NOW:
            self.merge_packs()
        lines = [
            b"commit refs/heads/build\nmark :1\n",
            f"committer {IDENTITY} {when} +0000\n".encode(),
            _data(message.encode()),
            f"from {parent}\n".encode() if parent else b"deleteall\n",
            f"merge {merged}\n".encode() if merged else b"",
            f'M 040000 {tree} ""\n'.encode() if tree else b"",
        ]
        for path, content in files.items():
            name = b'"' + path.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
            if content is None:
                lines.append(b"D " + name + b"\n")
            else:
                lines.append(b"M 100644 inline " + name + b"\n" + _data(content))
        reset = b"" if parent else b"reset refs/heads/build\n\n"
        writer = self._writer or self._start()
        assert writer.stdin
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            writer.stdin.write(reset + b"".join(lines) + b"\nget-mark :1\ncheckpoint\nprogress built\n")
            writer.stdin.flush()
        return Building(tuple(name for name in (parent, merged) if name), message, when)

    def finish(self, building: Building) -> str:
        """The object id of the commit that was begun; every object of it is in the vault, durably, when this returns.
        Raises TryLater when git cannot write (the disk, as a rule)."""
        writer = self._writer
        assert writer and writer.stdout and writer.stderr
        commit = writer.stdout.readline().decode().strip()
        if writer.stdout.readline() != b"progress built\n":
            why = "it was stopped"
            with contextlib.suppress(OSError):
                why = writer.stderr.read().decode("utf-8", "replace").strip()[-300:] or why
            self.close()
            raise TryLater("git fast-import could not write the commit", where=str(self.folder), why=why)
        self._link_packs()
        return self._signed(commit, building) if self.sign else commit

    def _signed(self, commit: str, building: Building) -> str:
        """The same commit with a signature, by the key and the program of the person's own git configuration."""
        name, _, address = IDENTITY.rstrip(">").partition(" <")
        who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in (
            ("NAME", name), ("EMAIL", address), ("DATE", f"{building.when} +0000"))}  # fmt: skip
        parents = [word for parent in building.parents for word in ("-p", parent)]
        done = self.repository.git.run(
            "commit-tree", "-S", *parents, f"{commit}^{{tree}}", stdin=building.message.encode(), env=who
        )
        return done.text

    def _start(self) -> subprocess.Popen[bytes]:
        self._prepare()
        quoted = str(self.repository.objects).replace("\\", "\\\\").replace('"', '\\"')
        self._writer = Git(self.folder, self.folder).start(
            "fast-import", "--quiet", "--force", "--date-format=raw",
            env={"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"'},
        )  # fmt: skip
        return self._writer

    def _prepare(self) -> None:
        """Make the private repository, or make it anew when it is damaged: it is only a cache."""
        if not self._is_whole():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            git = Git(self.folder.parent)
            git.run(
                "init", "--quiet", "--bare", f"--object-format={self.repository.object_format}", "--template=",
                str(self.folder),
            )  # fmt: skip
        for old in [*self.folder.glob("fast_import_crash_*"), *(self.folder / "refs" / "heads").glob("build*")]:
            old.unlink(missing_ok=True)  # the branch too: nothing needs it, and a killed writer leaves its lock
        for old in [*self._packs.glob("*.keep"), *self._packs.glob("tmp_*")]:
            old.unlink(missing_ok=True)
        there = set(os.listdir(self._vault_packs)) if self._vault_packs.is_dir() else set()
        self._linked = {p.stem for p in self._packs.glob("*.pack") if {p.name, f"{p.stem}.idx"} <= there}

    def _is_whole(self) -> bool:
        """Whether git would take the folder for a repository (gitrepository-layout(5))."""
        try:
            head = (self.folder / "HEAD").read_bytes()
            folders = all((self.folder / name).is_dir() for name in ("objects", "refs"))
            return folders and head.startswith(b"ref: refs/heads/") and (self.folder / "config").stat().st_size > 0
        except OSError:
            return False

    @property
    def _vault_packs(self) -> Path:
        return self.repository.objects / "pack"

    def _link_packs(self) -> None:
        """Put each new pack into the vault: data first, its index last, as git itself does."""
        target = self._vault_packs
        target.mkdir(exist_ok=True)
        names = set(os.listdir(self._packs))
        done = {name for name in names if name.endswith(".pack") and f"{name.removesuffix('.pack')}.idx" in names}
        fresh = [self._packs / name for name in sorted(done) if name.removesuffix(".pack") not in self._linked]
        for pack in fresh:
            for part in (pack, pack.with_suffix(".idx")):
                _link_or_copy(part, target / part.name)
            self._linked.add(pack.stem)
        if fresh:
            _sync_folder(target)

    def adopt(self, folder: Path, *, loose: bool = False) -> None:
        """Take over the packs that a fetch left in a folder of objects, or the loose objects of a merge: into the
        vault with them, before a ref there names what they hold."""
        packs = sorted(folder.glob("pack/*.idx"))
        for index in packs:
            for part in (index.with_suffix(".pack"), index):  # the index last: it makes the pack one
                if part.exists():
                    _link_or_copy(part, self._vault_packs / part.name)
        if packs:
            _sync_folder(self._vault_packs)
            self._packs.mkdir(parents=True, exist_ok=True)
        for index in packs:  # only now may they go from there: after a crash the same is done again
            for part in (index.with_suffix(".pack"), index):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(part, self._packs / part.name)
            self._linked.add(index.stem)
            for rest in folder.glob(f"pack/{index.stem}.*"):
                rest.unlink(missing_ok=True)
        single = list(folder.glob("??/*")) if loose else []
        for path in single:
            (self.repository.objects / path.parent.name).mkdir(exist_ok=True)
            _link_or_copy(path, self.repository.objects / path.parent.name / path.name)
        for name in {path.parent.name for path in single}:
            _sync_folder(self.repository.objects / name)
        for path in single:
            path.unlink()

    def relink(self) -> None:
        """Put back packs that a `git gc` of the person's removed before a ref named them."""
        there = set(os.listdir(self._vault_packs))
        for name in self._linked:
            pack = self._packs / f"{name}.pack"
            if not {pack.name, f"{name}.idx"} <= there and pack.exists():
                for part in (pack, pack.with_suffix(".idx")):
                    _link_or_copy(part, self._vault_packs / part.name)

    def wants_merging(self) -> bool:
        return len(self._linked) - self._unmerged >= MERGE_AT

    def merge_packs(self) -> None:
        """Merge this store's packs geometrically, so that their number stays logarithmic; nothing may be under way.
        When git cannot (the disk is full) they stay as they are."""
        self.close()
        before = set(self._linked)
        for name in before:
            if not (self._vault_packs / f"{name}.pack").exists():  # the person's gc has taken it over
                for part in self._packs.glob(f"{name}.*"):
                    part.unlink(missing_ok=True)
        try:
            Git(self.folder, self.folder).run("repack", "--geometric=2", "-d", "-l", "-q", "-n", deadline=300)
        except (GitError, TryLater):
            self._unmerged = len(self._linked)
            return
        self._unmerged = 0
        self._link_packs()
        now = {p.stem for p in self._packs.glob("*.pack")}
        for name in before - now:
            for suffix in (".idx", ".pack"):  # the index first: without it nobody opens the pack
                (self._vault_packs / f"{name}{suffix}").unlink(missing_ok=True)
        self._linked &= now

    def close(self) -> None:
        """End the writer. Everything built is already in the vault."""
        if self._writer is not None:
            end(self._writer, 5)
            self._writer = None


def _data(content: bytes) -> bytes:
    return b"data %d\n" % len(content) + content + b"\n"


def _link_or_copy(source: Path, target: Path) -> None:
    """A hard link, or a whole copy under another name first when the state folder is on another disk."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        part = target.with_name(f"tmp_gofer_{os.getpid()}_{target.name}")
        with source.open("rb") as data, part.open("wb") as copy:
            shutil.copyfileobj(data, copy)
            copy.flush()
            os.fsync(copy.fileno())
        os.chmod(part, 0o444)
        os.replace(part, target)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
