"""A crash at every numbered durable step of a worker with a remote: after the next start each task has ended exactly
once, there and here."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.remotes import served
from tests.support import wait_for
from tests.sync.support import Clone, Fleet, append, write

FULL = bool(os.environ.get("GOFER_FULL_SWEEP"))
MOST = 60  # steps; the sweep ends where the run ends by itself
KNOWN = {"attempts counted", "outcomes recorded", "commit built", "pushed", "files followed", "branch followed",
         "inbox cleared", "change applied"}  # fmt: skip
SHARED = {"append.md": append("shared"), "review.md": "Review PR #214 and leave substantive comments\n"}
LOCAL = {"write.md": write("42", "notes/answer.md"), "more.md": append("local"),
         "broken.md": "---\npriority: hgih\n---\nWrite 1 to notes/never.md\n"}  # fmt: skip
STAGED, EDITED = "notes/staged.md", "notes/edited.md"


@contextmanager
def prepared(place: Path, kind: str) -> Iterator[tuple[Fleet, Clone]]:
    """A clone with shared and local tasks, a person at work in it; `kind` says how it stands to its remote."""
    place.mkdir()
    with served(place / "remote.git", "path") as remote:
        fleet = Fleet(place, remote)
        a, b = fleet.pair()
        a.write(EDITED, "as committed\n")
        for name, text in SHARED.items():
            a.drop(name, text)
        a.commit("what was there before")
        a.push()
        if kind == "diverged":
            b.pull()
            b.share("notes/theirs.md", "theirs\n")
            a.write("notes/mine.md", "mine\n")
            a.commit("mine")
        a.write(EDITED, "as edited\n")
        a.write(STAGED, "staged\n")
        a.git("add", STAGED)
        for name, text in LOCAL.items():
            a.drop(name, text)
        yield fleet, a


def crash(clone: Clone, step: int) -> str:
    """Run until that step; its name, "" when the run ended before it came to it."""
    done = clone.gofer("run", "--once", GOFER_CRASH_AT=str(step))
    if done.returncode == 137:
        found = re.search(r"crashed at step \d+: (.+)", done.stderr)
        assert found, done.stderr
        return found[1]
    assert "Traceback" not in done.stderr, done.stderr
    return ""


def check(fleet: Fleet, clone: Clone, kind: str) -> None:
    assert set(fleet.outcomes().values()) == {1}, fleet.outcomes()
    assert len(fleet.outcomes()) == 5
    assert Counter(fleet.text("notes/log.md").splitlines()) == {"shared": 1, "local": 1}
    assert fleet.text("notes/answer.md") == "42\n"
    assert Counter(line["task"] for line in clone.ledger()).most_common(1)[0][1] == 1
    assert clone.head == fleet.tip()
    assert clone.inbox() == ["broken.md"]
    assert len(clone.reports()) == 5
    assert fleet.bare.refs("refs/gofer/claims/") == {}
    if kind == "diverged":
        assert [fleet.text(f"notes/{name}.md") for name in ("mine", "theirs")] == ["mine\n", "theirs\n"]
    assert clone.text(EDITED) == "as edited\n"
    assert clone.git("show", f":{EDITED}") == "as committed\n"
    assert clone.git("show", f":{STAGED}") == "staged\n"
    fleet.unharmed(clone, dirty=[STAGED, EDITED, "inbox/broken.md"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["even", "diverged"])
def test_q01_a_crash_at_any_step_of_an_exchange_ends_as_without_it(tmp_path: Path, kind: str) -> None:
    names: dict[int, str] = {}

    def crashed(step: int) -> str:
        with prepared(tmp_path / str(step), kind) as (fleet, a):
            names[step] = crash(a, step)
            wait_for(lambda: not a.processes(), what="the processes of a killed worker to end")
            if locks := [lock for lock in a.locks() if "gofer-index" not in lock]:
                return f"locks: {locks}"
            try:
                a.drain()
                check(fleet, a, kind)
            except AssertionError as error:
                return f"{names[step]}: {error}"
            return ""

    stride = 1 if FULL or kind == "even" else 3
    with ThreadPoolExecutor(2) as pool:
        for low in range(1, MOST, 6 * stride):
            steps = range(low, low + 6 * stride, stride)
            troubles = {step: said for step, said in zip(steps, pool.map(crashed, steps), strict=True) if said}
            assert troubles == {}
            if not any(names[step] for step in steps):  # how results are grouped decides how many steps there are
                break
    missed = KNOWN - set(names.values())  # how results are grouped may shift one step past the number that seeks it
    assert kind != "even" or len(missed) <= 1, missed
