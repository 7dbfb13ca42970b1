"""The `organize` type: files notes by the rules of `prompts/organize.md`, and says what is wrong among them.

Nothing here writes: it proposes every move as a new file and the end of the old one, and every note whose links must
follow as one change. It deletes nothing, overwrites nothing, and touches no file that a task may not write.

A scheduled run that has nothing to move and finds nothing changed since the last one is quiet; a dropped one always
reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

from agent.defaults import default_file
from agent.errors import GoferError, Refused
from agent.handlers.base import Context, Handler
from agent.handlers.organize import findings, report
from agent.handlers.organize.filing import Paper, Wish, first_fit, wish_of
from agent.handlers.organize.globs import read_glob
from agent.handlers.organize.library import Library, is_record, read_library
from agent.handlers.organize.moving import Moves, plan_moves
from agent.handlers.organize.params import DEFAULT, OrganizeParams
from agent.handlers.organize.recall import Snapshot, differences, keep, recall
from agent.handlers.organize.relinking import plan_changes
from agent.handlers.organize.request import read_request
from agent.handlers.organize.rules import PAGE, Rule, age, load_rules
from agent.handlers.organize.summary import day_lines, others_ran
from agent.handlers.wording import in_words
from agent.vault.params import has_params, read_params
from agent.vault.values import Result, Role, Section, Task, Tier

PAGE_LIMIT = 256 << 10  # bytes
ORDER = """\
These are the facts of one day in a folder of notes. Say them in one or two sentences, for somebody who reads nothing
else. Use no number, name or path that does not stand in the facts; do not advise. `confidence`: how sure you are that
the sentences say what the facts say."""


def understand(task: Task) -> OrganizeParams:
    """What a task asks for: its header, else its text. Raises Doubt when the text is not clear."""
    if has_params(task):
        return read_params(task, OrganizeParams)
    return read_params(replace(task, params=read_request(task.text)), OrganizeParams)


def run(ctx: Context, params: OrganizeParams) -> Result:
    """Look through the notes, plan the moves, and tell what was found."""
    facts = ctx.facts()
    wishes = _Wishes(ctx, params)
    library = read_library(ctx, _scope(ctx, params), wishes.of)
    moves = plan_moves(ctx, library, params.limit) if params.moves else Moves()
    plan = plan_changes(ctx, library, moves)
    told = report.Told()
    if params.moves:
        report.tell_moves(told, plan, dry=params.dry_run, unfit=wishes.unfit, age=params.older_than, task=ctx.task.id)
    changes = () if params.dry_run else plan.changes
    moved = {move.old: move.new for move in plan.moves} if changes else {}
    wrong = _tell_wrong(ctx, library, params, told, moved)
    result = Result(
        findings=tuple(told.findings), actions=tuple(told.actions), raw="\n".join(told.raw), changes=changes
    )
    if not params.wants("summary"):
        return result
    now = {path: at for path, at in library.times.items() if path in library.notes and library.in_scope(path)}
    before = recall(ctx, facts)
    changed = differences(before, now, ctx.now)
    told_now = sha256("\n".join([*wrong, *map(str, plan.left)]).encode("utf-8", "replace")).hexdigest()
    news = before is None or plan.changes or changed.any or before.told != told_now or others_ran(facts, before.at)
    quiet = ctx.task.scheduled and not news
    if ctx.task.scheduled or _is_old(before, ctx.now):
        own = tuple(plan.relinked) if changes else ()
        keep(ctx, before, Snapshot(ctx.now.timestamp(), now, moved, own, told_now), quiet=quiet)
    if quiet:
        ctx.note("nothing to move, and nothing changed")
        return Result(quiet=True)
    day = day_lines(library, changed, len(moved), facts)
    words, usage = in_words(ctx, "The facts", day, ORDER) if params.wording else ("", ())
    shown = [f"In short: {words}", "", *day] if words else day
    return replace(result, sections=(Section("Summary", "\n".join(shown)),), usage=usage)


class _Wishes:
    """Asks the rules about each file. `unfit` counts those that are older than the task says and fit no row."""

    def __init__(self, ctx: Context, params: OrganizeParams) -> None:
        self.unfit = 0
        self._today = ctx.now.astimezone(UTC).date()
        self._rules = _rules(ctx, params) if params.moves else ()
        self._only = tuple(read_glob(glob) for glob in params.match)
        self._older = age(params.older_than) if params.older_than else None

    def of(self, paper: Paper) -> Wish | None:
        """Where the rules want a file, None when it stays."""
        names = paper.path.split("/")
        if is_record(paper.path) or (self._only and all(glob.fits(names) is None for glob in self._only)):
            return None
        fit = first_fit(self._rules, paper, self._today, self._older)
        if fit is None:
            old = self._older is not None and (self._today - paper.day({})).days > self._older
            self.unfit += old
            return None
        return wish_of(fit, paper)


def _rules(ctx: Context, params: OrganizeParams) -> Sequence[Rule]:
    """The rules of the vault's page, or of Gofer's own when the vault has none. `archive` is the rows with an age."""
    try:
        text = ctx.files.read(PAGE, PAGE_LIMIT).decode("utf-8")
    except FileNotFoundError:
        text = default_file(PAGE)
    except UnicodeDecodeError:
        raise Refused("the organizer's rules cannot be read", where=PAGE, why="they are not UTF-8 text") from None
    rules = load_rules(text.replace("\r\n", "\n"))
    if params.only and "file" not in params.only:
        return [rule for rule in rules if rule.target is None or rule.older or rule.unchanged]
    return rules


def _scope(ctx: Context, params: OrganizeParams) -> str:
    """The folder to organize. Refused when it is not there."""
    scope = params.scope
    if is_record(scope):
        raise Refused("these are Gofer's own records", where=params.path, fix="leave them; name a folder of notes")
    if scope and params.path != DEFAULT and not ctx.files.times(params.path):  # a new vault has nothing in memory/ yet
        raise Refused("there is no such folder, or no text file in it", where=params.path, fix="correct `path`")
    return scope


def _tell_wrong(
    ctx: Context, library: Library, params: OrganizeParams, told: report.Told, moved: Mapping[str, str]
) -> list[str]:
    """Tell what is wrong among the notes, by the names that they have afterwards; all of it in lines, by which the next
    run knows that nothing is new."""

    def after(paths: Sequence[str]) -> list[str]:
        return sorted(moved.get(path, path) for path in paths)

    at = len(told.raw)
    if params.wants("orphans"):
        report.tell_orphans(told, after(findings.orphans(ctx, library)))
    if params.wants("duplicates"):
        report.tell_duplicates(told, sorted(map(after, findings.duplicates(library))))
    if params.wants("empty"):
        report.tell_empty(told, after(findings.empty(library)))
    if params.wants("broken"):
        lost = findings.broken(ctx, library)
        report.tell_broken(told, sorted((moved.get(path, path), line, target) for path, line, target in lost))
    if library.unread:
        report.tell_unread(told, sorted((moved.get(path, path), why) for path, why in library.unread.items()))
    return told.raw[at:]


def _is_old(before: Snapshot | None, now: datetime) -> bool:
    """Whether a dropped run may take the place of a snapshot: not of one of the same day, which a schedule made."""
    return before is None or datetime.fromtimestamp(before.at, UTC).date() < now.astimezone(UTC).date()


def _may_move(task: Task) -> bool:
    try:
        params = understand(task)
    except GoferError:
        return False  # it will not run here
    return params.moves and not params.dry_run


def _wants_words(task: Task) -> bool:
    try:
        return understand(task).wording
    except GoferError:
        return False


HANDLER = Handler(
    name="organize",
    tier=Tier.TRIVIAL,
    role=Role.ORGANIZATION,
    params=OrganizeParams,
    run=run,
    limit=120.0,
    understand=understand,
    row_decides=True,
    unmarked_waits=True,
    waits_when=_may_move,
    uses_facts=True,
    words_when=_wants_words,
)
