"""What the paid way would have cost: the same tokens on the baseline model, or what such an errand takes there.

A saving is claimed only for what was really done here. A run that was handed on, failed or was cancelled spared nobody
anything: its baseline is 0, and what it cost is a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from agent.money.prices import Prices
from agent.vault.ledger import LOCAL_PROVIDERS, Baseline
from agent.vault.values import Outcome, Status, Who

LEAD = "lead"  # the provider of what a lead answered by a file
HEARTBEAT = "heartbeat"
_ANSWERED = frozenset({Status.DONE, Status.NEEDS_REVIEW})

# Tokens in and out of one such errand on a paid model, where nobody has measured it. Low on purpose.
# Heartbeat: the low end of the 8 to 15 thousand tokens that a user was billed for each, nearly all of them prompt.
_BEAT = (7_900, 100)
# Nobody has published a number for these. Each is at least one turn of the same agent, whose prompt alone is most of a
# heartbeat's; a quarter of that, and a short answer.
_TURN = (2_000, 100)
# Our own check of a set-up, and what a lead writes to us: no paid model would do them.
_NOTHING = (0, 0)
DEFAULTS: Mapping[str, tuple[int, int]] = {
    HEARTBEAT: _BEAT,
    **dict.fromkeys(("mailbox", "git", "status", "file", "forward", "fetch", "organize", "undo"), _TURN),
    **dict.fromkeys(("test", "answer", "claim-handoff"), _NOTHING),
}


def nothing_measured(type_: str) -> tuple[int, int] | None:
    """The `measured` of a vault without history."""
    return None


class Baselines:
    """Baselines of runs against one paid model, `provider/model` or a name alone; "" compares with nothing.

    `measured` gives the mean tokens (in, out) of a type when the lead does it, None when that is not known.
    """

    def __init__(
        self, prices: Prices, model: str, measured: Callable[[str], tuple[int, int] | None] = nothing_measured
    ) -> None:
        self._prices, self._model, self._measured = prices, model, measured

    def of(self, type_: str, input_tokens: int, output_tokens: int, used_model: bool) -> Baseline | None:
        """What a run that was done here would have cost there. Without a model, or without token counts, it is an
        estimate by type; `usd` is None where price or tokens are unknown. None: there is no baseline."""
        if not self._model:
            return None
        tokens: tuple[int, int] | None = (input_tokens, output_tokens)
        estimated = not (used_model and (input_tokens or output_tokens))
        if estimated:
            tokens = self._measured(type_) or DEFAULTS.get(type_)
        return self._priced(tokens, estimated=estimated)

    def of_run(self, outcome: Outcome) -> Baseline | None:
        """The baseline of a finished run. Where the lead did it, it is what that cost, if stated."""
        if not self._model:
            return None
        calls = outcome.result.usage
        if outcome.status not in _ANSWERED:
            return self._priced(_NOTHING, estimated=False)
        sent, made = sum(call.input_tokens for call in calls), sum(call.output_tokens for call in calls)
        if not _by_lead(outcome):
            return self.of(outcome.decision.type, sent, made, bool(calls))
        known = [call.cost_usd for call in calls if call.cost_usd is not None]
        if calls and len(known) == len(calls):
            return Baseline(calls[-1].model, sum(known), None, sent, made)
        return self._priced((sent, made) if sent or made else None, estimated=False)

    def of_quiet(self, beats: int) -> Baseline | None:
        """The baseline of that many heartbeats that had nothing to say."""
        if not self._model:
            return None
        sent, made = self._measured(HEARTBEAT) or _BEAT
        return self._priced((beats * sent, beats * made), estimated=True)

    def paid_on(self, outcome: Outcome) -> date | None:
        """The day of the price that a paid run was charged by, None when no price of ours was used."""
        paid = [call for call in outcome.result.usage if call.provider not in LOCAL_PROVIDERS and call.cost_usd]
        price = self._prices.of(paid[-1].provider, paid[-1].model) if paid else None
        return price.dated if price else None

    def _priced(self, tokens: tuple[int, int] | None, *, estimated: bool) -> Baseline:
        price = self._prices.named(self._model)
        if price is None or tokens is None:
            return Baseline(self._model, None, None, *(tokens or _NOTHING), estimated=False)
        return Baseline(self._model, price.cost(*tokens), price.dated, *tokens, estimated=estimated)


def _by_lead(outcome: Outcome) -> bool:
    return outcome.decision.who is Who.LEAD or any(call.provider == LEAD for call in outcome.result.usage)
