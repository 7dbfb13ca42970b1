"""Speaking to the configured remote of a repository: fetch and push. Nothing is ever forced."""

from __future__ import annotations

from collections.abc import Mapping

from agent.errors import Refused, TryLater
from agent.git.command import GitError, without_secrets
from agent.handlers.doors import Told
from agent.repos.clone import Clone, bounded, many, short
from agent.repos.names import branch_name
from agent.repos.troubles import explained

SHOWN = 10  # branches that a report names one by one


def fetch(clone: Clone, remote: str) -> Told:
    """Bring what the remote has; branches and work tree stay as they are."""
    _reach(clone, remote, "--all")
    for refspec in clone.run("config", "--get-all", f"remote.{clone.remote}.fetch", ok=(0, 1)).text.splitlines():
        if refspec.partition(":")[2].startswith("refs/heads/"):
            raise Refused(
                f"a fetch from {clone.remote} would move branches of '{clone.name}' itself",
                why=f"its settings say {refspec[:100]}",
                fix="fetch by hand, or let it write to refs/remotes/",
            )
    before = _tracked(clone)
    clone.call(
        "fetch", "--no-auto-maintenance", "--no-recurse-submodules", "--no-write-fetch-head", "--no-prune", "--quiet",
        "--", clone.remote,
    )  # fmt: skip
    after = _tracked(clone)
    moved = {name: commit for name, commit in after.items() if before.get(name) != commit}
    if not moved:
        return Told((f"{clone.name}: fetched from {clone.remote}, nothing new.",))
    findings = [_came(clone, name, before.get(name), commit) for name, commit in list(moved.items())[:SHOWN]]
    if len(moved) > SHOWN:
        findings.append(f"{len(moved) - SHOWN} more branches of {clone.remote} are new or moved.")
    raw = "\n".join(f"{before.get(name) or '(new)'} {commit} {name}" for name, commit in moved.items())
    return Told((f"{clone.name}: fetched from {clone.remote}.", *findings), bounded(raw))


def push(clone: Clone, branch: str, remote: str) -> Told:
    """Push one branch, the current one for "", to the same name at the remote. Refused when that would not be a
    fast-forward there, or when the remote forbids it."""
    _reach(clone, remote, "--push")
    if branch:
        branch_name(clone.git, branch)
    elif not (branch := (clone.head().branch or "").removeprefix("refs/heads/")):
        raise Refused(f"HEAD is detached in '{clone.name}'", fix="say which branch: branch: …")
    ref = f"refs/heads/{branch}"
    commit = clone.commit_of(ref)
    if commit is None:
        raise Refused(f"'{clone.name}' has no branch '{branch[:60]}' with a commit", fix="correct `branch`")
    before = clone.commit_of(f"refs/remotes/{clone.remote}/{branch}")
    done = clone.call(
        "push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no", "--no-progress",
        "--", clone.remote, f"{ref}:{ref}", ok=(0, 1),
    )  # fmt: skip
    line = next((line for line in done.text.splitlines() if f"\t{ref}:{ref}\t" in line), "")
    raw = bounded(f"{line}\n{done.err}" if line else done.err)
    if line.startswith("="):
        return Told((f"{clone.name}: {branch} is up to date at {clone.remote}, at {short(commit)}.",), raw)
    if not line:
        raise explained(GitError(("push",), done.code, done.err, str(clone.folder)), clone.name)
    if line.startswith("!"):
        raise _rejected(clone, branch, line, without_secrets(done.err))
    if line.startswith("*"):
        return Told((f"{clone.name}: pushed {branch} to {clone.remote}, new there, at {short(commit)}.",), raw)
    count = f", {many(clone.count(before, commit), 'commit')}" if before else ""
    return Told((f"{clone.name}: pushed {branch} to {clone.remote}, now at {short(commit)}{count}.",), raw)


def _reach(clone: Clone, wanted: str, which: str) -> None:
    """See that the remote is the configured one and exists, and is not merely a disk that is not there."""
    if wanted and wanted != clone.remote:
        raise Refused(
            f"'{wanted[:60]}' is not the remote that this machine allows for '{clone.name}'",
            why=f"that is {clone.remote}",
            fix="leave `remote` out, or set another one in this machine's config.toml",
        )
    known = clone.run("remote").text.split()
    if clone.remote not in known:
        raise Refused(
            f"'{clone.name}' has no remote '{clone.remote}'",
            why=f"its remotes are: {', '.join(known) or 'none'}",
            fix="git remote add in its folder, or set `remote` in this machine's config.toml",
        )
    for url in clone.run("remote", "get-url", which, clone.remote).text.splitlines():
        place = url.removeprefix("file://")
        if place.startswith(("/", "./", "../")) and not (clone.folder / place).exists():
            raise TryLater(f"the remote of '{clone.name}' is away", where=place, why="there is no such folder now")


def _tracked(clone: Clone) -> Mapping[str, str]:
    """The remote's branches as last fetched, and all tags: full ref → object id."""
    form = "--format=%(refname) %(objectname) %(symref)"
    said = clone.run("for-each-ref", form, f"refs/remotes/{clone.remote}/", "refs/tags/").text
    entries = (line.split(" ") for line in said.splitlines())
    return {entry[0]: entry[1] for entry in entries if len(entry) == 3 and not entry[2]}


def _came(clone: Clone, ref: str, old: str | None, new: str) -> str:
    name = ref.removeprefix(f"refs/remotes/{clone.remote}/")
    if ref.startswith("refs/tags/"):
        return f"The tag {ref.removeprefix('refs/tags/')} {'moved' if old else 'is new'}."
    if old is None:
        return f"The branch {name} is new, at {short(new)}."
    came, gone = clone.count(old, new), clone.count(new, old)
    rewritten = f"; {many(gone, 'commit')} of before are no longer in it" if gone else ""
    return f"{name} moved from {short(old)} to {short(new)}, {many(came, 'commit')} came{rewritten}."


def _rejected(clone: Clone, branch: str, line: str, said: str) -> Refused:
    reason = line.rpartition("\t")[2]
    if "non-fast-forward" in reason or "fetch first" in reason or "stale info" in reason:
        return Refused(
            f"{branch} was not pushed from '{clone.name}'",
            why=f"{clone.remote} has commits of it that are not here, and nothing is ever forced",
            fix="fetch, then merge or rebase it yourself, then push again",
        )
    told = " ".join(part.removeprefix("remote:").strip() for part in said.splitlines() if part.startswith("remote:"))
    why = f"{clone.remote} says: {reason or 'no'}" + (f" ({told[:300]})" if told else "")
    return Refused(f"{branch} was not pushed from '{clone.name}'", why=why, fix="do what the remote asks for")
