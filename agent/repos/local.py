"""What changes a repository here: fast-forward, branch, add, commit. Each may run again after a crash.

The person's index is theirs: a commit holds the named paths and nothing else that is staged.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from agent.errors import Refused
from agent.git.repository import Head
from agent.handlers.doors import Told
from agent.repos.clone import Clone, bounded, many, short
from agent.repos.names import branch_name, clean_message, clean_paths, commit_id


def fast_forward(clone: Clone, branch: str) -> Told:
    """Move the current branch to what was last fetched of it, with index and work tree. Never a merge commit.
    `branch`, when it is given, must be the current one. An edited file that would change keeps all as it is."""
    head = clone.undisturbed()
    name = _current(clone, head, branch)
    upstream = clone.run("for-each-ref", "--format=%(upstream)", f"refs/heads/{name}").text
    ours = f"refs/remotes/{clone.remote}/"
    upstream = upstream if upstream.startswith(ours) else ours + name
    there = clone.commit_of(upstream)
    if there is None:
        raise Refused(f"nothing of {name} was fetched from {clone.remote} in '{clone.name}'", fix="fetch first")
    if head.commit is None:
        raise Refused(f"{name} has no commit yet in '{clone.name}'", fix="switch to the remote's branch yourself")
    came, own = clone.count(head.commit, there), clone.count(there, head.commit)
    if came and own:
        raise Refused(
            f"{name} cannot be fast-forwarded in '{clone.name}'",
            why=f"it has {many(own, 'commit')} that {clone.remote} lacks, and lacks {many(came, 'commit')} of its",
            fix="merge or rebase it yourself",
        )
    if not came:
        ahead = f", {many(own, 'commit')} ahead of {clone.remote}" if own else ""
        return Told((f"{clone.name}: {name} is up to date at {short(head.commit)}{ahead}.",))
    _check_checkout(clone, head.commit, there)
    clone.run(
        "merge", "--ff-only", "--commit", "--no-squash", "--no-autostash", "--no-overwrite-ignore", "--no-stat",
        "--quiet", "--end-of-options", there,
    )  # fmt: skip
    finding = f"{clone.name}: {name} moved from {short(head.commit)} to {short(there)}, {many(came, 'commit')} came."
    return Told((finding,), bounded(clone.lines(head.commit, there)))


def branch(clone: Clone, name: str, start: str) -> Told:
    """Make a branch at a branch, a branch of the remote, or a commit; "" is the current commit. It is not switched
    to. Refused when it is there already, somewhere else."""
    name = branch_name(clone.git, name)
    commit = _start(clone, start)
    at = clone.commit_of(f"refs/heads/{name}")
    if at == commit:
        return Told((f"{clone.name}: the branch {name} is there already, at {short(at)}.",))
    if at:
        raise Refused(
            f"the branch {name} is there already in '{clone.name}', at another commit",
            why=f"it is at {short(at)}, not at {short(commit)}",
            fix="choose another name",
        )
    order = f"create refs/heads/{name} {commit}\n".encode()
    clone.run("update-ref", "--create-reflog", "-m", "branch: made by a task of Gofer's", "--stdin", stdin=order)
    base = f" ({start})" if start else ""
    return Told((f"{clone.name}: made the branch {name} at {short(commit)}{base}; it is not switched to.",))


def add(clone: Clone, paths: Sequence[str]) -> Told:
    """Stage these paths as they stand, deletions included, and nothing else."""
    head = clone.undisturbed()
    paths = clean_paths(paths)
    listed = _listed(clone, paths)
    clone.check_filters(_all(listed))
    paths = [path for path in paths if listed[path]]
    if not paths:
        return Told((f"{clone.name}: nothing new to stage.",))
    entries = ("ls-files", "-z", "--stage", "--", *paths)
    before = clone.run(*entries).out
    clone.run("add", "--", *paths)
    if clone.run(*entries).out == before:
        return Told((f"{clone.name}: nothing new to stage.",))
    tree = head.commit or _empty_tree(clone)
    staged = clone.run("diff-index", "--cached", "--name-status", "--no-renames", tree, "--", *paths).text
    return Told((f"{clone.name}: {many(len(staged.splitlines()), 'file')} staged there now.",), bounded(staged))


def commit(clone: Clone, paths: Sequence[str], message: str) -> Told:
    """Commit these paths as they stand in the work tree, in the person's name; what else they staged stays staged."""
    head = clone.undisturbed()
    paths, text = clean_paths(paths), clean_message(message)
    clone.run("var", "GIT_COMMITTER_IDENT")  # before anything is touched
    tree = head.commit or _empty_tree(clone)
    listed = _listed(clone, paths)
    clone.check_filters(_all(listed))
    new = _paths(clone.run("ls-files", "-z", "--others", "--exclude-standard", "--", *paths).out)
    look = ("diff", "--quiet", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
    if not new and clone.run(*look, tree, "--", *paths, ok=(0, 1)).code == 0:
        return Told((f"{clone.name}: nothing to commit, these paths are as in {short(head.commit)}.",))
    if new:
        given = b"".join(os.fsencode(path) + b"\0" for path in new)
        clone.run("add", "--pathspec-from-file=-", "--pathspec-file-nul", stdin=given)
    paths = [path for path in paths if listed[path] or clone.holds(path)]
    clone.run(
        "commit", "--only", "--no-verify", "--quiet", "--cleanup=whitespace", "--file=-", "--", *paths,
        stdin=text.encode(),
    )  # fmt: skip
    made = clone.commit_of("HEAD")
    changed = clone.run(
        "diff-tree", "-r", "--root", "--no-commit-id", "--name-status", "--no-renames", "--end-of-options", made or ""
    ).text
    name = (head.branch or "").removeprefix("refs/heads/")
    files = many(len(changed.splitlines()), "file")
    was = f", {short(head.commit)} before" if head.commit else ", the first one"
    return Told((f"{clone.name}: committed {files} to {name} as {short(made)}{was}.",), bounded(changed))


def _current(clone: Clone, head: Head, wanted: str) -> str:
    name = (head.branch or "").removeprefix("refs/heads/")
    if wanted and wanted != name:
        raise Refused(
            f"{wanted[:60]} is not the current branch of '{clone.name}'",
            why=f"that is {name}, and Gofer switches no branches",
            fix=f"switch to it yourself, or leave `branch` out to mean {name}",
        )
    return name


def _start(clone: Clone, start: str) -> str:
    if not start:
        if commit := clone.commit_of("HEAD"):
            return commit
        raise Refused(f"'{clone.name}' has no commit yet to begin a branch at")
    if not commit_id(start):
        branch_name(clone.git, start)
    places = (f"refs/heads/{start}", f"refs/remotes/{clone.remote}/{start}", f"refs/remotes/{start}", commit_id(start))
    found = next((found for place in places if place and (found := clone.commit_of(place))), None)
    if found is None:
        raise Refused(f"'{clone.name}' has no branch or commit '{start[:60]}'", fix="fetch first, or correct `from`")
    return found


def _check_checkout(clone: Clone, old: str, new: str) -> None:
    """Refused when a file that comes would have to pass a filter, now or by attributes that come with it."""
    if not clone.filters:
        return
    paths = _paths(clone.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--end-of-options", old, new).out)
    clone.check_filters(paths)
    for path in paths:
        if path.rpartition("/")[2] == ".gitattributes":
            coming = clone.run("cat-file", "blob", f"{new}:{path}", ok=(0, 128)).out
            if b"filter" in coming:
                raise Refused(
                    f"attributes that come to '{clone.name}' name a filter",
                    where=path,
                    why="a filter is a program, and Gofer runs none of a repository's",
                    fix="fast-forward this one yourself: git merge --ff-only",
                )


def _listed(clone: Clone, paths: Sequence[str]) -> Mapping[str, list[str]]:
    """Every file that each of these paths names; none for one that was deleted and committed or staged so. Refused
    for a path that never was there, an ignored one, and another repository."""
    found: dict[str, list[str]] = {}
    for path in paths:
        those = _paths(clone.run("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", path).out)
        if other := next((name for name in those if name.endswith("/")), None):
            raise Refused(f"another repository lies in '{clone.name}'", where=other, fix="name the other paths singly")
        if not those and not clone.knew(path):
            raise Refused(f"'{clone.name}' has nothing to take there", where=path, why="it is not there, or is ignored")
        found[path] = those
    return found


def _all(listed: Mapping[str, list[str]]) -> list[str]:
    return [name for those in listed.values() for name in those]


def _empty_tree(clone: Clone) -> str:
    return clone.run("hash-object", "-t", "tree", "--stdin").text


def _paths(out: bytes) -> list[str]:
    return [os.fsdecode(path) for path in out.split(b"\0") if path]
