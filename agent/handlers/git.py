"""The `git` type: fetch, fast-forward, pull, branch, add, commit, push, status, log in a repository that this
machine's settings list by name. Never in the vault, whose git is Gofer's and the person's.

Parameters in the front matter win over the text; without `op` the text is read as plain English. What a branch, a path
or a message may be is judged behind the door `ctx.repo`, and no word of a task is ever an option of git's.

Running twice after a crash does nothing twice: what is there already is reported as done.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from agent.errors import BadHeader, Doubt, Refused
from agent.handlers.base import Context, Handler, Params
from agent.handlers.doors import Told
from agent.handlers.git_request import read_wish
from agent.text import slug
from agent.vault.params import read_params
from agent.vault.values import Result, Role, Task, Tier

LIMIT = 300.0  # seconds: a first fetch of a large repository takes minutes
MAX_LOG = 100  # commits

Op = Literal["fetch", "fast-forward", "pull", "branch", "add", "commit", "push", "status", "log"]

# What each operation can use, besides `op` and `repo`.
_USES = {
    "fetch": {"remote"},
    "fast-forward": {"branch"},
    "pull": {"branch", "remote"},
    "branch": {"branch", "start", "prefix"},
    "add": {"paths"},
    "commit": {"paths", "message"},
    "push": {"branch", "remote"},
    "status": set(),
    "log": {"branch", "count"},
}
_LOOKS = frozenset({"fetch", "status", "log"})  # neither alters the person's branches and files nor sends


class GitParams(Params):
    """One operation in one listed repository. `start` is `from` in the front matter."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    op: Op
    repo: str = Field(min_length=1)
    branch: str = ""
    start: str = Field("", alias="from")
    prefix: str = ""
    paths: tuple[str, ...] = ()
    message: str = ""
    count: int = Field(10, ge=1, le=MAX_LOG)
    remote: str = ""

    @model_validator(mode="after")
    def _complete(self) -> GitParams:
        for name in sorted(self.model_fields_set - {"op", "repo"} - _USES[self.op]):
            raise ValueError(f"{self.op} has no use for `{'from' if name == 'start' else name}`")
        if self.op in ("add", "commit") and not self.paths:
            raise ValueError(f"{self.op} needs `paths`")
        return self


def understand(task: Task) -> GitParams:
    """The operation that a task asks for. Raises Doubt when the text is not clear, Refused for a bad parameter."""
    if "op" not in task.params:
        own = {"from" if name == "start" else name for name in GitParams.model_fields}
        if named := own & task.params.keys():
            names = ", ".join(sorted(named))
            raise Doubt(f"the header has {names} but no `op`", why="the operation is not named")
        wish = dict(read_wish(task.text))
        if title := wish.pop("title", ""):
            wish["branch"] = branch_of(str(title))
        return GitParams.model_validate(wish)
    try:
        found = read_params(task, GitParams)
    except BadHeader as error:
        fix = "op: fetch, fast-forward, pull, branch, add, commit, push, status or log; repo; and what the op needs"
        raise Refused(f"this git task cannot be used: {error.what}", where=task.path, why=error.why, fix=fix) from error
    if found.op == "branch" and not found.branch:
        return found.model_copy(update={"branch": branch_of(task.title, found.prefix)})
    if found.op == "commit" and not found.message:
        return found.model_copy(update={"message": task.text.strip()})
    return found


def branch_of(title: str, prefix: str = "") -> str:
    """The branch name that code makes of a title: `feature/fix-login-on-safari`. Refused when nothing is left of it."""
    words = slug(title)
    if words == "task" and "task" not in title.casefold():
        raise Refused("no branch name can be made of this title", why="it has no letters of a-z", fix="give `branch`")
    return prefix + ("" if not prefix or prefix.endswith(("/", "-", "_")) else "/") + words


def run(ctx: Context, params: GitParams) -> Result:
    """Do it, through the door."""
    ctx.note(f"{params.op} in {params.repo}")
    told = _pull(ctx, params) if params.op == "pull" else _do(ctx, params)
    return Result(findings=told.findings, raw=told.raw)


def _do(ctx: Context, params: GitParams) -> Told:
    repo = ctx.repo(params.repo, params.op)
    match params.op:
        case "fetch":
            return repo.fetch(params.remote)
        case "fast-forward":
            return repo.fast_forward(params.branch)
        case "branch":
            return repo.branch(params.branch, params.start)
        case "add":
            return repo.add(params.paths)
        case "commit":
            return repo.commit(params.paths, params.message)
        case "push":
            return repo.push(params.branch, params.remote)
        case "status":
            return repo.status()
        case _:
            return repo.log(params.branch, params.count)


def _pull(ctx: Context, params: GitParams) -> Told:
    """A fetch and then a fast-forward, both of which must be allowed before the first begins."""
    fetching, moving = ctx.repo(params.repo, "fetch"), ctx.repo(params.repo, "fast-forward")
    fetched = fetching.fetch(params.remote)
    moved = moving.fast_forward(params.branch)
    return Told((*fetched.findings, *moved.findings), moved.raw or fetched.raw)


def _alters(task: Task) -> bool:
    try:
        return understand(task).op not in _LOOKS
    except (Doubt, Refused):
        return False  # it will not run here


HANDLER = Handler(
    name="git",
    tier=Tier.TRIVIAL,
    role=Role.TASK,
    params=GitParams,
    run=run,
    limit=LIMIT,
    understand=understand,
    outside=True,
    unmarked_waits=True,
    waits_when=_alters,
)
