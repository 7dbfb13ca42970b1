"""The common mistakes in a header, put right line by line where it is beyond doubt what the person meant."""

from __future__ import annotations

import re

# Text that YAML reads without complaint, but not as the person meant it.
SUSPECT = re.compile("\\[\\[|\\{\\{|[\u201c\u201d\u2018\u2019\u00a0]")
INVISIBLE_BREAK = re.compile("[\x85\u2028\u2029]|\r(?!\n)")
LINE = re.compile(r"(?P<lead> *(?:- +)*)(?P<key>[^\s\"'#&*!|>%@`{}\[\],?:-][^:#]*):(?:[ \t]+(?P<value>.*))?")
_ITEM = re.compile(r"(?P<lead> *(?:- +)+)(?P<value>.+)")
_GLUED = re.compile(r"([A-Za-z][\w-]*):(?!//)([^\s:].*)")
_BARE = re.compile(r"[A-Za-z][\w-]*")
_LINK = r"!?\[\[[^\[\]]+\]\]"
_ONE_LINK = re.compile(_LINK)
_LINKS = re.compile(rf"{_LINK}(?:[ \t]*,[ \t]*{_LINK})+,?|\[[ \t]*{_LINK}(?:[ \t]*,[ \t]*{_LINK})*[ \t]*\]")
_BLOCK = re.compile(r"[|>][-+0-9]{0,2}(?:[ \t]+#.*)?")
DOUBLE = re.compile(
    r'"(?:[^"\\]|\\(?:[0abtnvfre "/\\N_LP]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}))*"(?:[ \t]+#.*)?'
)
SINGLE = re.compile(r"'(?:[^']|'')*'(?:[ \t]+#.*)?")
_CURLY = re.compile(
    "[\u201c\u201d\u201e]([^\u201c\u201d\u201e\"]*)[\u201c\u201d]|[\u2018\u2019]([^\u2018\u2019']*)\u2019"
)
_COMMENT = re.compile(r"[ \t]#")


def mend(header: str, only: re.Pattern[str] | None = None) -> str:
    """The header with the common mistakes put right, line for line, outside block text (`|`, `>`).

    With `only`, lines without such text stay as they are.
    """
    anchored = re.search(r"(?:^|[\s\[{,])&\w", header) is not None
    lines = []
    block = -1  # the indent of the key that owns the block text being passed, or -1
    for line in header.split("\n"):
        indent = len(line) - len(line.lstrip(" \t"))
        if block >= 0 and (indent > block or not line.strip()):
            lines.append(line)
            continue
        mended = _mend_line(line, anchored) if only is None or only.search(line) else line
        found = LINE.fullmatch(mended) or _ITEM.fullmatch(mended)
        block = indent if found and _BLOCK.fullmatch((found["value"] or "").rstrip()) else -1
        lines.append(mended)
    return "\n".join(lines)


def _mend_line(line: str, anchored: bool) -> str:
    ending = "\r" if line.endswith("\r") else ""
    line = line.removesuffix("\r")
    bare = line.lstrip(" \t\u00a0")
    if not bare or bare.startswith("#"):
        return bare + ending
    line = line[: len(line) - len(bare)].replace("\t", "  ").replace("\u00a0", " ") + bare.replace(":\u00a0", ": ")
    if (glued := _GLUED.fullmatch(line)) and ": " not in line:
        line = f"{glued[1]}: {glued[2]}"
    elif _BARE.fullmatch(line.rstrip()):
        return line.rstrip() + ":" + ending
    found = LINE.fullmatch(line)
    if found is None and (item := _ITEM.fullmatch(line)):
        return item["lead"] + _mend_value(item["value"].rstrip(), anchored) + ending
    if found is None or not found["value"]:
        return line + ending
    return f"{found['lead']}{found['key']}: {_mend_value(found['value'].rstrip(), anchored)}{ending}"


def _mend_value(value: str, anchored: bool) -> str:
    """A value as YAML must see it to read what the person meant; as it is when that is not beyond doubt."""
    if not value or DOUBLE.fullmatch(value) or SINGLE.fullmatch(value) or _BLOCK.fullmatch(value):
        return value
    if value[0] == value[-1] and value[0] in "\"'" and len(value) > 1 and value.count(value[0]) in (2, 3):
        return quoted(value[1:-1])  # 'it's', "C:\\Users"
    if curly := _CURLY.fullmatch(value):
        return quoted(curly[1] or curly[2] or "")
    if _ONE_LINK.fullmatch(value):
        return quoted(value)
    if _LINKS.fullmatch(value):
        return "[" + ", ".join(quoted(link) for link in _ONE_LINK.findall(value)) + "]"
    comment = _COMMENT.search(value)
    text, rest = (value[: comment.start()].rstrip(), value[comment.start() :]) if comment else (value, "")
    return (quoted(text) if _is_plainly_text(text, anchored) else text) + rest


def _is_plainly_text(text: str, anchored: bool) -> bool:
    """Whether an unquoted value can only have been meant as text, although YAML would not read it so."""
    first, last = text[:1], text[-1:]
    if first in "\"'":
        return len(text) > 1 and (first == last or text.count(first) == 2)
    if first in "%@`":
        return True
    if first == "*":
        return not anchored
    if first == "[":
        return _ONE_LINK.match(text) is not None or ("]" in text and last != "]" and text.count("[") == text.count("]"))
    if first == "{":
        return text.startswith("{{") and "}}" in text
    if first in "|>":
        return text[1:2] == " "
    return first not in "&!-?#" and (": " in text or last == ":" or ":\t" in text)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'" if '"' in text or "\\" in text else f'"{text}"'
