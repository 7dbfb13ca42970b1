"""Somebody moves the branch on the remote back by force, and puts it back a few seconds later (G19).

Who has seen what was taken away must pause, and push nothing, until it is there again. Who had not, cannot know: such a
worker finds the tasks in the inbox, free, and does them, perhaps a second time. No protocol can prevent that, for the
claims that told of the first time ended with it. So the two histories are merged as an administrator would, and for
just those tasks the checks allow for two outcomes (`Expectations.redone`); where the two contradict each other the
older history wins, and what these tasks put into such a file may be missing (`overruled`). Everything else is checked
as in every other round.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.nemesis.commits import Outcome, log
from tests.nemesis.world import World
from tests.remotes import Bare
from tests.remotes.ledger import ZERO

MAIN = "refs/heads/main"
_ADMIN = ("-c", "user.name=Admin", "-c", "user.email=admin@example.org")


def rewind(world: World) -> None:
    """Move the branch back, wait, and put it back. No worker that saw it may push meanwhile."""
    world.person.pause()
    now = world.bare.git("rev-parse", MAIN).strip()
    line = world.bare.git("rev-list", "--first-parent", "-8", MAIN).split()
    old = world.rng.choice(line[1:]) if len(line) > 1 else now
    moved = world.bare.git("update-ref", MAIN, old, now, ok=(0, 128)) == "" and world.bare.refs()[MAIN] == old
    if old != now and moved:
        world.book.rewound(now, old)
        seen = [machine.name for machine in world.machines if machine.last_seen() == now]
        world.note(f"the branch on the remote is moved back from {now[:12]} to {old[:12]}, seen by {seen}")
        world.pause(4, 7)
        while (there := world.bare.refs()[MAIN]) == old:
            if world.bare.git("update-ref", MAIN, now, old, ok=(0, 128)) == "" and world.bare.refs()[MAIN] != old:
                break
        else:
            _put_back(world, old, there, now, seen)
    world.person.go_on()


def _put_back(world: World, old: str, there: str, now: str, seen: list[str]) -> None:
    """Somebody went on from the branch that was moved back: both count, if it was nobody who had seen the other."""
    if now in _new(world, there, old):
        world.book.violated(f"G19: {there[:12]} was pushed over a branch that was moved back to {old[:12]}")
        return
    machines = world.book.expectations(tuple(machine.name for machine in world.machines))
    done, before = _outcomes(world, there, old), {outcome.task for outcome in _outcomes(world, now, old)}
    for outcome in done:
        if machines.machine(outcome.worker) in seen:
            who = f"{outcome.worker}, which had seen {now[:12]},"
            world.book.violated(f"G19: {who} published {outcome.task} on a branch that was moved back to {old[:12]}")
    world.note(f"{there[:12]} was pushed by a worker that did not know of {now[:12]}: the two are merged")
    again = {outcome.task for outcome in done}
    while (overruled := merged(world.bare, there, now)) is None:
        there = world.bare.refs()[MAIN]
        again = {outcome.task for outcome in _outcomes(world, there, old)}
    world.book.did_again(again & before, again, overruled)


def merged(bare: Bare, there: str, now: str) -> tuple[str, ...] | None:
    """Merge the two; the files in which they contradicted each other. None when somebody pushed meanwhile."""
    tree, *said = bare.git(
        "-c", "merge.renames=false", "merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", now, there,
        ok=(0, 1),
    ).rstrip("\0\n").split("\0")  # fmt: skip
    names = tuple(dict.fromkeys(said))
    if names:
        tree = _overruled(bare, tree, names, now)
    both = bare.git(*_ADMIN, "commit-tree", tree.strip(), "-p", now, "-p", there, "-m", "both histories").strip()
    bare.git("update-ref", MAIN, both, there, ok=(0, 128))
    return names if both in bare.git("rev-list", MAIN).split() else None


def _overruled(bare: Bare, tree: str, names: Iterable[str], commit: str) -> str:
    """A tree in which some files are as a commit has them."""
    bare.git("read-tree", tree)
    for name in names:
        mode, _, oid = (bare.git("ls-tree", commit, "--", name).split("\t")[0] or f"0 blob {ZERO}").split()
        bare.git("update-index", "--index-info", stdin=f"{mode} {oid}\t{name}\n")
    made = bare.git("write-tree").strip()
    (bare.path / "index").unlink()
    return made


def _new(world: World, tip: str, old: str) -> list[str]:
    return world.bare.git("rev-list", tip, f"^{old}").split()


def _outcomes(world: World, tip: str, old: str) -> list[Outcome]:
    """What ended between two commits."""
    new = set(_new(world, tip, old))
    return [outcome for commit in log(world.bare.path, tip) if commit.oid in new for outcome in commit.outcomes]
