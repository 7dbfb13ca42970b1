"""The forms a git order may have, each read to its last word."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.handlers.file_request.reader import NoFit
from agent.handlers.file_request.tokens import phrases
from agent.handlers.git_request.reader import GitReader

Wish = Mapping[str, object]
"""The parameters that a request gives: those of the type, and `title` where a branch is to be named after one."""

_COPY = phrases("the local clone of | the clone of | the local copy of | the local checkout of | the checkout of")
_TITLED = ("task", "ticket", "issue", "pr", "story", "title")


def _wish(op: str, repo: str, **given: object) -> Wish:
    if not repo:
        raise NoFit
    return {"op": op, "repo": repo, **{key: value for key, value in given.items() if value}}


def _git(reader: GitReader) -> bool:
    """Steps over "git" and "run git"."""
    reader.maybe("run", "do")
    reader.maybe("a")
    return bool(reader.maybe("git"))


def _fetch(reader: GitReader) -> Wish:
    """Fetch the website repo · git fetch in website · git fetch origin in website · fetch the latest in website"""
    _git(reader)
    reader.need("fetch")
    remote = reader.remote()
    if not remote:
        reader.latest()
    repo = reader.target()
    return _wish("fetch", repo, remote=remote or reader.remote_behind("from"))


def _pull(reader: GitReader) -> Wish:
    """git pull in website · Pull the website repo · Pull main in website · Pull the newest commits into website"""
    _git(reader)
    reader.need("pull")
    reader.maybe("--ff-only")
    branch = reader.branch_here() if not reader.latest() else ""
    branch = branch or reader.branch_here()
    repo = reader.target()
    remote = reader.remote_behind("from")
    reader.maybe("--ff-only")
    return _wish("pull", repo, branch=branch, remote=remote)


def _fetch_and_forward(reader: GitReader) -> Wish:
    """git fetch origin and fast-forward main in website · Fetch and fast-forward the website repo"""
    _git(reader)
    reader.need("fetch")
    remote = reader.remote()
    reader.comma()
    reader.need("and", "then")
    reader.maybe("then")
    reader.need("fast-forward")
    branch = reader.branch_here()
    return _wish("pull", reader.target(), branch=branch, remote=remote)


def _update(reader: GitReader) -> Wish:
    """Update the local clone of website from its remote"""
    reader.need("update")
    repo = reader.repo(bare=reader.phrase(_COPY))
    at_remote = reader.maybe("from")
    if not at_remote:
        raise NoFit
    remote = "" if reader.phrase(phrases("its remote | the remote")) else reader.need("origin", "upstream")
    return _wish("pull", repo, remote=remote)


def _forward(reader: GitReader) -> Wish:
    """Fast-forward the website repo · fast-forward the develop branch in website"""
    _git(reader)
    reader.need("fast-forward")
    branch = reader.branch_here()
    return _wish("fast-forward", reader.target(), branch=branch)


def _branch(reader: GitReader) -> Wish:
    """Create a branch for "Fix login" in website · Make me a branch fix/login from develop in website"""
    reader.need("create", "make", "open", "start", "cut", "add")
    reader.maybe("me", "us")
    reader.maybe("a", "the")
    reader.maybe("new")
    reader.maybe("git")
    reader.need("branch")
    title = name = ""
    if reader.maybe("for"):
        reader.maybe("the")
        reader.maybe(*_TITLED)
        title = reader.quoted()
    else:
        called = reader.maybe("called", "named")
        name = reader.branch_name()
        if not called and "/" not in name:
            raise NoFit  # "a branch off main": no name at all
    start = reader.branch_name() if reader.maybe("from", "off") else ""
    repo = reader.where()
    if not start and reader.maybe("from", "off"):
        start = reader.branch_name()
    return _wish("branch", repo, title=title, branch=name, start=start)


def _stage(reader: GitReader) -> Wish:
    """git add a.md and b.md in website · Stage docs/ in website"""
    if not (_git(reader) and reader.maybe("add")):
        reader.need("stage")
    paths = reader.paths()
    return _wish("add", reader.where(), paths=paths)


def _commit(reader: GitReader) -> Wish:
    """Commit a.md in website with the message "Fix typo" · commit a.md and b/ as "Tidy" in website"""
    _git(reader)
    reader.need("commit")
    paths = reader.paths()
    repo = reader.where()
    reader.comma()
    if not reader.maybe("as"):
        if reader.maybe("with", "using"):
            reader.maybe("the", "a")
            reader.maybe("commit")
        reader.need("message", "subject")
        reader.maybe("saying")
    message = reader.quoted()
    return _wish("commit", repo or reader.where(), paths=paths, message=message)


def _push(reader: GitReader) -> Wish:
    """Push the website repo · Push main of website to origin · git push in website"""
    _git(reader)
    reader.need("push")
    branch = reader.branch_here()
    remote = reader.remote_behind("to")
    repo = reader.target()
    return _wish("push", repo, branch=branch, remote=remote or reader.remote_behind("to"))


def _status(reader: GitReader) -> Wish:
    """git status of website · Show me the git status of website · What's the status of the website repo?"""
    if reader.maybe("what"):
        reader.need("is")
    elif not reader.maybe("what's", "show", "give", "tell", "get", "print", "report", "display"):
        reader.maybe("run")
    reader.maybe("me", "us")
    reader.maybe("the")
    git = reader.maybe("git")
    reader.need("status")
    reader.maybe("report")
    return _wish("status", reader.where() if git else _with_noun(reader))


def _log(reader: GitReader) -> Wish:
    """Show the last 5 commits of website · Show me the last ten commits on main in website · git log in website"""
    count, branch = 0, ""
    shown = reader.maybe("show", "list", "print", "give", "display", "get", "run")
    reader.maybe("me", "us")
    reader.maybe("the")
    if not (reader.maybe("git") and reader.maybe("log")):
        if not shown:
            raise NoFit
        recent = reader.maybe("last", "latest", "newest", "recent")
        count = reader.number()
        if reader.maybe("commit"):
            count = count or 1
        else:
            reader.need("commits")
        if not (recent or count):
            raise NoFit
    if reader.maybe("on"):
        reader.maybe("the", "branch")
        branch = reader.branch_name()
        reader.maybe("branch")
    return _wish("log", reader.where(), branch=branch, count=count)


def _with_noun(reader: GitReader) -> str:
    """A place that can only be a repository: "status of website" alone may be anything's."""
    reader.need("of", "in", "for")
    return reader.repo(bare=False)


FORMS: tuple[Callable[[GitReader], Wish], ...] = (
    _fetch, _pull, _fetch_and_forward, _update, _forward, _branch, _stage, _commit, _push, _status, _log,
)  # fmt: skip
