"""I6: no secret that was planted is where Gofer wrote.

What the person wrote is theirs: a task file or a note that they committed may hold anything, as an object too. All else
must be clean: every object of the remote, of the clones and of the repositories in the state folders, whether a ref
reaches it or not (commit messages, claims, trees, blobs), the run folders, logs and other files of the state folders,
and all that lies in outbox/ and memory/. A task file that lies in a work tree only is no object: nobody but its person
may commit it.

Two places hold what was asked for, by design, and are looked at less closely. The journal must be able to make a change
that is owed, so it has the new content of a file, in base64: only its plain text is searched. And the quarantine keeps
a change that the remote refused, for the person to look at.

A file that a task was told to write a secret into is written where the task ran, and published nowhere.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from tests.nemesis.commits import Commit, Tree, git, log
from tests.nemesis.expect import Expectations
from tests.remotes.bare import environment

Secrets = Mapping[str, str]  # and whose each of them is


def check_objects_clean(repositories: Collection[Path], secrets: Secrets, theirs: Collection[str]) -> list[str]:
    """No object of these repositories holds a secret, but for the blobs of the texts that the person committed."""
    seen, looked_for = {blob_id(text) for text in theirs}, _spelled(secrets)
    said = []
    for repository in repositories:
        listed = git(repository, "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)")
        new = [oid for oid in listed.split() if oid not in seen]
        seen.update(new)
        for oid, kind, data in _objects(repository, new):
            if names := _held(data, looked_for):
                said.append(f"I6: {repository}: the {kind} {oid[:12]} holds the secret of {', '.join(names)}")
    return said


def check_folders_clean(places: Collection[Path], secrets: Secrets) -> list[str]:
    """None of these files, and no file below these folders but for git's own, has a secret in it or in its name."""
    looked_for, plain = _spelled(secrets), {secret.encode(): name for secret, name in secrets.items()}
    said = []
    for path in (path for place in places for path in _files(place)):
        names = {*_held(str(path).encode(), looked_for)}
        if "quarantine" not in path.parts:
            names |= {*_held(path.read_bytes(), plain if path.name.startswith("journal.") else looked_for)}
        said += [f"I6: {path} holds the secret of {', '.join(sorted(names))}"] if names else []
    return said


def check_kept(repository: Path, trees: Mapping[str, Path], expected: Expectations) -> list[str]:
    """What a task was told to write a secret into lies in the tree where the task ran, and not in the history."""
    commits, tree = log(repository, "refs/heads/main"), Tree(repository, "refs/heads/main")
    said = []
    for task in expected.tasks:
        if not task.kept:
            continue
        if task.file in tree:
            said.append(f"I6: {task.file} was published, although it holds the secret of {task.id}")
        for machine in _ran_on(commits, task.id, expected):
            file = trees[machine] / task.file
            if not file.is_file() or file.read_text("utf-8") != task.kept:
                said.append(f"I2: {task.id} did not write {task.file} on {machine}")
    return said


def blob_id(text: str) -> str:
    """The name of a blob, by git's own rule (git-hash-object(1))."""
    raw = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def _ran_on(commits: list[Commit], task: str, expected: Expectations) -> set[str]:
    workers = {outcome.worker for commit in commits for outcome in commit.outcomes if outcome.task == task}
    return {expected.machine(worker) for worker in workers} & set(expected.machines)


def _spelled(secrets: Secrets) -> Mapping[bytes, str]:
    return {form: name for secret, name in secrets.items() for form in _forms(secret)}


def _forms(secret: str) -> Iterator[bytes]:
    """The usual spellings of a secret."""
    raw = secret.encode()
    yield from (raw, raw.hex().encode(), quote(secret, safe="").encode())
    for shift, skip in ((0, 0), (1, 2), (2, 3)):  # it may begin anywhere in a group of three bytes
        code = base64.b64encode(bytes(shift) + raw)[skip : (shift + len(raw)) * 8 // 6]
        yield from (code, code.replace(b"+", b"-").replace(b"/", b"_"))


def _held(data: bytes, looked_for: Mapping[bytes, str]) -> list[str]:
    return sorted({name for form, name in looked_for.items() if form in data})


def _files(place: Path) -> Iterator[Path]:
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.is_file() and not path.is_symlink() and not any(part.endswith(".git") for part in path.parts[:-1]):
            yield path


def _objects(repository: Path, oids: list[str]) -> Iterator[tuple[str, str, bytes]]:
    """Name, kind and content of objects."""
    done = subprocess.run(
        ["git", "-C", str(repository), "cat-file", "--batch", "--buffer"],
        input="".join(f"{oid}\n" for oid in oids).encode(), capture_output=True, env=environment(), check=True,
    )  # fmt: skip
    said, at = done.stdout, 0
    for _ in oids:
        end = said.index(b"\n", at)
        oid, kind, size = said[at:end].decode().split()
        at = end + 2 + int(size)
        yield oid, kind, said[end + 1 : at - 1]
