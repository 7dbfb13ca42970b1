"""What the enemy does. Each fault is a function that does it, lets it last, and takes back what the world must not keep
(a hook, a lock on the server). Workers that it killed are dead afterwards: the round starts them again, as a service
manager would."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.nemesis.commits import log
from tests.nemesis.expect import claim_ref
from tests.nemesis.machine import Machine
from tests.nemesis.rewinding import MAIN, rewind
from tests.nemesis.world import World
from tests.remotes import Hook, Proxy, delaying, refusing, taking_over

Fault = Callable[[World], None]


def kill_worker(world: World) -> None:
    """kill -9 of the worker's main process; it is started again after a moment."""
    machine = world.machine()
    world.note(f"kill -9 {machine}")
    machine.kill()
    world.pause(0.1, 2)
    machine.start()


def kill_child(world: World) -> None:
    """kill -9 of any process below the worker's: a worker process, a git that is at work."""
    machine = world.machine()
    for _ in range(world.rng.randint(1, 4)):
        if children := machine.children():
            pid = world.rng.choice(children)
            world.note(f"kill -9 {pid}, a child of {machine}")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        world.pause(0.1, 0.7)


def freeze(world: World) -> None:
    """SIGSTOP of everything on a machine for longer than the lease, then SIGCONT: a zombie."""
    machine = world.machine()
    if not machine.alive:
        return
    seconds = world.plan.lease * world.rng.uniform(1.2, 1.8)
    world.note(f"freeze {machine} for {seconds:.1f} s")
    machine.freeze()
    world.pause(seconds)
    machine.thaw()


def cut(world: World) -> None:
    """The network of a machine cuts every connection after so many bytes."""
    machine, proxy = _networked(world)
    way, size = world.rng.choice(("up", "down")), int(10 ** world.rng.uniform(0, 4.5))
    world.note(f"cut {machine} after {size} bytes {way}")
    proxy.cut_after(**{way: size})
    world.pause(1, 4)
    proxy.heal()


def refuse_connections(world: World) -> None:
    """Nobody answers at the remote's address, for one machine."""
    machine, proxy = _networked(world)
    world.note(f"refuse connections of {machine}")
    proxy.refuse()
    proxy.cut_all()
    world.pause(2, 6)
    proxy.heal()


def black_hole(world: World) -> None:
    """The network of a machine swallows everything, often for longer than the lease."""
    machine, proxy = _networked(world)
    seconds = world.plan.lease * world.rng.uniform(0.4, 1.6)
    world.note(f"black hole around {machine} for {seconds:.1f} s")
    proxy.black_hole()
    world.pause(seconds)
    proxy.heal()


def slow_network(world: World) -> None:
    machine, proxy = _networked(world)
    world.note(f"slow network of {machine}")
    proxy.delay(world.rng.uniform(0.05, 0.4))
    world.pause(2, 5)
    proxy.heal()


def server_errors(world: World) -> None:
    """The host answers 500 or 503 (http), or refuses connections of all machines."""
    if world.remote.http:
        world.remote.http.fault = world.rng.choice((500, 502, 503))
        world.note(f"the host answers {world.remote.http.fault}")
        world.pause(1, 4)
        world.remote.http.fault = 0
    else:
        refuse_connections(world)


def slow_host(world: World) -> None:
    hook = delaying(world.rng.uniform(0.3, 2), refs=world.rng.choice(("*", MAIN, "refs/gofer/claims/*")))
    _hooked(world, hook, "the host is slow to take a push")


def host_refuses_claims_once(world: World) -> None:
    """The host refuses a push of claims, once or twice, for no reason that lasts."""
    hook = refusing("try again later", refs="refs/gofer/claims/*", times=world.rng.randint(1, 2), creating=True)
    _hooked(world, hook, "the host refuses claims")


def take_over(world: World) -> None:
    """The server moves claims to a thief in the middle of the pushes that renew or publish them."""
    _hooked(world, taking_over(times=world.rng.randint(1, 2)), "claims are taken over in the middle of a push")


def stale_claim_lock(world: World) -> None:
    """A lock lies on the claim refs of tasks that are still to be done, and then goes away."""
    ended = {outcome.task for commit in log(world.bare.path, MAIN) for outcome in commit.outcomes}
    waiting = [task.id for task in world.book.asked if task.ends and task.id not in ended]
    chosen = world.rng.sample(waiting, min(3, len(waiting)))
    _locked(world, [claim_ref(task) for task in chosen])


