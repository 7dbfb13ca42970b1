"""Labelled requests: how many errands stay here, with which type, and that no complex one ever does."""

import json
from pathlib import Path

import pytest

from agent.handlers import HANDLERS
from agent.route import decide
from agent.vault.values import Who
from tests.route import SHIPPED, task

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("name", ["dev", "heldout", "fresh", "tricky", "last", "blind"])
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
