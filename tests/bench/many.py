"""The rows on many machines: claims, an inbox drained by four clones, what a poll and a claim cost, the budget."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from statistics import median

from agent.claims import RemoteClaims, Wanted
from agent.git.network import Network
from agent.git.repository import Repository
from tests.bench.place import Place, note_of, until
from tests.bench.rows import Row, Size
from tests.bench.workers import CHECKOUT

WORKERS = 8
CLONES = 4
WARM = 64  # tasks done before the clock starts, so that every worker process is up
MEET = 6.0  # seconds in which clones that started together have seen each other
BATCH = 64  # claims in one push, as the intake asks for them


@dataclass(frozen=True)
class Shared:
    """A bare remote, a person's clone of it, and the workers' clones."""

    place: Place
    folder: Path
    env: Mapping[str, str]

    @property
    def remote(self) -> Path:
        return self.folder / "remote.git"

    def git(self, *args: str, at: Path | None = None) -> str:
        command = ["git", "-C", str(at or self.remote), *args]
        return subprocess.run(command, env=dict(self.env), capture_output=True, text=True, check=True).stdout

    def clone(self, name: str) -> Path:
        self.git("clone", "-q", str(self.remote), str(self.folder / name), at=self.folder)
        return self.folder / name

    def submit(self, count: int, stem: str = "job") -> None:
        """A person commits so many tasks and pushes them."""
        person = self.folder / "person"
        if not person.exists():
            self.clone("person")
        self.git("pull", "-q", "--ff-only", at=person)
        for number in range(count):
            text = (
                f"---\nstatus: open\ntype: file\nop: write\npath: {note_of(f'{stem}-{number}')}\n---\nNote {number}.\n"
            )
            (person / "inbox" / f"{stem}-{number}.md").write_text(text, "utf-8")
        self.git("add", "-A", at=person)
        self.git("commit", "-q", "-m", "tasks", at=person)
        self.git("push", "-q", "origin", "main", at=person)

    def reports(self, stem: str = "job") -> int:
        return self.git("ls-tree", "-r", "--name-only", "main", "outbox/").count(f"outbox/{stem}-")

    def done(self) -> Counter[str]:
        """How often each task ended, by the trailers of the history."""
        return Counter(self.git("log", "--format=%(trailers:key=Gofer-Task,valueonly)", "main").split())


def shared(place: Place, name: str, **env: str) -> Shared:
    folder = place.root / name
    folder.mkdir()
    made = Shared(place, folder, place.env(GOFER_STATE_DIR=str(folder / "state"), **env))
    made.git("init", "-q", "--bare", "--initial-branch=main", str(made.remote), at=folder)
    made.git("config", "core.logAllRefUpdates", "always")
    vault = place.vault(100)
    made.git("push", "-q", str(made.remote), "HEAD:refs/heads/main", at=vault.path)
    return made


# -- claims ------------------------------------------------------------------------------------------------------------


def claims(place: Place, size: Size) -> Iterator[Row]:
    """Eight processes claim the same tasks until none is left, by refs and by commits, in turn."""
    ours = _race(shared(place, "claims-refs"), "refs", size.claims, BATCH)
    theirs = _race(shared(place, "claims-commits"), "commits", size.naive_claims, 0)
    rate, naive = size.claims / ours[0], size.naive_claims / theirs[0]
    yield Row(
        f"claims/s, {WORKERS} processes, the same {size.claims:,} tasks, a bare remote on this disk (by commits: "
        f"{size.naive_claims} tasks)",
        f"{rate:.0f}/s", f"{naive:.1f}/s", f"{rate / naive:.0f} ×", "≥ 15 ×", rate >= 15 * naive,
    )  # fmt: skip
    lost, naive_lost = (sum(w["lost"] for w in said) / sum(w["sent"] for w in said) for _, said in (ours, theirs))
    yield Row("… claims lost to another, of those sent", f"{lost:.1%}", f"{naive_lost:.1%}", "", "≤ 15 %", lost <= 0.15)


def contested(place: Place, size: Size) -> Iterator[Row]:
    """All begin at the same end and want the same tasks."""
    seconds, said = _race(shared(place, "contested"), "refs", size.contested, 0)
    held = Counter(task for worker in said for task in worker["held"])
    double = sum(count > 1 for count in held.values())
    yield Row(
        f"{size.contested:,} tasks, each wanted by {WORKERS} processes, {seconds:.0f} s: won by two, won by none",
        f"{double}, {size.contested - len(held)}", "", "", "0, 0", not double and len(held) == size.contested,
    )  # fmt: skip


def _race(vault: Shared, form: str, count: int, batch: int) -> tuple[float, Sequence[Mapping[str, int]]]:
    """Seconds until every task is claimed, and what each process says."""
    processes = []
    for number in range(WORKERS):
        command = [sys.executable, "-m", "tests.bench.claimers", form, str(vault.remote)]
        command += [str(vault.folder / f"claimer-{number}"), f"claimer-{number}", str(count), str(batch)]
        processes.append(
            subprocess.Popen(command, env=dict(vault.env), cwd=CHECKOUT, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL)
        )
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
    began = time.perf_counter()
    for process in processes:
        assert process.stdin
        process.stdin.write(b"go\n")
        process.stdin.flush()
    said = [json.loads(process.communicate()[0]) for process in processes]
    return time.perf_counter() - began, said


# -- a shared inbox ----------------------------------------------------------------------------------------------------


def drain(place: Place, size: Size) -> Iterator[Row]:
    """Eight workers on four clones, and one naive worker, each on a remote of its own."""
    seconds, done = _drain(shared(place, "drain"), size.shared, {}, per_clone=WORKERS // CLONES)
    spied = shared(place, "drain-spied")  # the same once more, seen through a slower git that notes each answer
    log = _spy(spied.folder)
    path = f"{spied.folder / 'bin'}:{spied.env['PATH']}"
    _, again = _drain(spied, size.shared, {"PATH": path}, per_clone=WORKERS // CLONES, log=log)
    lost, sent = _lost(log)
    naive = shared(place, "drain-naive")
    naive.submit(size.naive_shared)
    clone = naive.clone("worker")
    began = time.perf_counter()
    command = [sys.executable, "-m", "tests.bench.pushing", str(clone), str(size.naive_shared)]
    subprocess.run(command, cwd=CHECKOUT, env=dict(naive.env), check=True)
    theirs = size.naive_shared / (time.perf_counter() - began)
    rate = size.shared / seconds
    yield Row(
        f"{size.shared} trivial tasks, {WORKERS} workers on {CLONES} clones, all reported and on the remote (one naive "
        f"worker: {size.naive_shared} tasks)",
        f"{rate:.0f}/s", f"{theirs:.1f}/s", f"{rate / theirs:.1f} ×", "≥ 4 ×", rate >= 4 * theirs,
    )  # fmt: skip
    twice = sum(n > 1 for run in (done, again) for n in run.values())
    missing = 2 * size.shared - len(done) - len(again)
    yield Row("… done twice, lost, in two runs", f"{twice}, {missing}", "", "", "0, 0", not twice and not missing)
    yield Row(f"… refs lost, of {sent} that were pushed", f"{lost / sent:.1%}", "", "", "≤ 15 %", lost <= 0.15 * sent)


def _drain(
    vault: Shared, count: int, env: Mapping[str, str], *, per_clone: int, warm: int = WARM, log: Path | None = None
) -> tuple[float, Counter[str]]:
    """Seconds from the person's push until the remote has every report. Before, every worker process is up and the
    clones have seen each other: they have done `warm` tasks twice. `log` is empty then."""
    vault.submit(warm, "warm")
    running = []
    for number in range(CLONES):
        clone = vault.clone(f"clone-{number}")
        config = vault.folder / f"config-{number}.toml"
        limit = f"pushes_per_minute = {env['RATE']}\n" if "RATE" in env else ""
        config.write_text(f'[worker]\nname = "bench-{number}"\n[sync]\npoll_seconds = 1.0\n{limit}', "utf-8")
        with (vault.folder / f"clone-{number}.log").open("wb") as said:
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "agent", "run", "--vault", str(clone), "--workers", str(per_clone)],
                    env={**vault.env, **env, "GOFER_CONFIG": str(config)},
                    cwd=CHECKOUT,
                    stdout=said,
                    stderr=said,
                )
            )
    try:
        until(lambda: vault.reports("warm") >= warm, 120, "the first tasks", every=0.1)
        met = time.perf_counter() + MEET
        until(lambda: time.perf_counter() > met, MEET + 5, "a look around", every=0.1)
        vault.submit(warm, "again")
        until(lambda: vault.reports("again") >= warm, 120, "the tasks after them", every=0.1)
        if log:
            log.write_text("", "utf-8")
        began = time.perf_counter()
        vault.submit(count)
        seconds = until(lambda: vault.reports() >= count, 900, f"{count} reports", every=0.1) - began
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(60)
    done = vault.done()
    return seconds, Counter({task: n for task, n in done.items() if task.startswith("job-")})


def budget(place: Place, size: Size) -> Iterator[Row]:
    """A remote that rations pushes as GitHub does, shared by four clones."""
    vault = shared(place, "budget")
    log = _spy(vault.folder)
    path = f"{vault.folder / 'bin'}:{vault.env['PATH']}"
    seconds, done = _drain(vault, size.rationed, {"PATH": path, "RATE": "6"}, per_clone=1, warm=1)
    times = [float(line.split()[0]) for line in _starts(log) if " push " in line]
    sustained = (len(times) - CLONES * 2) / max(1.0, (times[-1] - times[0]) / 60)
    yield Row(
        f"{size.rationed} tasks, {CLONES} workers, 6 pushes a minute for all of them: {len(times)} pushes in "
        f"{seconds:.0f} s; a minute, beyond the first two of each worker; done twice, lost",
        f"{sustained:.1f}; {sum(n > 1 for n in done.values())}, {size.rationed - len(done)}", "", "", "≤ 6; 0, 0",
        sustained <= 6 and len(done) == size.rationed and max(done.values()) == 1,
    )  # fmt: skip


def _spy(folder: Path) -> Path:
    """A git on PATH that logs what it is asked and what a push says; returns the log."""
    log, place = folder / "git.log", folder / "bin"
    place.mkdir()
    script = place / "git"
    script.write_text(
        "#!/bin/sh\n"
        f'echo "$(date +%s.%N) $*" >> "{log}"\n'
        f'case " $* " in *" --porcelain "*) "{which("git")}" "$@" > "$$.out.{folder.name}"; code=$?; '
        f'cat "$$.out.{folder.name}"; cat "$$.out.{folder.name}" >> "{log}"; rm -f "$$.out.{folder.name}"; '
        f'exit $code;; *) exec "{which("git")}" "$@";; esac\n',
        "utf-8",
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return log


def _lost(log: Path) -> tuple[int, int]:
    """Refs that a push lost, and refs that were pushed."""
    flags = [line[0] for line in log.read_text("utf-8").splitlines() if "\t" in line and ":refs/" in line]
    return flags.count("!"), len(flags)


# -- what one poll and one claim cost ----------------------------------------------------------------------------------


def polls(place: Place, size: Size) -> Iterator[Row]:
    """A worker with a remote and nothing to do."""
    vault = shared(place, "polls")
    log, clone = _spy(vault.folder), vault.clone("clone")
    config = vault.folder / "config.toml"
    config.write_text('[worker]\nname = "bench"\n[sync]\npoll_seconds = 1.0\n', "utf-8")
    env = {**vault.env, "PATH": f"{vault.folder / 'bin'}:{vault.env['PATH']}", "GOFER_CONFIG": str(config)}
    command = [sys.executable, "-m", "agent", "run", "--vault", str(clone)]
    process = subprocess.Popen(command, env=env, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        settled = time.perf_counter() + 15
        until(lambda: time.perf_counter() > settled, 20, "the start", every=0.1)
        tip, before = vault.git("rev-parse", "main"), len(_starts(log))
        over = time.perf_counter() + size.idle
        until(lambda: time.perf_counter() > over, size.idle + 5, "idle polls", every=0.1)
        started = _starts(log)[before:]
    finally:
        process.terminate()
        process.wait(60)
    fetches = sum(" fetch " in line for line in started)
    each = len(started) / max(1, fetches)
    yield Row(
        f"git commands started for one idle poll ({fetches} polls in {size.idle:g} s), and commits",
        f"{each:.2f}, {int(vault.git('rev-parse', 'main') != tip)}", "", "", "≤ 1, 0", each <= 1 and fetches > 0,
    )  # fmt: skip


def _starts(log: Path) -> list[str]:
    return [line for line in log.read_text("utf-8").splitlines() if line[:1].isdigit()]


def retired(place: Place, size: Size) -> Iterator[Row]:
    """One claim on a fresh remote, and on one where many tasks were claimed and finished; a poll beside live claims."""
    vault = shared(place, "retired")
    clone = vault.clone("clone")
    network = Network(Repository(clone), vault.folder / "net.git", "origin")
    owner = RemoteClaims(network, vault.folder / "claims.json", "bench")
    first = median(_seconds_of_a_claim(owner, f"first-{n}") for n in range(size.starts))
    for start in range(0, size.retired, 500):
        tasks = [f"many-{start + n}" for n in range(min(500, size.retired - start))]
        owner.take([Wanted(task, "000000000000", 1) for task in tasks])
        owner.release(tasks)
        owner.flush()
    after = median(_seconds_of_a_claim(owner, f"after-{n}") for n in range(size.starts))
    yield Row(
        f"a claim push after {size.retired:,} tasks were claimed and finished, against the first",
        f"{after * 1000:.1f} ms", f"({first * 1000:.1f} ms)", f"{after / first:.2f} ×", "≤ 1.5 ×", after <= 1.5 * first,
    )  # fmt: skip
    none = median(_seconds_of_a_poll(network) for _ in range(size.starts))
    tip = vault.git("rev-parse", "main").strip()
    lines = "".join(f"create refs/gofer/claims/{n:040x} {tip}\n" for n in range(size.retired))
    command = ["git", "-C", str(vault.remote), "update-ref", "--stdin"]
    subprocess.run(command, input=lines.encode(), env=dict(vault.env), check=True)
    many = median(_seconds_of_a_poll(network) for _ in range(size.starts))
    yield Row(
        f"a poll with {size.retired:,} live claim refs, against none",
        f"{many * 1000:.1f} ms", f"({none * 1000:.1f} ms)", f"{many / none:.2f} ×", "≤ 1.3 ×", many <= 1.3 * none,
    )  # fmt: skip


def _seconds_of_a_claim(owner: RemoteClaims, task: str) -> float:
    began = time.perf_counter()
    owner.take([Wanted(task, "000000000000", 1)])
    took = time.perf_counter() - began
    owner.release([task])
    owner.flush()
    return took


def _seconds_of_a_poll(network: Network) -> float:
    began = time.perf_counter()
    network.fetch("refs/heads/main")
    return time.perf_counter() - began