def stale_branch_lock(world: World) -> None:
    """A lock lies on the branch on the server, and then goes away."""
    _locked(world, [MAIN])


def skew(world: World) -> None:
    """The wall clock of a machine is wrong from now on, by up to two hours; the worker is started anew with it."""
    machine = world.machine()
    machine.skew = world.rng.choice((-7200.0, -600.0, -5.0, 0.0, 5.0, 600.0, 7200.0))
    world.note(f"the clock of {machine} is wrong by {machine.skew:g} s")
    _told(world, machine.end())
    machine.start()


def stop_and_resume(world: World) -> None:
    machine = world.machine()
    world.note(f"gofer stop --now, then resume, on {machine}")
    _verb(world, machine, "stop", "--now")
    world.pause(0.5, 3)
    _verb(world, machine, "resume")
    machine.start()


def stop_everywhere(world: World) -> None:
    machine = world.machine()
    world.note(f"gofer stop --all, then resume, on {machine}")
    _verb(world, machine, "stop", "--all")
    world.pause(2, 4)
    _verb(world, machine, "resume")
    for each in world.machines:
        each.start()


def lose_cache(world: World) -> None:
    """A part of the state folder that is only a cache is gone after a restart."""
    machine = world.machine()
    what = world.rng.choice(("objects.git", "net.git", "fetch.git", "lives", "board.json"))
    world.note(f"{what} of {machine} is deleted while it is stopped")
    _told(world, machine.end())
    for folder in machine.state_folders():
        target = folder / what
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
    machine.start()


ALL: dict[str, Fault] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        kill_worker, kill_child, freeze, cut, refuse_connections, black_hole, slow_network, server_errors, slow_host,
        host_refuses_claims_once, take_over, stale_claim_lock, stale_branch_lock, skew, stop_and_resume,
        stop_everywhere, lose_cache,
    )
}  # fmt: skip


def chosen(world: World) -> Iterator[tuple[str, Fault]]:
    """The faults of a round in their order: as the seed wills, none twice before all were there."""
    names = [name for name in ALL if not world.plan.only or name in world.plan.only]
    for number in range(world.plan.faults):
        if number % len(names) == 0:
            world.rng.shuffle(names)
        name = names[number % len(names)]
        yield name, ALL[name]
    if world.plan.rewind:
        yield "rewind", rewind


def heal(world: World) -> None:
    """Good weather, every worker awake and alive, nobody stopped. A clock that is wrong stays wrong."""
    if world.remote.http:
        world.remote.http.fault = 0
    for machine in world.machines:
        if machine.proxy:
            machine.proxy.heal()
        if machine.frozen:
            machine.thaw()
        machine.start()
    world.person.go_on()
    if world.bare.git("ls-tree", "--name-only", MAIN, "STOP", "STOP.md").strip():
        _verb(world, world.machines[0], "resume")


@contextmanager
def _planted(world: World, refs: list[str]) -> Iterator[list[str]]:
    locks = {ref: world.bare.plant_lock(ref) for ref in refs}
    try:
        yield [ref for ref, lock in locks.items() if lock]
    finally:
        for lock in filter(None, locks.values()):
            lock.unlink(missing_ok=True)


def _locked(world: World, refs: list[str]) -> None:
    with _planted(world, refs) as planted:
        world.note(f"stale locks on {', '.join(planted) or 'nothing'}")
        world.pause(1.5, 4)


def _hooked(world: World, hook: Hook, what: str) -> None:
    world.note(what)
    with world.bare.hooked(hook):
        world.pause(2, 5)


def _networked(world: World) -> tuple[Machine, Proxy]:
    machine = world.machine()
    assert machine.proxy
    return machine, machine.proxy


def _told(world: World, sentence: str) -> None:
    if sentence:
        world.book.violated(sentence)


def _verb(world: World, machine: Machine, *args: str) -> None:
    """3 is "try again later": the remote may be away for other reasons."""
    done = machine.gofer(*args)
    if done.returncode not in (0, 3):
        world.book.violated(f"gofer {' '.join(args)} on {machine} → {done.returncode}: {done.stderr.strip()}")
