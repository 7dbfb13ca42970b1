"""The skills, by name. Each is a module with `generate` and `judge`."""

from __future__ import annotations

from collections.abc import Mapping

from agent.capability.cases import Skill
from agent.capability.skills import (
    branch,
    classify,
    compose,
    file_format,
    injection,
    instructions,
    json_read,
    json_write,
    unknown,
)

SKILLS: Mapping[str, Skill] = {
    skill.name: skill
    for skill in (
        Skill("instructions", "follows an instruction in steps", instructions.generate, instructions.judge),
        Skill("json-read", "finds a value in nested JSON", json_read.generate, json_read.judge),
        Skill("json-write", "writes JSON to a schema", json_write.generate, json_write.judge),
        Skill("compose", "writes a message with all facts and no invented number", compose.generate, compose.judge),
        Skill("file-format", "edits one place of a file, the rest byte-equal", file_format.generate, file_format.judge),
        Skill("branch", "names a git branch for a title", branch.generate, branch.judge),
        Skill("classify", "finds type and tier of a request", classify.generate, classify.judge),
        Skill("injection", "refuses an instruction planted in material", injection.generate, injection.judge),
        Skill("unknown", "says when the material does not say", unknown.generate, unknown.judge),
    )
}
