"""Several clones of one bare remote, each with a home, settings and a state folder of its own, and what must never be
harmed in any of them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from agent import worker
from agent.desk import Desk, Tick
from agent.journal import Record
from agent.newvault import make_vault
from agent.road import road
from agent.text import derived_id
from tests.remotes import Bare, Remote
from tests.support import Vault, git, home_of, processes_of, wait_for

OLD = 300.0  # seconds: a commit of that age is not about to be amended
LONGEST = 60.0  # seconds for one drain; it hangs when it takes longer
SETTINGS = """\
[worker]
name = "{name}"
[watch]
settle_seconds = 0.01
settle_open_seconds = 0.01
[sync]
poll_seconds = 1
"""


def append(text: str, path: str = "notes/log.md") -> str:
    """A task that appends a line to a file."""
    return f'---\ntype: file\nop: append\npath: {path}\ntext: "{text}"\n---\n'


def write(text: str, path: str) -> str:
    """A task that writes a file."""
    return f"Write {text} to {path}\n"


def task_id(name: str, text: str) -> str:
    return derived_id(name, text)


@dataclass(frozen=True, slots=True)
class Clone(Vault):
    """One machine's clone. `config` is its repository's configuration as it was when it was made."""

    name: str = ""
    config: dict[str, bytes] = field(default_factory=dict)

    @property
    def git_dir(self) -> Path:
        return Path(self.git("rev-parse", "--path-format=absolute", "--git-dir").strip())

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD").strip()

    # -- what a person does ----------------------------------------------------------------------------------------

    def commit(self, message: str = "notes", *, age: float = OLD) -> str:
        """The person adds and commits all there is, `age` seconds ago; the new commit."""
        when = f"{int(time.time() - age)} +0000"
        env = {**self.env, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        git(self.root, "add", "-A", env=env)
        git(self.root, "commit", "-q", "--allow-empty", "-m", message, env=env)
        return self.head

    def push(self, *args: str) -> None:
        """The person pushes their branch."""
        self.git("push", "-q", *(args or ("origin", "HEAD")))

    def pull(self) -> None:
        """The person pulls, and takes nothing but a fast-forward."""
        self.git("pull", "-q", "--ff-only")

    def share(self, path: str, text: str) -> None:
        """The person writes a file, commits and pushes it."""
        self.write(path, text)
        self.commit(f"share {path}")
        self.push()

    # -- what Gofer does -------------------------------------------------------------------------------------------

    def drain(self, *, seconds: float = LONGEST) -> list[Record]:
        """What `run --once` does, in this process; the outcomes in their order. Fails when it does not end."""
        records: list[Record] = []
        deadline = time.monotonic() + seconds
        worker.drain(
            self.root, self.env, lambda: time.monotonic() > deadline,
            on_tick=lambda _, tick: records.extend(tick.published),
        )  # fmt: skip
        assert time.monotonic() < deadline, "run --once does not end"
        return records

    @contextmanager
    def desk(self, *, push: bool = True, workers: int | None = None) -> Iterator[Driven]:
        """A worker of this clone whose travels the test makes."""
        bell = threading.Event()
        opened = Desk(self.root, self.env, ring=bell.set, push=push, workers=workers)
        try:
            yield Driven(opened, bell)
        finally:
            opened.close()

    def board(self) -> dict[str, object]:
        try:
            found: dict[str, object] = json.loads((self.state / "board.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found

    # -- what there is to see --------------------------------------------------------------------------------------

    def text(self, path: str) -> str:
        return (self.root / path).read_text("utf-8")

    def status(self) -> list[str]:
        """What `git status` shows: two letters and a path each."""
        return self.git("status", "--porcelain", "-uall").splitlines()


@dataclass(slots=True)
class Driven:
    """A desk, travelled by hand."""

    desk: Desk
    bell: threading.Event

    def travel(self) -> Tick:
        """Once along the road, as the loop does."""
        self.bell.clear()
        return worker._travel(self.desk, datetime.now(UTC))

    def look(self) -> None:
        """Look at the remote now."""
        self.desk.catch_up()

    def settle(self, *, travels: int = 400, seconds: float = 20.0) -> list[Record]:
        """Look, then travel until nothing moves any more; the outcomes."""
        self.look()
        ended: list[Record] = []
        deadline = time.monotonic() + seconds
        for _ in range(travels):
            tick = self.travel()
            ended += tick.published
            if not (tick.more or tick.published or tick.running or tick.settling or tick.soon) and (
                not tick.owed or tick.stuck
            ):
                return ended
            assert time.monotonic() < deadline, "nothing comes to rest"
            self.bell.wait(0.02)
        raise AssertionError(f"not at rest after {travels} travels")

    @property
    def said(self) -> dict[str, object]:
        """What `status` tells of the remote."""
        assert self.desk.exchange
        return self.desk.exchange.shown()

    @property
    def stuck(self) -> str:
        return self.desk.outlet.stuck


@dataclass(slots=True)
class Fleet:
    """The clones of one remote. `reader` is one that only a person uses."""

    place: Path
    remote: Remote
    clones: dict[str, Clone] = field(default_factory=dict)
    seed: bool = True

    def __post_init__(self) -> None:
        if self.seed:
            first = self._machine("seed")
            make_vault(first.root, first.state, remote=self.remote.url, schedules=False)
            first.write("notes/log.md", "")
            first.commit("seed")
            first.push("origin", "main")

    @property
    def bare(self) -> Bare:
        return self.remote.bare

    def _machine(self, name: str, settings: str = "") -> Clone:
        place = self.place / name
        env = home_of(place)
        (place / "config.toml").write_text(SETTINGS.format(name=name) + settings, "utf-8")
        return Clone(place / "vault", env, name)

    def clone(self, name: str, *args: str, settings: str = "", url: str = "") -> Clone:
        """Another machine's clone. `settings` are added to the machine's own; `args` go to git clone."""
        made = self._machine(name, settings)
        git(made.root.parent, "clone", "-q", *args, url or self.remote.url, str(made.root), env=made.env)
        made.config.update(config_of(made))
        self.clones[name] = made
        return made

    def pair(self) -> tuple[Clone, Clone]:
        return self.clone("a"), self.clone("b")

    # -- the remote's side -----------------------------------------------------------------------------------------

    def outcomes(self, branch: str = "main") -> Counter[str]:
        """How often each task has an outcome on the remote."""
        said = self.bare.git("log", "--format=%(trailers:key=Gofer-Task,valueonly)", branch)
        return Counter(line for line in said.splitlines() if line)

    def tracked(self, branch: str = "main") -> list[str]:
        listed = self.bare.git("ls-tree", "-r", "-z", "--name-only", branch)
        return [path for path in listed.split("\0") if path]

    def text(self, path: str, branch: str = "main") -> str:
        return self.bare.git("show", f"{branch}:{path}")

    def tip(self, branch: str = "main") -> str:
        return self.bare.git("rev-parse", branch).strip()

    def messages(self, branch: str = "main") -> list[str]:
        return self.bare.git("log", "--format=%s", branch).splitlines()

    def pushes(self, branch: str = "refs/heads/main") -> int:
        """How often the branch was moved on the server."""
        return len(self.bare.reflog(branch))

    # -- what must hold --------------------------------------------------------------------------------------------

    def unharmed(self, *clones: Clone, dirty: Iterable[str] = (), fetched: Sequence[Clone] = ()) -> None:
        """No clone is harmed, and one that only a person uses pulls without trouble."""
        for made in clones or [clone for clone in self.clones.values() if clone.name != "reader"]:
            assert_unharmed(made, dirty=dirty, fetched=made in fetched)
        reader = self.clones.get("reader") or self.clone("reader")
        reader.pull()
        assert reader.status() == []
        assert self.bare.fsck() == ""
        assert self.bare.locks() == []


def config_of(clone: Clone) -> dict[str, bytes]:
    """Every file of the person's own settings in a repository."""
    places = [clone.git_dir / name for name in ("config", "config.worktree", "info/exclude", "info/sparse-checkout")]
    return {str(path): path.read_bytes() for path in places if path.exists()}


