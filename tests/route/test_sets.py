"""Labelled requests: how many errands stay here, with which type, and that no complex one ever does.

What the page of the day made of each new file at first sight, before anything was mended (stay / right type / complex
ones done here):

    blind     77.6 %   72.4 %    2 of 70    by somebody who had not seen the rules
    blind2    64.9 %   60.8 %    6 of 50    harder, by the same hand after rewriting the rules
    blind3    97.7 %   97.7 %    0 of 37    by the same hand again: a hand one gets used to
    blind4    81.2 %   81.2 %    1 of 32    by the same hand, after blind3 and one more round of mending
    smuggled     -        -     13 of 73    complex work in the words of an errand, written with the rules in view
    plain     91.2 %   86.8 %    0 of 32    by another hand that had glanced over the page; nothing was mended after it

All are now part of what the rules are held to, so the figures asserted below say that nothing got worse, not how the
next stranger's requests will fare: for that, write a new file first and measure once.
"""

import json
from pathlib import Path

import pytest

from agent.handlers import HANDLERS
from agent.route import decide
from agent.vault.values import Who
from tests.route import SHIPPED, task

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize(
    "name", ["dev", "heldout", "fresh", "tricky", "last", "blind", "blind2", "blind3", "blind4", "smuggled", "plain"]
)
def test_errands_stay_here_and_complex_work_never_does(name: str) -> None:
    lines = (DATA / f"routing_{name}.jsonl").read_text("utf-8").splitlines()
    labelled = [json.loads(line) for line in lines]
    decided = [(label, decide(task(label["text"]), SHIPPED, HANDLERS)) for label in labelled]
    complex_here = [d.reason for label, d in decided if label["tier"] == "complex" and d.who is not Who.LEAD]
    errands = [(label, d) for label, d in decided if label["tier"] != "complex"]
    stayed = sum(d.who is not Who.LEAD for _, d in errands)
    typed = sum(d.type == label["type"] for label, d in errands)
    assert complex_here == []
    assert stayed >= 0.85 * len(errands)
    assert typed >= 0.80 * len(errands)
