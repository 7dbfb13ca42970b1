"""The forms an order may have, each read to its last word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.handlers.file_request.reader import FILE, INTO, THE, NoFit, Reader
from agent.handlers.file_request.tokens import phrases

_OVERWRITE = phrases(
    """overwriting it | overwriting | and overwrite it | (overwrite) | replacing it | replacing what is there |
    overwriting what is there | even if it exists | replacing its content | replacing its contents |
    replacing the old content"""
)
_TO_THE_END = phrases("the end of | the very end of | end of | the bottom of | bottom of")


@dataclass(frozen=True, slots=True)
class Wish:
    """One operation on one file, as it was asked for."""

    op: str
    path: str  # a path, or a wikilink with its brackets
    to: str = ""  # a path, or a folder with its final slash
    text: str = ""
    overwrite: bool = False


def _into(reader: Reader) -> bool:
    """Steps over "to", "into" …; True when it goes to the end of what is there."""
    reader.need(*INTO, "at", "as")
    return reader.phrase(_TO_THE_END)


def _write_into(reader: Reader) -> Wish:
    """Write 42 to a.md · Save the following as a.md: …"""
    reader.need("write", "put", "save", "store")
    text = reader.text()
    end = _into(reader)
    path = reader.path()
    reader.comma()
    overwrite = reader.phrase(_OVERWRITE)
    return Wish("append" if end and not overwrite else "write", path, text=text, overwrite=overwrite)


def _write_to(reader: Reader) -> Wish:
    """Write to a.md: … · Write to a.md the text "…" """
    reader.need("write", "save")
    end = _into(reader)
    path = reader.path()
    return Wish("append" if end else "write", path, text=reader.text())


def _in_file(reader: Reader) -> Wish:
    """In a.md write 42 · To a.md, append: …"""
    reader.need(*INTO)
    end = reader.phrase(phrases("the end of"))
    path = reader.path()
    reader.comma()
    verb = reader.need("write", "put", "add", "append", "save")
    return Wish("append" if end or verb in ("add", "append") else "write", path, text=reader.text())


def _overwrite(reader: Reader) -> Wish:
    """Overwrite a.md with "…" · Replace the content of a.md with: … · Set the content of a.md to "…" """
    verb = reader.need("overwrite", "replace", "set")
    reader.maybe("the")
    if reader.maybe("whole", "entire", "full"):
        reader.need("content", "contents", "text")
        reader.need("of", "in")
    elif reader.maybe("content", "contents", "text"):
        reader.need("of", "in")
    elif verb == "set":
        reader.need("content")
    path = reader.path()
    reader.need("to" if verb == "set" else "with", "by")
    return Wish("write", path, text=reader.text(), overwrite=True)


def _holding(reader: Reader) -> bool:
    """Steps over "containing", "with the text" …, if one comes next."""
    if reader.maybe("containing", "saying", "holding"):
        return True
    if reader.maybe("that", "which"):
        reader.need("says", "contains", "reads", "holds")
        return True
    return bool(reader.maybe("with"))


def _create(reader: Reader) -> Wish:
    """Create a file a.md with the text "…" · Create an empty note called a.md · Make a.md containing: …"""
    verb = reader.need("create", "make", "start", "add", "write", "save")
    empty = reader.phrase(phrases("an empty | a new empty | the empty"))
    path = reader.path()
    holding = _holding(reader)
    if empty and not holding:
        return Wish("write", path, text=reader.nothing())
    if not holding and (verb in ("add", "save") or not reader.has_given()):
        raise NoFit
    return Wish("write", path, text=reader.text())


def _create_with(reader: Reader) -> Wish:
    """Create a file with the text "…" called a.md"""
    reader.need("create", "make", "write", "save")
    reader.need(*THE)
    reader.maybe("new")
    reader.need(*FILE)
    if not _holding(reader):
        raise NoFit
    text = reader.text()
    reader.need("called", "named", "at", "in", "as")
    return Wish("write", reader.path(), text=text)


def _append(reader: Reader) -> Wish:
    """Append "…" to a.md · Add the line "…" to the end of a.md · Add this at the bottom of a.md: …"""
    reader.need("append", "add")
    text = reader.text()
    _into(reader)
    return Wish("append", reader.path(), text=text)


def _append_to(reader: Reader) -> Wish:
    """Append to a.md: … · Add to the end of a.md the line "…" """
    reader.need("append", "add")
    _into(reader)
    return Wish("append", reader.path(), text=reader.text())


def _content_of(reader: Reader) -> bool:
    """Steps over "the full content of"; False when it does not come next."""
    the = reader.maybe("the", "me")
    the = reader.maybe("the") or the
    reader.maybe("whole", "full", "entire", "complete", "raw", "current")
    if reader.maybe("content", "contents", "text"):
        reader.need("of", "from", "in")
        return True
    return False


def _read(reader: Reader) -> Wish:
    """Read a.md and give me its content · Show me a.md · cat a.md"""
    reader.need("read", "show", "display", "print", "cat", "view", "open", "output")
    _content_of(reader)
    path = reader.path()
    if reader.at_end():
        return Wish("read", path)
    reader.phrase(phrases("to me"))
    reader.comma()
    if reader.maybe("and"):
        reader.need("give", "show", "tell", "send", "return", "print", "report", "display", "output", "paste")
        reader.maybe("me", "us")
        if not reader.maybe("it"):
            reader.need("its", "the")
            reader.maybe("whole", "full", "entire", "complete", "raw", "current")
            reader.need("content", "contents", "text")
        reader.maybe("back")
        reader.phrase(phrases("to me | to us"))
    return Wish("read", path)


def _give(reader: Reader) -> Wish:
    """Give me the content of a.md · Return the text of a.md"""
    reader.need("give", "get", "return", "send", "tell", "fetch", "report", "paste")
    if not _content_of(reader):
        raise NoFit
    return Wish("read", reader.path())


def _move(reader: Reader) -> Wish:
    """Move a.md to b/ · mv a.md b.md · Copy a.md to b/c.md · Make a copy of a.md in b/"""
    if reader.phrase(phrases("make a copy of | create a copy of")):
        verb = "copy"
    else:
        verb = reader.need("move", "mv", "relocate", "copy", "cp", "duplicate")
    path = reader.path()
    shell = verb in ("mv", "cp")
    if not reader.maybe("to", "into", "as", "under", "in", "at", "→", "->") and not shell:
        raise NoFit
    to = reader.place()
    if "/" not in to and (path.startswith("[[") or ("/" in path and not shell)):
        raise NoFit  # the vault's root, or beside the file? Both are meant by people who say so
    return Wish("copy" if verb in ("copy", "cp", "duplicate") else "move", path, to)


def _rename(reader: Reader) -> Wish:
    """Rename a/b.md to c.md: a bare name stays in the folder."""
    reader.need("rename")
    path = reader.path()
    reader.need("to", "as", "into", "→", "->")
    to = reader.path()
    if to.startswith("[[") or (path.startswith("[[") and "/" not in to):
        raise NoFit  # a link does not say in which folder the note is
    folder = path.rpartition("/")[0]
    return Wish("move", path, f"{folder}/{to}" if folder and "/" not in to else to)


def _delete(reader: Reader) -> Wish:
    """Delete a.md · Get rid of the file a.md"""
    if not reader.phrase(phrases("get rid of")):
        reader.need("delete", "remove", "erase", "rm")
    path = reader.path()
    reader.phrase(phrases("from the vault | from disk"))
    return Wish("delete", path)


FORMS: tuple[Callable[[Reader], Wish], ...] = (
    _write_into, _write_to, _in_file, _overwrite, _create, _create_with, _append, _append_to, _read, _give, _move,
    _rename, _delete,
)  # fmt: skip
