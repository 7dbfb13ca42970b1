"""The record of what the lead, or time, decided on a hand-off: one file for each decision."""

from __future__ import annotations

from agent import frontmatter
from agent.gate import OutputGate
from agent.vault.approval import Asked
from agent.vault.layout import handoff_path
from agent.vault.ledger import account
from agent.vault.values import Closing, Outcome

TITLE_LIMIT = 200  # characters
TEXT_LIMIT = 32_000  # characters; the whole answer is kept with the finished tasks


def render(outcome: Outcome, closing: Closing, gate: OutputGate) -> str:
    """The decision that ended the outcome's task: who, when, what, and the answer or the reason."""
    spent = account(outcome)
    header = {
        "type": "decision",
        "id": closing.task.id,
        "handoff": handoff_path(closing.task.id),
        "by": gate.value(closing.by, 80) or None,
        "decided": outcome.finished,
        "decision": closing.decision,
        "model": gate.value(spent.model, 200),
        "cost_usd": spent.cost_usd,
    }
    known = {key: value for key, value in header.items() if value is not None}  # absent means unknown
    title = gate.line(closing.task.title, TITLE_LIMIT) or closing.task.id
    return frontmatter.dump(known, f"# {title}\n\n{gate.text(closing.text, TEXT_LIMIT)}\n")


def on_plan(outcome: Outcome, decision: str, asked: Asked, path: str, gate: OutputGate) -> str:
    """The decision on a plan: `approved`, `rejected` or `expired`. Who ticked is not known from a file."""
    header = {
        "type": "decision",
        "id": outcome.task.id,
        "approval": path,
        "decided": outcome.finished,
        "decision": decision,
        "plan": asked.plan,
        "from": gate.value(asked.worker, 80),
    }
    title = gate.line(outcome.task.title, TITLE_LIMIT) or outcome.task.id
    body = f"\n{gate.text(asked.why, TEXT_LIMIT)}\n" if asked.rejected and asked.why else ""
    return frontmatter.dump(header, f"# {title}\n{body}")
