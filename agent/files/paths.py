"""Which paths exist for Gofer at all, and which of them a task may read and write. No file is touched here."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from agent.errors import Refused

MAX_NAME = 255  # bytes of one component: NAME_MAX of every common file system
MAX_PATH = 1024  # bytes of a whole path: PATH_MAX of macOS, the smallest among them

TEXT_SUFFIXES = (".md", ".txt", ".csv", ".json", ".yaml", ".yml", ".toml", ".log")

# Code points that HFS+ ignores in names: ".g\u200cit" is ".git" there.
_IGNORED = dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF, 0xAD])
_SHORT_NAME = re.compile(r"[^~.]{1,6}~[0-9]{1,6}(\.[^.]{0,3})?")  # 8.3 names of NTFS and FAT: git~1 is .git
_GIT_SHORT = re.compile(r"git~[0-9]{1,6}")
_UNPORTABLE = re.compile(r'[<>:"|?*\x00-\x1f\x7f-\x9f]')  # characters that Windows or Obsidian refuse in a name
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # device names of Windows, with any suffix

# Files that tell an agent, a build or Gofer itself what to do.
_AGENT_STEMS = frozenset({"agents", "claude", "gemini", "soul", "skill"})
_CONTROL_NAMES = frozenset(
    {"gofer.toml", "stop", "stop.md", "makefile", "openclaw.json", "mcp.json"}
    | {"pyproject.toml", "requirements.txt", "constraints.txt", "cargo.toml", "cmakelists.txt"}
    | {"package.json", "package-lock.json", "tsconfig.json"}
    | {"compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml"}
)
_TEMPLATE_FOLDERS = frozenset({"template", "templates", "_templates"})
_OWN_FOLDERS = frozenset({("inbox",), ("outbox",), ("prompts",)})
_OWN_RECORDS = frozenset(("memory", name) for name in ("tasks", "ledger", "decisions", "changes", "qwen-worker"))


def fold(name: str) -> str:
    """The form in which two names meet on the most forgiving file system: NFKC, case, ignorables, NTFS endings."""
    if name.isascii():
        return name.lower().partition(":")[0].rstrip(" .")
    plain = unicodedata.normalize("NFKC", name).translate(_IGNORED).casefold()
    return unicodedata.normalize("NFKC", plain).partition(":")[0].rstrip(" .")


@lru_cache(maxsize=4096)
def parts(path: str) -> tuple[str, ...]:
    """The components of a relative POSIX path; a leading `./` is dropped.

    Raises Refused for anything that could leave the root or reach git's own folder: absolute, `..`, empty
    components, NUL, control characters, backslash, lone surrogates, over-long, `.git` in any disguise.
    """
    try:
        size = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        raise refused(path, "it is not valid Unicode") from None
    if size > MAX_PATH:
        raise refused(path, f"it is longer than {MAX_PATH} bytes")
    if "\\" in path or not (path.isprintable() or all(unicodedata.category(letter) != "Cc" for letter in path)):
        raise refused(path, "it holds a backslash or a control character")
    names = tuple(path.removeprefix("./").split("/"))
    for name in names:
        if not name:
            raise refused(path, "it is absolute or has an empty component" if path else "it is empty")
        if name in (".", ".."):
            raise refused(path, f"it holds the component '{name}'")
        if len(name.encode("utf-8")) > MAX_NAME:
            raise refused(path, f"a name in it is longer than {MAX_NAME} bytes")
        if fold(name) == ".git" or _GIT_SHORT.fullmatch(fold(name)):
            raise refused(path, "it leads into git's own folder")
    return names


def readable(path: str, suffixes: tuple[str, ...] = TEXT_SUFFIXES) -> str:
    """The cleaned path when a task may read it: a text file anywhere in the vault but below dot folders.

    `suffixes` other than the text files' are for a way of reading that knows what to do with such a file.
    """
    names = parts(path)
    for name in names:
        folded = fold(name)
        if folded.startswith(".") or not folded:
            raise refused(path, f"'{name}' is a hidden name")
        if "~" in folded and _SHORT_NAME.fullmatch(folded):
            raise refused(path, f"'{name}' looks like a short name of Windows, which can stand for another file")
    _check_suffix(path, names[-1], suffixes)
    return "/".join(names)


def writable(path: str) -> str:
    """The cleaned path when a task may create, change or delete it.

    Raises Refused for hidden names, control files, templates, `inbox/`, `outbox/`, `prompts/`, Gofer's own records
    below `memory/`, names that not every system can hold, and everything that is not a text file.
    """
    cleaned = readable(path)
    names = cleaned.split("/")
    for name in names:
        if _UNPORTABLE.search(name) or name != name.strip(" ").rstrip(".") or _DEVICES.fullmatch(fold(name)):
            raise refused(path, f"'{name}' is a name that not every system can hold")
        if name.translate(_IGNORED) != name:
            raise refused(path, f"'{name}' holds invisible characters")
    folded = [fold(name) for name in names]
    stem, _, rest = folded[-1].partition(".")
    if folded[-1] in _CONTROL_NAMES or (stem in _AGENT_STEMS and rest.endswith("md")):
        raise refused(path, "it is a control file, which only a person changes")
    if _TEMPLATE_FOLDERS.intersection(folded[:-1]):
        raise refused(path, "templates are run by editors, so only a person changes them")
    if tuple(folded[:1]) in _OWN_FOLDERS or tuple(folded[:2]) in _OWN_RECORDS:
        raise refused(path, "that folder is kept by Gofer or by the person, not by tasks")
    return cleaned


def refused(path: str, why: str, fix: str = "") -> Refused:
    """The error for a path that a rule forbids; the path is shown escaped and short."""
    shown = path if len(path) <= 120 else path[:119] + "…"
    return Refused("this path is not allowed", where=repr(shown)[1:-1], why=why, fix=fix)


def _check_suffix(path: str, name: str, suffixes: tuple[str, ...]) -> None:
    if not fold(name).endswith(suffixes):
        raise refused(path, "tasks only touch text files", f"use a name that ends in {', '.join(suffixes)}")
