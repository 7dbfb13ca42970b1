"""The `test` type: runs checks that this machine's settings register, and says which passed, how long each took, and
the end of what it printed.

A task chooses a check by its name and, where the check has arguments, one of the values that the settings list. A check
that fails is a finding; the errand, to run it and to say so, is done all the same. Only what could not be run fails it.
Running twice after a crash runs the checks twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict

from agent.errors import Doubt, Refused
from agent.handlers.base import Context, Handler, Params
from agent.handlers.check_counts import counts
from agent.handlers.check_request import Wish, read_wishes
from agent.handlers.checking import Checked, Registered
from agent.text import shorten
from agent.vault.values import Result, Role, Status, Tier

LIMIT = 1800.0  # seconds for all checks of a task; each has a limit of its own in the settings
MOST = 20  # checks in one task
TAIL_LINES = 40
TAIL = 4000  # characters of a check's output that the report shows


class TestParams(Params):
    """The checks by name; none: the text names them. Every further key is an argument of one of them."""

    model_config = ConfigDict(extra="allow")

    check: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    """One check that was run, or could not be."""

    wish: Wish
    checked: Checked | None
    trouble: str = ""

    @property
    def name(self) -> str:
        chosen = ", ".join(f"{arg} = {value}" for arg, value in self.wish.chosen.items())
        return f"{self.wish.name} ({chosen})" if chosen else self.wish.name

    @property
    def word(self) -> str:
        return "did not run" if self.checked is None else "FAIL" if self.checked.why else "pass"


def run(ctx: Context, params: TestParams) -> Result:
    """Run each check in turn. One that cannot be run does not keep the others from running."""
    wishes = _wishes(ctx, params)
    rows = [_run(ctx, wish) for wish in wishes]
    ran = [row.checked for row in rows if row.checked]
    findings = [_finding(row) for row in rows]
    if len(rows) > 1:
        findings.insert(0, f"{sum(row.word == 'pass' for row in rows)} of {len(rows)} checks passed")
    findings += [f"Sandbox: {fence}" for fence in sorted({checked.fence for checked in ran})]
    failed = [row for row in rows if row.word == "FAIL"]
    return Result(
        status=Status.DONE if len(ran) == len(rows) else Status.FAILED,
        findings=tuple(findings),
        actions=(
            *(_look(row, ctx.task.id) for row in failed),
            *(f"put right the check '{r.name}'" for r in rows if r.checked is None),
        ),
        raw="\n\n".join([_table(rows), *(_tail(row) for row in rows)]),
    )


def _wishes(ctx: Context, params: TestParams) -> list[Wish]:
    """What is to be run. Raises Refused when a header asks for what is not registered, Doubt when a text does."""
    known = {one.name: one for one in ctx.checks.listed}
    if not params.check:
        if params.model_extra:
            names = ", ".join(sorted(params.model_extra))
            raise Doubt(f"the header has {names} but no `check`", why="the check is not named")
        return read_wishes(ctx.task.text, ctx.checks.listed)
    for name in params.check:
        if name not in known:
            raise Refused(
                f"no check is registered as '{shorten(name, 60)}' here",
                why=f"this machine registers {', '.join(known) or 'none'}",
                fix=("use one of these names, or " if known else "")
                + "add [checks.<name>] to this machine's config.toml",
            )
    if len(params.check) > MOST:
        raise Refused(f"{len(params.check)} checks are too many for one task", why=f"{MOST} are the most")
    given = {str(key): value for key, value in (params.model_extra or {}).items()}
    for key, value in given.items():
        _fits(key, value, [known[name] for name in params.check])
    return [Wish(name, {k: str(v) for k, v in given.items() if k in known[name].args}) for name in params.check]


def _fits(key: str, value: object, checks: list[Registered]) -> None:
    """Nothing when some of the checks have this argument, and all that have it know this value. Raises Refused."""
    having = [one for one in checks if key in one.args]
    if not having:
        names = sorted({arg for one in checks for arg in one.args})
        why = f"it knows {', '.join(names)}" if names else "it has no arguments"
        raise Refused(f"{checks[0].name} has no argument '{shorten(key, 40)}'", why=why, fix="take the line out")
    for one in having:
        if value not in one.args[key]:
            raise Refused(
                f"`{key}` of the check {one.name} may not be '{shorten(str(value), 60)}'",
                why=f"this machine's settings list {', '.join(one.args[key])}",
                fix="use one of these",
            )


def _run(ctx: Context, wish: Wish) -> _Row:
    ctx.check()
    try:
        return _Row(wish, ctx.checks.run(wish.name, wish.chosen))
    except Refused as error:
        ctx.note(f"check {wish.name} did not run: {error}")
        return _Row(wish, None, str(error))


def _finding(row: _Row) -> str:
    if row.checked is None:
        return f"{row.name}: did not run: {row.trouble}"
    said = f"{row.name}: {row.word} in {row.checked.seconds:.1f} s"
    if counted := counts(row.checked.output):
        said += f", {counted}"
    if not row.checked.why:
        return said
    last = next((line for line in reversed(row.checked.output.splitlines()) if line.strip()), "")
    return f"{said}: {row.checked.why}" + (f". Its last line: {shorten(last.strip(), 200)}" if last else "")


def _look(row: _Row, task: str) -> str:
    return f"look at the check '{row.name}', which failed; where all that it printed lies: gofer show {task} --log"


def _table(rows: list[_Row]) -> str:
    lines = [("check", "result", "seconds", "counts")]
    for row in rows:
        seconds = f"{row.checked.seconds:.1f}" if row.checked else ""
        lines.append((row.name, row.word, seconds, counts(row.checked.output) if row.checked else ""))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    padded = (zip(line, widths, strict=True) for line in lines)
    return "\n".join("  ".join(cell.ljust(width) for cell, width in line).rstrip() for line in padded)


def _tail(row: _Row) -> str:
    """The end of what a check printed, under its name."""
    if row.checked is None:
        return f"== {row.name}: did not run"
    lines = row.checked.output.splitlines()
    shown = "\n".join(lines[-TAIL_LINES:])[-TAIL:]
    cut = f" (the end of {len(lines):,} lines)" if len(shown) < len(row.checked.output.strip("\n")) else ""
    return f"== {row.name}: {row.word}{cut}\n{shown or '(it printed nothing)'}"


HANDLER = Handler(
    name="test",
    tier=Tier.TRIVIAL,
    role=Role.TASK,
    params=TestParams,
    run=run,
    limit=LIMIT,
    outside=True,
)
