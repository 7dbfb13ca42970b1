"""The `config` type: one value of one settings file, changed in place.

Key and value come from the header, from a plain sentence that code understands, or, as data, from the local model.
Code makes the change, reads the file again, and proposes it only when exactly that one value differs.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field, model_validator

from agent.errors import Doubt, Refused
from agent.handlers.base import Context, Handler, Params
from agent.handlers.config_formats import FALSE, TRUE, Edit, Format, Leaf, Path, dotted, edit, find, missing
from agent.handlers.config_json import JSON
from agent.handlers.config_markdown import MARKDOWN
from agent.handlers.config_request import read_wish
from agent.handlers.config_toml import TOML
from agent.handlers.config_yaml import YAML
from agent.handlers.extract_facts import occurs, plain, share_a_word, words
from agent.handlers.material import FILE_LIMIT, mentioned, must_not_leave
from agent.handlers.opinions import CONFIDENCE, agreed, bad_answer, sure
from agent.text import shorten
from agent.vault.prompts import quoted
from agent.vault.values import Change, Result, Role, Tier, Usage

MAX_TOKENS = 250
MAX_CHOICES = 100  # keys that the schema lists; in a longer file the model writes the key
FORMATS: Mapping[str, Format] = {".md": MARKDOWN, ".toml": TOML, ".yaml": YAML, ".yml": YAML, ".json": JSON}
_EDITED = frozenset({"text", "number", "boolean", "null", "date"})
# Words of a request that stand for a switch.
_ON = TRUE | {"activate", "activated", "allow", "start", "1"}
_OFF = FALSE | {"deactivate", "deactivated", "not", "never", "stop", "without", "0"}


class ConfigParams(Params):
    """`path`: the one file; `key` (with its sections, joined by dots) and `value`; `create` a key that is not there."""

    path: str = ""
    key: str = Field("", max_length=400)
    value: str | None = Field(None, max_length=4000)
    create: bool = False

    @model_validator(mode="after")
    def _together(self) -> ConfigParams:
        if (self.key == "") != (self.value is None):
            raise ValueError("`key` and `value` go together")
        if self.create and not self.key:
            raise ValueError("`create` needs `key` and `value`")
        return self


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be changed, and what it cost to find that out."""

    key: str
    value: str
    usage: tuple[Usage, ...] = ()
    confidence: float | None = None


def run(ctx: Context, params: ConfigParams) -> Result:
    """Propose the change of one value. What would change anything else is refused, and nothing is written."""
    path = ctx.files.check_writable(_path(ctx, params))
    format_ = FORMATS.get("." + path.rpartition(".")[2].lower())
    if format_ is None:
        raise Refused("settings in this kind of file are not edited", where=path, fix=f"one of {', '.join(FORMATS)}")
    old = _content(ctx, path)
    try:
        text = old.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("the file is not UTF-8 text", where=path, why=str(error.reason)) from None
    bom, text = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    try:
        leaves = format_.leaves(text)
        wish = _wish(ctx, params, path, text, leaves)
        change = edit(format_, text, wish.key, wish.value, create=params.create)
    except Refused as refused:
        raise Refused(refused.what, where=refused.where or path, why=refused.why, fix=refused.fix) from None
    return _result(path, wish, old, change, text, bom)


def _result(path: str, wish: _Wish, old: bytes, change: Edit, text: str, bom: str) -> Result:
    shown = f"`{shorten(change.before, 80)}` → `{shorten(change.after, 80)}`"
    made = Result(usage=wish.usage, confidence=wish.confidence)
    if change.text == text:
        now = f"`{wish.key}` in `{path}` is `{shorten(change.after, 80)}` already; nothing was changed."
        return replace(made, findings=(now,))
    diff = "".join(
        line if line.endswith("\n") else line + "\n"
        for line in difflib.unified_diff(
            text.splitlines(keepends=True), change.text.splitlines(keepends=True), f"a/{path}", f"b/{path}", n=2
        )
    )
    return replace(
        made,
        findings=(f"Set `{wish.key}` in `{path}`: {shown}.",),
        raw=diff,
        changes=(Change(path, hashlib.sha256(old).hexdigest(), (bom + change.text).encode("utf-8")),),
    )


