"""One of many processes that claim tasks, for the bench: ours with refs, or as anybody would with commits.

    python -m tests.bench.claimers refs|commits REMOTE FOLDER NAME COUNT BATCH

It begins with its part of `task-0` …, as machines do that know each other (BATCH 0: all in the same order, fifty at a
time), until every task is claimed, and prints one JSON line: how many it won, how many refs or pushes it sent and lost,
and what it holds.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

from agent.claims import RemoteClaims, Wanted, share
from agent.git.network import Network
from agent.git.repository import Repository
from agent.turns import turn

OTHERS = 8  # processes that claim, this one among them
IN_STEP = 50  # claims in one push of those who all begin at the same end


def refs(remote: str, folder: Path, name: str, count: int, batch: int) -> dict[str, object]:
    """Gofer's claims: many in one push, each won or lost by itself."""
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "remote", "add", "origin", remote], check=True)
    network = Network(Repository(folder), folder / "net.git", "origin")
    claims = RemoteClaims(network, folder / "claims.json", name)
    tasks = [f"task-{number}" for number in range(count)]
    others = {f"claimer-{number}" for number in range(OTHERS)} - {name}
    turns = {task: turn(task, name, others) for task in tasks}
    if batch:
        tasks.sort(key=turns.__getitem__)
    sent = 0
    print("ready", flush=True)
    sys.stdin.readline()
    while tasks:
        own = sum(turns[task][0] == 0 for task in tasks)
        few = min(batch, max(own, share(len(tasks), OTHERS))) if batch else IN_STEP
        some, tasks = tasks[:few], tasks[few:]
        claims.take([Wanted(task, "000000000000", 1) for task in some])
        sent += len(some)
        if batch:  # what others took meanwhile is seen at a look, as a worker sees it with the branch
            taken = {ref.rpartition("/")[2] for ref in network.refs("refs/gofer/claims/*")}
            tasks = [task for task in tasks if claims.ref(task).rpartition("/")[2] not in taken]
    return {"won": len(claims.held), "sent": sent, "lost": sent - len(claims.held), "held": sorted(claims.held)}


def commits(remote: str, folder: Path, name: str, count: int, _batch: int) -> dict[str, object]:
    """A file per claim, committed to the branch and pushed; when that is rejected, pull --rebase and again."""

    def git(*args: str) -> int:
        said = subprocess.run(["git", "-C", str(folder), *args], capture_output=True, check=False)
        return said.returncode

    subprocess.run(["git", "clone", "-q", remote, str(folder)], check=True)
    chance, won, sent = random.Random(name), list[str](), 0
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        free = [n for n in range(count) if not (folder / "claims" / f"task-{n}").exists()]
        if not free:
            return {"won": len(won), "sent": sent, "lost": sent - len(won), "held": won}
        task = f"task-{chance.choice(free)}"
        (folder / "claims").mkdir(exist_ok=True)
        (folder / "claims" / task).write_text(name)
        git("add", "claims")
        git("commit", "-q", "-m", f"claim {task}")
        while True:
            sent += 1
            if git("push", "-q", "origin", "HEAD:main") == 0:
                won.append(task)
                break
            if git("pull", "-q", "--rebase", "origin", "main") != 0:  # somebody else claimed just this one
                git("rebase", "--abort")
                git("reset", "-q", "--hard", "origin/main")
                break


if __name__ == "__main__":
    form, remote, folder, name, count, batch = sys.argv[1:]
    done = {"refs": refs, "commits": commits}[form](remote, Path(folder), name, int(count), int(batch))
    print(json.dumps(done), flush=True)
