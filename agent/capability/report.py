"""The report of a capability check: written for people, with front matter that a later comparison reads again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from agent import frontmatter
from agent.capability.measuring import Measured
from agent.capability.score import Score
from agent.capability.skills import SKILLS
from agent.errors import PersonMustAct
from agent.gate import OutputGate

KIND = "capability"
REASON = 160  # characters of a failure that are shown
_COUNTS = "-counts"


@dataclass(frozen=True, slots=True)
class Heading:
    """What was measured, and how."""

    model: str
    provider: str
    digest: str
    thinking: str
    date: datetime
    seed: int
    cases: int  # of each skill


@dataclass(frozen=True, slots=True)
class Kept:
    """A report that was read again. `seed` and `cases` as they stand in it: equal ones mean the same cases."""

    name: str
    model: str
    seed: str
    cases: str
    complete: bool
    scores: Mapping[str, Score]


@dataclass(frozen=True, slots=True)
class Pair:
    """One skill in two reports. `difference` is b minus a in shares, None when one of them lacks the skill."""

    skill: str
    a: Score
    b: Score

    @property
    def difference(self) -> float | None:
        return None if self.a.share is None or self.b.share is None else self.b.share - self.a.share

    @property
    def overlap(self) -> bool:
        return self.a.overlaps(self.b)


def report_text(heading: Heading, measured: Measured, gate: OutputGate) -> str:
    """The whole file, every word of the model's through the gate."""
    values: dict[str, object] = {
        "type": KIND,
        "model": gate.value(heading.model, 200),
        "provider": gate.value(heading.provider, 80),
        "digest": gate.value(heading.digest, 80),
        "thinking": gate.value(heading.thinking, 20),
        "date": heading.date,
        "seed": heading.seed,
        "cases": heading.cases,
        "complete": measured.stopped is None,
        "seconds": round(sum(found.seconds for found in measured.found), 1),
        "input_tokens": sum(found.input_tokens for found in measured.found),
        "output_tokens": sum(found.output_tokens for found in measured.found),
    }
    for found in measured.found:
        values[found.skill] = round(found.score.share or 0.0, 4)
        values[found.skill + _COUNTS] = f"{found.score.passed}/{found.score.cases}"
    lines = [
        f"# What {gate.line(heading.model, 200)} can do",
        "",
        "| Skill | Passed | Share | 95 % interval | Seconds a case | Tokens a case |",
        "|---|---|---|---|---|---|",
    ]
    for found in measured.found:
        low, high = found.score.interval
        tokens = (found.input_tokens + found.output_tokens) / found.score.cases
        lines.append(
            f"| {found.skill}: {SKILLS[found.skill].about} | {found.score.passed}/{found.score.cases} "
            f"| {found.score.share or 0:.0%} | {low:.0%} to {high:.0%} | {found.seconds / found.score.cases:.2f} "
            f"| {tokens:.0f} |"
        )
    lines += ["", "## Typical failures", ""]
    failed = [(found.skill, reason) for found in measured.found for reason in found.typical()]
    lines += [f"- {skill}: {gate.line(reason, REASON)}" for skill, reason in failed] or ["None."]
    if measured.stopped:
        lines += ["", "## Not complete", "", gate.line(str(measured.stopped), 500)]
    return frontmatter.dump(values, "\n".join(lines) + "\n")


def read_report(text: str, name: str) -> Kept:
    """What a report says. Raises PersonMustAct for a file that is none, BadHeader for one that cannot be read."""
    values = frontmatter.read(text).values
    if values.get("type") != KIND:
        raise PersonMustAct("this is no report of a capability check", where=name, fix="gofer capability writes one")
    scores: dict[str, Score] = {}
    for key, value in values.items():
        if not key.endswith(_COUNTS):
            continue
        passed, _, cases = str(value).partition("/")
        if not (passed.isdecimal() and cases.isdecimal() and 0 <= int(passed) <= int(cases)):
            raise PersonMustAct(f"'{key}: {value}' is no count like 17/20", where=name, fix="measure again")
        scores[key.removesuffix(_COUNTS)] = Score(int(passed), int(cases))
    said = {key: str(values.get(key, "")) for key in ("model", "seed", "cases", "complete")}
    return Kept(name, said["model"], said["seed"], said["cases"], said["complete"] == "true", scores)


def compared(a: Kept, b: Kept) -> list[Pair]:
    """Both, skill by skill, in the order of the skills; those that only a later version knows come last."""
    names = [*SKILLS, *sorted((a.scores.keys() | b.scores.keys()) - SKILLS.keys())]
    none = Score(0, 0)
    return [
        Pair(name, a.scores.get(name, none), b.scores.get(name, none))
        for name in names
        if name in a.scores or name in b.scores
    ]
