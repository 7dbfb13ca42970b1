"""The parameters of a task, as its type declares them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from agent import frontmatter
from agent.errors import BadHeader
from agent.vault.conversions import items
from agent.vault.task_keys import fold, nearest
from agent.vault.values import Task

Params = TypeVar("Params", bound=BaseModel)

# What Obsidian and its common plugins, and Gofer in finished tasks, keep in front matter for themselves.
_OBSIDIAN = frozenset(
    ["tags", "tag", "aliases", "alias", "cssclass", "cssclasses", "publish", "permalink", "cover", "image"]
)
_NOTES = frozenset(
    ["created", "modified", "updated", "date", "author", "description", "project", "area", "up", "related"]
)
_FINISHED = frozenset(["source", "report", "finished", "worker"])
# pydantic's types of errors, as https://docs.pydantic.dev/latest/errors/validation_errors/ lists them.
_KINDS = {
    "tuple_type": "it must be text, or a list of texts",
    "list_type": "it must be text, or a list of texts",
    "dict_type": "it must be names with their values, indented below it",
    "string_type": "it must be one text, no list and nothing with parts of its own",
    "int_": "it must be a whole number",
    "float_": "it must be a number",
    "decimal_": "it must be a number",
    "bool_": "it must be true or false",
    "date_": "it must be a date like 2026-11-20",
}
_MEASURES = {
    "greater_than_equal": "it must be at least {ge}",
    "greater_than": "it must be more than {gt}",
    "less_than_equal": "it must be at most {le}",
    "less_than": "it must be less than {lt}",
    "string_too_long": "it has more than {max_length} characters",
    "string_too_short": "it has fewer than {min_length} characters",
    "too_long": "it has more than {max_length} entries",
    "finite_number": "it must be a number",
}
_NOTE_PROPERTIES = _OBSIDIAN | _NOTES | _FINISHED


def read_params(task: Task, model: type[Params]) -> Params:
    """The task's parameters as its type declares them. Raises BadHeader, with the known names and the nearest one.

    Comma text stands for a list, `-` for `_` in names, and an empty value for an absent one. Properties that note
    programs keep for themselves (`tags`, `aliases`, …) are no parameters unless the type declares them.
    """
    given = _given(task.params, model)
    try:
        return model.model_validate({name: value for name, (_, value) in given.items()})
    except ValidationError as error:
        raise _bad_params(task, model, error, {name: key for name, (key, _) in given.items()}) from None


def has_params(task: Task) -> bool:
    """Whether the header holds any parameter; else the text alone says what to do, clearly or not."""
    return bool(_given(task.params, BaseModel))


def _given(params: Mapping[str, Any], model: type[BaseModel]) -> dict[str, tuple[str, Any]]:
    """Parameter name → (key in the file, value) as the model should see them."""
    names = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    given: dict[str, tuple[str, Any]] = {}
    for key, value in params.items():
        name = key if key in names or fold(key) not in names or fold(key) in params else fold(key)
        if value in ("", []) or (name not in names and (name.lower() in _NOTE_PROPERTIES or name[:1] in "_.")):
            continue
        listed = isinstance(value, str) and _takes_list(names.get(name))
        given[name] = (key, list(items(value)) if listed else value)
    return given


def _takes_list(annotation: Any) -> bool:
    kinds = (get_origin(annotation) or annotation, *map(get_origin, get_args(annotation)))
    return any(kind in (list, tuple, set, frozenset) for kind in kinds) and str not in get_args(annotation)[1:]


def _in_words(fault: Mapping[str, Any]) -> str:
    """Why a value is not valid, for people who know nothing of types."""
    kind, limits = str(fault["type"]), fault.get("ctx", {})
    if kind in _MEASURES:
        return _MEASURES[kind].format(**limits)
    found = next((words for part, words in _KINDS.items() if kind.startswith(part)), "")
    return found or str(fault["msg"]).removeprefix("Value error, ")


def _bad_params(task: Task, model: type[BaseModel], error: ValidationError, keys: Mapping[str, str]) -> BadHeader:
    names = [field.alias or name for name, field in model.model_fields.items()]
    known = f"it knows {', '.join(names)}" if names else "it has no parameters"
    whole = task.raw
    mended: set[str] = set()
    first: tuple[str, str, str, str] | None = None
    # Unknown names first: a misspelt one is also the reason why another is missing.
    faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    for fault in faults[:20]:
        name = str(fault["loc"][0]) if fault["loc"] else ""
        key = keys.get(name, name)
        expected = re.findall(r"'([^']*)'", str(fault.get("ctx", {}).get("expected", "")))
        if fault["type"] == "extra_forbidden":
            near = nearest(fold(key), [other for other in names if other not in keys and other not in mended])
            mended.add(near)
            told = (f"unknown parameter `{key}`", known, f"did you mean `{near}`?" if near else "delete it")
            whole = frontmatter.renamed(whole, key, near) if near else frontmatter.without(whole, key)
        elif name in mended:
            continue
        elif fault["type"] == "missing":
            told = (f"the parameter `{name}` is missing", known, f"add a line `{name}: …`")
            whole = frontmatter.amend(whole, {name: ""})
        else:
            near = nearest(str(fault["input"]), expected)
            why = _in_words(fault)
            fix = f"did you mean `{key}: {near}`?" if near else "correct it, or delete the line"
            told = (f"the parameter `{key}` is not valid" if key else "the parameters do not fit together", why, fix)
            whole = frontmatter.amend(whole, {key: near}) if near else frontmatter.without(whole, key)
        first = first or (key, *told)
    key, what, why, fix = first or ("", "the parameters are not valid", known, "")
    type_name = f"{task.type}: " if task.type != "auto" else ""
    line = frontmatter.read(task.raw).lines.get(key, 1)
    return BadHeader(type_name + what, line=line, where=task.path, why=why, fix=fix, corrected=whole)
