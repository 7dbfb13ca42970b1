"""The `file` type: read, write, append, copy, move or delete one text file of the vault.

Parameters in the front matter (`op`, `path`, `to`, `text`, `overwrite`) win over the text; without `op` the text is
read as plain English. Nothing here writes: the handler reads what is there and proposes changes that name the bytes
they replace, so that a file that changes in between is not overwritten.

An existing file is never replaced unasked. "Write 42 to test.txt" where test.txt holds something else is refused with
the two ways out: say "overwrite" or say "append". An uncommitted edit that was replaced could not be brought back.
"""

from __future__ import annotations

import hashlib
from typing import Literal, NoReturn

from pydantic import ConfigDict, model_validator

from agent.errors import BadHeader, Doubt, Refused
from agent.handlers.base import Context, Handler, Params
from agent.handlers.file_request import read_wish
from agent.vault.params import read_params
from agent.vault.values import Change, Result, Role, Task, Tier

MAX_TEXT = 1 << 20  # bytes of a file that is read or written; the size of the largest task
MAX_CARRIED = 16 << 20  # bytes of a file that is copied, moved or deleted

Op = Literal["read", "write", "append", "copy", "move", "delete"]


class FileParams(Params):
    """One operation. `path` and `to` are vault-relative; `to` may be a folder with its final slash."""

    model_config = ConfigDict(str_strip_whitespace=False)  # white space of `text` is the person's

    op: Op
    path: str
    to: str = ""
    text: str = ""
    overwrite: bool = False

    @model_validator(mode="after")
    def _complete(self) -> FileParams:
        if not self.path.strip():
            raise ValueError("path is empty")
        if self.op in ("copy", "move") and not self.to.strip():
            raise ValueError(f"{self.op} needs `to`")
        if self.to and self.op not in ("copy", "move"):
            raise ValueError(f"{self.op} has no use for `to`")
        return self


def understand(task: Task) -> FileParams:
    """The operation that a task asks for. Raises Doubt when the text is not clear, Refused for a bad parameter."""
    if "op" not in task.params:
        if own := FileParams.model_fields.keys() & task.params.keys():
            names = ", ".join(sorted(own))
            raise Doubt(f"the header has {names} but no `op`", why="the operation is not named")
        wish = read_wish(task.text)
        return FileParams(op=wish.op, path=wish.path, to=wish.to, text=wish.text, overwrite=wish.overwrite)
    try:
        found = read_params(task, FileParams)
    except BadHeader as error:
        what = f"this file task cannot be used: {error.what}"
        fix = "op: read, write, append, copy, move or delete; path; to (copy, move); text (write, append); overwrite"
        raise Refused(what, where=task.path, why=error.why, fix=fix) from error
    if found.op in ("write", "append") and "text" not in task.params:
        return found.model_copy(update={"text": task.text.strip("\n")})
    return found


def run(ctx: Context, params: FileParams) -> Result:
    """Look at the files as they are and propose the changes."""
    path = _resolve(ctx, params.path)
    match params.op:
        case "read":
            return _read(ctx, path)
        case "write":
            return _write(ctx, ctx.files.check_writable(path), params)
        case "append":
            return _append(ctx, ctx.files.check_writable(path), params.text)
        case "delete":
            path = ctx.files.check_writable(path)
            old = _content(ctx, path, MAX_CARRIED)
            return Result(findings=(f"Deleted `{path}` ({_size(old)}).",), changes=(Change(path, _sha(old), None),))
        case "copy" | "move":
            return _carry(ctx, path, params)


def _read(ctx: Context, path: str) -> Result:
    content = _text(_content(ctx, path), path)
    lines = content.count("\n") + (not content.endswith("\n") and content != "")
    return Result(
        findings=(f"Read `{path}`: {lines} line{'s' * (lines != 1)}, {_size(content.encode())}.",), raw=content
    )


def _write(ctx: Context, path: str, params: FileParams) -> Result:
    new = _whole_lines(params.text).encode("utf-8")
    _check_size(new, path)
    if not ctx.files.exists(path):
        return Result(findings=(f"Wrote `{path}` (new, {_size(new)}).",), changes=(Change(path, None, new),))
    old = _content(ctx, path, MAX_CARRIED)
    if old == new:
        return Result(findings=(f"`{path}` already holds exactly that; nothing was changed.",))
    if not params.overwrite:
        raise Refused(
            "the file is there already and holds something else",
            where=path,
            why="a file is never replaced unasked",
            fix=f"say 'Overwrite {path} with …' (or `overwrite: true`), or 'Append … to {path}'",
        )
    was = f"{_size(old)} before, {_size(new)} now"
    return Result(findings=(f"Replaced the content of `{path}` ({was}).",), changes=(Change(path, _sha(old), new),))


