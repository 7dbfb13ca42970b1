"""`gofer`: finds the verb, runs it, and turns errors into one clear paragraph and an exit code.

Exit codes: 0 done · 1 something failed or needs attention · 2 usage or configuration · 3 try again later ·
4 credentials or remote refused · 130 interrupted.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from agent import __version__
from agent.errors import GoferError, Usage

# verb → (module of agent.cli, one line of help). Modules are imported only when their verb is called.
VERBS = {
    "demo": ("demo", "Show all of it once, in a throw-away vault."),
    "init": ("init", "Make a vault here or in DIR; nothing is overwritten."),
    "run": ("run", "Work: do what lies in the inbox, now and as it comes."),
    "add": ("add", "Put a task into the inbox."),
    "list": ("listing", "What waits, runs, was handed off, and ended lately."),
    "show": ("show", "One task: its file, its report, its log."),
    "route": ("route", "Where a task would go, and which rule says so."),
    "status": ("status", "Worker, queue, models, and what needs a person."),
    "doctor": ("doctor", "Check everything; one line and one remedy for each finding."),
    "prices": ("prices", "What models cost; take over prices from elsewhere."),
    "stats": ("stats", "What the runs took, and what they saved."),
    "review": ("review", "Ask the lead to judge samples of what was done here."),
    "retry": ("again", "Put a finished task back into the inbox."),
    "handoff": ("handoff", "What was handed to the lead: list, show, claim, answer."),
    "model": ("model", "Models for llama.cpp inside Gofer: list, download."),
    "sync": ("sync", "One exchange with the remote: take what is new, publish what you dropped."),
    "smoke": ("smoke", "Try ten trivial tasks in a throw-away vault, each checked."),
    "capability": ("capability", "Measure what a model can do, by generated cases; compare two."),
    "stop": ("stop", "Stop the worker here, or with --all on every machine."),
    "resume": ("stop", "Go on after gofer stop."),
    "cancel": ("again", "Cancel a task that waits or runs."),
    "approve": ("approve", "Let a task act that waits for your tick, or reject it."),
    "undo": ("undo", "Take back what a task changed."),
}


class Verbs(click.Group):
    """Verbs by name, their modules imported late: `gofer --help` must not cost more than click itself."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            near = difflib.get_close_matches(cmd_name, VERBS, n=1)
            fix = f"did you mean gofer {near[0]}?" if near else f"one of {', '.join(VERBS)}; gofer --help explains them"
            raise Usage(f"there is no verb '{cmd_name}' in this version", fix=fix)
        module = importlib.import_module(f"agent.cli.{VERBS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name if cmd_name != "list" else "list_")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gofer")
def gofer() -> None:
    """Gofer does errands: drop a Markdown file into inbox/, find the report in outbox/ and in memory/."""


def main(argv: Sequence[str]) -> int:
    """Run one verb and return its exit code; errors go to stderr as what, where, why, what to do."""
    try:
        code = gofer.main(list(argv), prog_name="gofer", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        click.echo("\ninterrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except GoferError as error:
        click.echo(_paragraph(error), err=True)
        return error.exit_code
    except KeyboardInterrupt:
        click.echo("\ninterrupted", err=True)
        return 130
    except BrokenPipeError:  # the reader of our output went away: `gofer list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:  # the process border
        click.echo(_paragraph(_defect(error)), err=True)
        return 1


def _defect(error: Exception) -> GoferError:
    """What nobody foresaw, with the place in Gofer where it happened."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{frame.filename}, line {frame.lineno}, in {frame.name}"
    if isinstance(error, OSError):
        return GoferError(f"the system refused: {error}", where=where)
    why, fix = f"{type(error).__name__}: {error}", "please report it with these lines; gofer doctor may help meanwhile"
    return GoferError("this is a defect of Gofer's own", where=where, why=why, fix=fix)


def _paragraph(error: GoferError) -> str:
    lines = [f"gofer: {error.what}"]
    lines += [
        f"  {name}: {text}" for name, text in (("where", error.where), ("why", error.why), ("do", error.fix)) if text
    ]
    return "\n".join(lines)


def run() -> None:
    """The console script."""
    sys.exit(main(sys.argv[1:]))
