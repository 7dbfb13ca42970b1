"""The record of what the lead, or time, decided on a hand-off: one file for each decision."""

from __future__ import annotations

from agent import frontmatter
from agent.gate import OutputGate
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