def _append(ctx: Context, path: str, text: str) -> Result:
    added = _whole_lines(text)
    if not added:
        raise Refused("there is no text to append", where=path, fix="give it in `text` or in quotes")
    if not ctx.files.exists(path):
        new = added.encode("utf-8")
        return Result(findings=(f"Wrote `{path}` (new, {_size(new)}).",), changes=(Change(path, None, new),))
    old = _content(ctx, path)
    content = _text(old, path)
    if content and not content.endswith("\n"):
        content += "\r\n" if "\r\n" in content else "\n"
    new = (content + (added.replace("\n", "\r\n") if "\r\n" in content else added)).encode("utf-8")
    _check_size(new, path)
    count = added.count("\n")
    finding = f"Appended {count} line{'s' * (count != 1)} to `{path}` ({_size(new)} now)."
    return Result(findings=(finding,), changes=(Change(path, _sha(old), new),))


def _carry(ctx: Context, path: str, params: FileParams) -> Result:
    """Copy or move. A move writes the new file first, so that a crash in between leaves two copies, never none."""
    moving = params.op == "move"
    if moving:
        path = ctx.files.check_writable(path)
    to = params.to.strip()
    if to.startswith("[["):
        to = _linked(to)
    elif "." not in to.rpartition("/")[2] and not to.endswith("/"):
        raise Refused("the target has no suffix", where=to, fix=f"write '{to}/' if it is a folder")
    to = ctx.files.check_writable(to + path.rpartition("/")[2] if to.endswith("/") else to)
    content = _content(ctx, path, MAX_CARRIED)
    if to == path:
        raise Refused("both names are the same file", where=path)
    if ctx.files.exists(to):
        raise Refused(
            "the target is there already",
            where=to,
            why=f"a {params.op} never overwrites a file",
            fix="delete or rename it first, or choose another name",
        )
    changes = [Change(to, None, content)]
    if moving:
        changes.append(Change(path, _sha(content), None))
    verb = "Moved" if moving else "Copied"
    return Result(findings=(f"{verb} `{path}` to `{to}` ({_size(content)}).",), changes=tuple(changes))


def _resolve(ctx: Context, path: str) -> str:
    """The path that a name stands for. A wikilink without a folder may name a note anywhere, if only one has it."""
    path = path.strip()
    if not path.startswith("[["):
        return path
    name = _linked(path)
    if "/" in name or ctx.files.exists(name):
        return name
    found = [known for known in ctx.files.list("") if known.rpartition("/")[2] == name]
    if len(found) > 1:
        raise Doubt(f"{len(found)} notes are called {name}", why=f"{found[0]} and {found[1]} among them")
    return found[0] if found else name


def _linked(link: str) -> str:
    """`[[a|shown]]` → `a.md`; a name with a text suffix keeps it."""
    name = link.removeprefix("[[").removesuffix("]]").partition("|")[0].strip()
    return name if "." in name.rpartition("/")[2] else f"{name}.md"


def _content(ctx: Context, path: str, limit: int = MAX_TEXT) -> bytes:
    try:
        return ctx.files.read(path, limit)
    except FileNotFoundError:
        _missing(path)


def _missing(path: str) -> NoReturn:
    raise Refused("the file is not there", where=path, fix="check the name; paths start at the vault's root") from None


def _text(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("the file is not UTF-8 text", where=path, why=f"byte {error.start} cannot be read") from None


def _whole_lines(text: str) -> str:
    return text if text.endswith("\n") or not text else text + "\n"


def _check_size(content: bytes, path: str) -> None:
    if len(content) > MAX_TEXT:
        raise Refused("the file would get too big", where=path, why=f"more than {MAX_TEXT:,} bytes")


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _size(content: bytes) -> str:
    return f"{len(content):,} byte{'s' * (len(content) != 1)}"


def _takes_away(task: Task) -> bool:
    try:
        return understand(task).op in ("move", "delete")
    except (Doubt, Refused):
        return False  # it will not run here


HANDLER = Handler(
    name="file",
    tier=Tier.TRIVIAL,
    role=Role.TASK,
    params=FileParams,
    run=run,
    limit=30.0,
    understand=understand,
    unmarked_waits=True,
    waits_when=_takes_away,
)