def _path(ctx: Context, params: ConfigParams) -> str:
    if params.path:
        return params.path
    if wish := read_wish(ctx.task.text):
        return wish.path
    names = [name for name in mentioned(ctx.task.text or ctx.task.title) if name.endswith(tuple(FORMATS))]
    if len(names) != 1:
        raise Doubt("it is not clear which file is meant", why=f"the request names {len(names) or 'no'} settings files")
    return names[0].removeprefix("./")


def _content(ctx: Context, path: str) -> bytes:
    try:
        return ctx.files.read(path, FILE_LIMIT)
    except FileNotFoundError:
        raise Refused("the file is not there", where=path, fix="check `path`; it starts at the vault's top") from None


def _wish(ctx: Context, params: ConfigParams, path: str, text: str, leaves: Mapping[Path, Leaf]) -> _Wish:
    """Header, plain sentence, model: the first that says it."""
    if params.value is not None:
        return _Wish(params.key, params.value)
    wish = read_wish(ctx.task.text)
    if wish is not None and find(leaves, wish.key) is not None:
        return _Wish(wish.key, wish.value)
    return _proposed(ctx, path, text, leaves)


def _proposed(ctx: Context, path: str, text: str, leaves: Mapping[Path, Leaf]) -> _Wish:
    """What the model reads out of the request. Code takes no key that is not there and no value that nobody said."""
    keys = [dotted(key) for key, leaf in leaves.items() if leaf.kind in _EDITED and "\0" not in dotted(key)]
    if not keys:
        raise missing(leaves, shorten(ctx.task.title, 60))
    key_schema: dict[str, Any] = {"type": "string", "enum": keys} if len(keys) <= MAX_CHOICES else {"type": "string"}
    schema = {
        "type": "object",
        "properties": {
            "key": key_schema,
            "value": {"type": "string", "maxLength": 400},
            "known": {"type": "boolean"},
            "confidence": CONFIDENCE,
        },
        "required": ["key", "value", "known", "confidence"],
        "additionalProperties": False,
    }
    must_not_leave(ctx, path, text)
    request = ctx.task.text.strip() or ctx.task.title
    parts = [quoted(f"File {path}", text), quoted("The request", request), "Name the one setting and its new value."]
    found = agreed(ctx, "\n\n".join(parts), schema=schema, max_tokens=MAX_TOKENS, same=_change)
    confidence = sure(found, "the local model is not sure which setting is meant")
    key, value = found.data["key"].strip(), found.data["value"].strip()
    what = "the change that the local model proposed was not made"
    place = find(leaves, key)
    if place is None:
        raise bad_answer(found, what, f"the file has no '{shorten(key, 60)}'")
    if not share_a_word(words(key.replace("_", " ")), words(request)):
        raise bad_answer(found, what, f"the request speaks of nothing like '{shorten(key, 60)}'")
    if not _said(value, leaves[place], request):
        raise bad_answer(found, what, f"the request does not say '{shorten(value, 60)}'")
    return _Wish(key, value, found.usage, confidence)


def _said(value: str, old: Leaf, request: str) -> bool:
    """Whether the request gives this value: word for word, or, for a switch, by a word like "enable"."""
    if old.kind == "boolean" and value.lower() in TRUE | FALSE:
        spoken = words(request)
        on, off = bool(spoken & _ON), bool(spoken & _OFF)
        return on != off and on == (value.lower() in TRUE)
    return occurs(value, plain(request))


def _change(data: Any) -> Hashable:
    return data["known"], data["key"].strip(), data["value"].strip()


HANDLER = Handler("config", Tier.STANDARD, Role.TASK, ConfigParams, run, limit=600.0)
