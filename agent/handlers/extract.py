"""The `extract` type: facts of files, or of the task's own text, as data under a JSON Schema.

The model copies; code looks every value up in the material. What is not there was invented: it becomes null and is
named, and when more than half was invented nothing is believed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Hashable
from typing import Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from agent.errors import Doubt, Refused
from agent.handlers.base import Context, Handler
from agent.handlers.extract_checks import Material, Verdict, held
from agent.handlers.extract_fields import (
    MAX_INFERRED,
    SNAKE,
    Wanted,
    answer_schema,
    fenced_schema,
    from_fields,
    from_schema,
)  # fmt: skip
from agent.handlers.material import FILE_LIMIT, PathParams, read_mentioned, read_named
from agent.handlers.opinions import CONFIDENCE, Agreed, agreed, bad_answer, folded, sure
from agent.text import shorten
from agent.vault.prompts import quoted
from agent.vault.values import Change, Result, Role, Section, Tier, Usage

MAX_REPLACED = 16 << 20  # bytes of a file that is replaced
LONGEST_REQUEST = 1500  # characters; a longer text is material, not a request
_SEVERAL = re.compile(r"\b(?:table|csv|rows?|records?|each|every|all|lists?)\b", re.IGNORECASE)
_NAMES_SCHEMA = {
    "type": "object",
    "properties": {
        "fields": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 40},
            "minItems": 1,
            "maxItems": MAX_INFERRED,
        },
        "confidence": CONFIDENCE,
    },
    "required": ["fields", "confidence"],
    "additionalProperties": False,
}


class ExtractParams(PathParams):
    """`fields` or `schema` (JSON, or a .json file of the vault); `many` records; `to` a file, `replace` it."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    fields: tuple[str, ...] = ()
    schema_: str = Field("", alias="schema")
    many: bool = False
    to: str = ""
    replace: bool = False

    @field_validator("fields")
    @classmethod
    def _usable(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        if fields:
            from_fields(fields, many=False)
        return fields

    @model_validator(mode="after")
    def _fit(self) -> ExtractParams:
        if self.fields and self.schema_:
            raise ValueError("give `fields` or `schema`, not both")
        if self.replace and not self.to:
            raise ValueError("`replace` needs `to`")
        if self.to and not self.to.endswith((".json", ".csv")):
            raise ValueError("`to` is a .json or a .csv file")
        return self


def run(ctx: Context, params: ExtractParams) -> Result:
    """The data, every value of it held against the material. Doubt when too little of it can be believed."""
    fenced, request = fenced_schema(ctx.task.text.strip())
    target = _target(ctx, params) if params.to else None
    wanted = _given(ctx, params, fenced)
    sources = read_named(ctx, params.path) if params.path else read_mentioned(ctx, request)
    text = "\n\n".join(source.text for source in sources) or request
    if not text.strip() or (not sources and "\n" not in text and ":" not in text):
        raise Doubt("there is nothing to extract from", why="no file of the vault is named and there is no text")
    wish = request if sources and len(request) <= LONGEST_REQUEST else request.partition("\n\n")[0][:LONGEST_REQUEST]
    usage: tuple[Usage, ...] = ()
    if wanted is None:
        wanted, usage = _inferred(ctx, params, wish)
    _must_fit_file(params, wanted)
    ctx.check()
    material = [quoted(f"File {source.path}", source.text) for source in sources] or [quoted("The material", text)]
    prompt = "\n\n".join([quoted("The request", wish), *material, "Extract the values from the material."])
    found = agreed(
        ctx,
        prompt,
        schema=answer_schema(wanted, CONFIDENCE),
        max_tokens=2400 if wanted.many else min(2000, 300 + 60 * len(wanted.names)),
        same=_values,
    )
    confidence = sure(found, "the local model did not find what was asked for")
    data, verdict = _judged(found, wanted, text)
    return Result(
        findings=(*_findings(data, verdict), *found.answer.notes),
        sections=(Section("Result", _shown(data)),),
        raw=json.dumps(data, ensure_ascii=False, indent=1),
        changes=(Change(*target, _file(params.to, data, wanted)),) if target else (),
        usage=(*usage, *found.usage),
        confidence=confidence,
    )


def _given(ctx: Context, params: ExtractParams, fenced: str) -> Wanted | None:
    """What the task itself says about fields; None when it says nothing."""
    if params.fields:
        return from_fields(params.fields, many=params.many)
    schema, where = params.schema_.strip(), ctx.task.path
    if schema.endswith(".json") and not schema.startswith("{"):
        where = schema
        try:
            schema = ctx.files.read(schema, FILE_LIMIT).decode("utf-8-sig")
        except FileNotFoundError:
            raise Refused("the schema is not there", where=where, fix="correct `schema`") from None
        except UnicodeDecodeError:
            raise Refused("the schema is not UTF-8 text", where=where) from None
    schema = schema or fenced
    return from_schema(schema, many=params.many, where=where) if schema else None


def _inferred(ctx: Context, params: ExtractParams, wish: str) -> tuple[Wanted, tuple[Usage, ...]]:
    """The fields that the model reads out of the request, which code takes only as plain names."""
    prompt = f"{quoted('The request', wish)}\n\nName the fields that the request asks for, in snake_case."
    found = agreed(ctx, prompt, schema=_NAMES_SCHEMA, max_tokens=300, same=lambda data: frozenset(data["fields"]))
    sure(found, "it is not clear which fields are wanted")
    names = [name.strip() for name in found.data["fields"]]
    if odd := [name for name in names if not SNAKE.fullmatch(name)]:
        raise bad_answer(found, "the fields could not be named", f"'{shorten(odd[0], 60)}' is no name of a field")
    if len(set(names)) < len(names):
        raise bad_answer(found, "the fields could not be named", "one name came twice")
    ctx.note(f"fields: {', '.join(names)}")
    return from_fields(names, many=params.many or bool(_SEVERAL.search(wish))), found.usage


def _judged(found: Agreed, wanted: Wanted, text: str) -> tuple[Any, Verdict]:
    """The data without what was invented. Raises Doubt when that is over half of it, or when nothing is left."""
    material, verdict = Material.of(text), Verdict()
    if wanted.many:
        records = [
            held(record, wanted.schema, material, verdict, f"[{place}]")
            for place, record in enumerate(found.data["records"], 1)
        ]
        data: Any = [record for record in records if _holds(record)]
    else:
        data = held(found.data["record"], wanted.schema, material, verdict)
    if 2 * len(verdict.invented) > verdict.values:
        what = f"{len(verdict.invented)} of {verdict.values} values are not in the material"
        raise bad_answer(found, "the local model invented values", f"{what}: {', '.join(verdict.invented[:8])}")
    if not _holds(data):
        raise bad_answer(found, "nothing was found in the material", "every field is empty")
    return data, verdict


def _holds(data: Any) -> bool:
    if isinstance(data, dict):
        return any(map(_holds, data.values()))
    return any(map(_holds, data)) if isinstance(data, list) else data is not None


def _findings(data: Any, verdict: Verdict) -> list[str]:
    found = [f"{len(data)} record{'s' * (len(data) != 1)}." if isinstance(data, list) else "1 record."]
    for what, names in (("Not in the material, set to null", verdict.invented), ("Not given", verdict.empty)):
        if names:
            more = f" and {len(names) - 12} more" if len(names) > 12 else ""
            found.append(f"{what}: {', '.join(names[:12])}{more}.")
    return found


def _shown(data: Any) -> str:
    """A list for people. No table: whatever comes from a model has its `|` taken away before it is written."""
    if isinstance(data, dict):
        return "\n".join(f"- {name}: {_cell(value)}" for name, value in data.items())
    rows = ("; ".join(f"{name}: {_cell(value)}" for name, value in record.items()) for record in data)
    return "\n".join(f"{place}. {row}" for place, row in enumerate(rows, 1))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return " ".join(value.split()) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _target(ctx: Context, params: ExtractParams) -> tuple[str, str | None]:
    """The file that is written and the digest of what it replaces, looked up before the model is asked."""
    path = ctx.files.check_writable(params.to)
    if not ctx.files.exists(path):
        return path, None
    if not params.replace:
        raise Refused("the file is there already", where=path, fix="add `replace: true`, or give another name in `to`")
    return path, hashlib.sha256(ctx.files.read(path, MAX_REPLACED)).hexdigest()


def _must_fit_file(params: ExtractParams, wanted: Wanted) -> None:
    if params.to.endswith(".csv") and not wanted.flat:
        raise Refused("a .csv file has no place for nested fields", where=params.to, fix="write a .json file")


def _file(path: str, data: Any, wanted: Wanted) -> bytes:
    if path.endswith(".json"):
        return (json.dumps(data, ensure_ascii=False, indent=2) + "\n").encode()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(wanted.names)
    for record in data if isinstance(data, list) else [data]:
        writer.writerow([_csv_cell(record[name]) for name in wanted.names])
    return out.getvalue().encode()


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):  # a spreadsheet would run a stranger's "=…" as a formula
        return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
    return json.dumps(value)


def _values(data: Any) -> Hashable:
    return folded(json.dumps([data.get("record", data.get("records")), data["known"]], sort_keys=True))


HANDLER = Handler("extract", Tier.STANDARD, Role.TASK, ExtractParams, run, limit=600.0)
