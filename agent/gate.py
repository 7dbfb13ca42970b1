"""The output gate: every text that is written, committed, logged or shown passes here, bounded, neutral and redacted.

Three steps, always in this order, because each relies on the one before: *clean* (control, bidi and invisible
characters go, so that nothing hides a secret), *redact*, then *escape* for the place the text is written to.
Every pattern runs in linear time: repetitions are bounded, or cannot meet their own beginning again.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from agent.redact import find_tokens, redact_tokens

MIN_SECRET = 6  # characters: a shorter known value would black out ordinary words

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_]?)")
_NEW_LINES = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Unicode's bidi controls, zero-width and filler characters, tags and supplementary variation selectors, which
# smuggle text past a reader. U+FE0F stays: it makes ⚠️ an emoji.
_INVISIBLE = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
UNSEEN = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_INVISIBLE}]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

# One character, before which a backslash takes its meaning away in CommonMark, GitHub, Obsidian and its plugins. The
# character stands before the look-behind, because then the engine can skip to the few places where one occurs.
_ACTIVE = re.compile(
    r"""[\\`*\[\]<|~$]
      | _ (?: (?<![^\W_]_) | (?![^\W_]) )                   # emphasis; snake_case stays readable
      | \# (?<![A-Za-z0-9]\#)                               # headings, tags
      | [>^] (?<!\S[>^])                                    # quotes, callouts, block ids
      | % (?<=[%<{]%)                                       # %% comments, <% Templater, {% Liquid
      | \{ (?: (?=[{%]) | (?<=\{\{) )                       # {{ templates
      | & (?=\#?\w{1,32};)
      | / (?<=:/) (?<!\b[Hh]ttp:/) (?<!\b[Hh]ttps:/) (?=/)  # obsidian://, file://
      | : (?: (?i:(?<=script:)) (?=\S) | (?i:(?<=\bdata:)) (?=\w{1,40}/) | (?<=::) )  # ... and Dataview fields
    """,
    re.VERBOSE,
)
_BULLET = re.compile(r"^( {0,3})[*+•‣] (?=\S)", re.MULTILINE)
_LINE_START = re.compile(r"^( {0,2})(-(?=-|$| -)|\+(?= |$)|=(?==*$)|:(?=-))", re.MULTILINE)
_LINE_HEAD = re.compile(r"-(?= |-|$)|\+(?= |$)|=(?==*$)|:(?=-)")
_ORDINAL = re.compile(r"[0-9]{1,9}(?=[.)](?: |$))")
_BACKTICKS = re.compile(r"`+")
_LONG_BACKTICKS = re.compile(r"`{32}")
_ACTIVE_VALUE = re.compile(r"(?i:(?<!\bhttp)(?<!\bhttps):(?=//))|<(?=%)|\[(?=\[)")


def clean(text: str) -> str:
    """The text without terminal sequences, control, bidi and invisible characters; line ends are LF, tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    text = UNSEEN.sub("", _NEW_LINES.sub("\n", text))
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, the last of them an ellipsis when something was cut."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


def fenced(text: str) -> str:
    """`text`, which is already inert, between fences that it cannot close."""
    marks = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(text)), default=0))
    return f"{marks}text\n{text}{'' if text.endswith(chr(10)) else chr(10)}{marks}"


@dataclass(frozen=True, slots=True)
class OutputGate:
    """Makes text from outside fit to be written. `secrets` are known values that must never appear anywhere."""

    secrets: Sequence[str] = field(default=(), repr=False)
    _forms: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        forms = {form for secret in self.secrets if len(secret) >= MIN_SECRET for form in _forms_of(secret)}
        object.__setattr__(self, "_forms", tuple(sorted(forms, key=lambda form: (-len(form), form))))

    def redact(self, text: str) -> str:
        """The text with known values, in any of their usual spellings, and common tokens replaced by `[redacted:…]`."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, "[redacted:known-value]")
        return redact_tokens(text)

    def scan(self, data: bytes) -> list[str]:
        """The kinds of secrets that remain in bytes about to be committed, sorted; empty when there are none."""
        text = data.replace(b"\0", b"").decode("utf-8", "replace")  # without NUL, UTF-16 reads like ASCII
        kinds = {"known-value"} if any(form in text for form in self._forms) else set()
        return sorted(kinds | set(find_tokens(text)))

    def text(self, text: str, limit: int) -> str:
        """Running Markdown in which nothing is active: words, lines, bullets and numbers stay, at most `limit`
        characters before escaping."""
        lines = (_indent(line) + " ".join(line.split()) for line in clean(text).strip("\n").split("\n"))
        kept = cut(self.redact(_BULLET.sub(r"\1- ", "\n".join(lines))), limit)
        return self._escaped(kept, _LINE_START.sub(r"\1\\\2", _ACTIVE.sub(r"\\\g<0>", kept)))

    def line(self, text: str, limit: int) -> str:
        """The same on one line, which cannot begin a block of its own either."""
        kept = self._one_line(text, limit)
        escaped = _ACTIVE.sub(r"\\\g<0>", kept)
        if _LINE_HEAD.match(escaped):
            escaped = "\\" + escaped
        elif number := _ORDINAL.match(escaped):
            escaped = f"{number[0]}\\{escaped[number.end() :]}"
        return self._escaped(kept, escaped)

    def value(self, text: str, limit: int) -> str:
        """One line for front matter and JSON, where backslashes would show: only what acts even there is spaced out."""
        kept = self._one_line(text, limit)
        return _ACTIVE_VALUE.sub(r"\g<0> ", kept)

    def fence(self, text: str, limit: int) -> str:
        """A fenced block of language `text` with the first `limit` bytes of UTF-8; a line below says what was cut."""
        shown = _LONG_BACKTICKS.sub("`" * 32 + " ", self.redact(clean(text)).replace("<%", "< %"))
        size = len(shown) if shown.isascii() else len(shown.encode())
        if size <= limit:
            return fenced(shown)
        part = shown.encode()[:limit].decode("utf-8", "ignore")
        return f"{fenced(part)}\n\nCut: the first {limit:,} of {size:,} bytes are shown."

    def _one_line(self, text: str, limit: int) -> str:
        return cut(self.redact(" ".join(clean(text).split())), limit)

    def _escaped(self, kept: str, escaped: str) -> str:
        # A backslash lengthens words: what was too short for a pattern may match now, and the scan would find it.
        return escaped if escaped == kept else self.redact(escaped)


def _indent(line: str) -> str:
    """Up to three spaces: enough for a nested item, never enough for a code block."""
    return "   "[: len(line) - len(line.lstrip())] if line[:1].isspace() else ""


def _forms_of(secret: str) -> Iterator[str]:
    """The spellings in which a value slips out: encoded, escaped, or with its white space folded."""
    for plain in {secret, clean(secret), " ".join(secret.split())} - {""}:
        yield plain
        yield html.escape(plain)
        yield from (json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1])
        for escaped in (
            quote(plain, safe="", errors="replace"),
            quote_plus(plain, errors="replace"),
            quote(plain, errors="replace"),
        ):
            yield from (escaped, re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), escaped))
        raw = plain.encode("utf-8", "replace")
        yield from (raw.hex(), raw.hex().upper())
        for shift, skip in ((0, 0), (1, 2), (2, 3)):  # the value may begin anywhere in a group of three bytes
            encoded = base64.b64encode(bytes(shift) + raw)[skip : (shift + len(raw)) * 8 // 6].decode()
            yield from (encoded, encoded.replace("+", "-").replace("/", "_"))