def assert_unharmed(clone: Clone, *, dirty: Iterable[str] = (), fetched: bool = False) -> None:
    """G36, I3–I5: nothing of Gofer's in the person's repository but its commits. `dirty`: paths in which the person
    is working. `fetched`: the person has fetched here, so that FETCH_HEAD is theirs."""
    wait_for(lambda: not processes_of(clone.root.parent), what=f"processes to end: {processes_of(clone.root.parent)}")
    assert clone.locks() == []
    assert clone.litter() == []
    shown = {line[3:] for line in clone.status()}
    assert shown <= set(dirty), f"git status shows {shown}"
    assert clone.git("fsck", "--strict", "--no-dangling", "--full") == ""
    assert clone.git("for-each-ref", "refs/gofer") == ""
    assert fetched or not (clone.git_dir / "FETCH_HEAD").exists()
    traces = ("MERGE_HEAD", "rebase-merge", "rebase-apply", "AUTO_MERGE", *(() if fetched else ("ORIG_HEAD",)))
    assert [name for name in traces if (clone.git_dir / name).exists()] == []
    assert config_of(clone) == clone.config
    assert clone.git("stash", "list") == ""


def person_state(clone: Clone, *paths: str) -> Mapping[str, str]:
    """What Gofer must leave byte for byte: what is staged, edited, stashed, and where HEAD stands."""
    return {
        "staged": clone.git("diff", "--cached", "--raw", "--no-abbrev", "--", *paths),
        "edited": clone.git("diff", "--raw", "--no-abbrev", "--", *paths),
        "stash": clone.git("stash", "list", "--format=%H"),
        "head": (clone.git_dir / "HEAD").read_text(),
    }


__all__ = ["Clone", "Driven", "Fleet", "append", "assert_unharmed", "os", "person_state", "road", "task_id", "write"]
