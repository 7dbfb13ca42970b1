"""Whose turn it is on a server that holds one model (L15)."""

from __future__ import annotations

from agent.swapping import PATIENCE, Swapping


def drained(order: list[str], seconds: float = 1.0) -> list[str]:
    """The order in which tasks run, one at a time, each for so many seconds, looked at in the order given."""
    turns, clock, ran = Swapping(), 0.0, list[str]()
    waiting = list(order)
    while waiting:
        running: list[str] = []
        for model in list(waiting):
            if not turns.why_not("ollama", model, running, 1 - len(running), clock):
                running.append(model)
                waiting.remove(model)
        assert len(running) == 1
        ran += running
        clock += seconds
    return ran


def test_l15_two_models_are_swapped_once_and_not_for_every_task() -> None:
    assert drained(["a", "b"] * 5) == ["a"] * 5 + ["b"] * 5


def test_l15_nobody_waits_for_ever() -> None:
    ran = drained(["a", "b", *["a"] * 20], seconds=10)
    assert ran.index("b") * 10 <= PATIENCE + 10
    assert ran.count("a") == 21


def test_l15_two_models_never_run_side_by_side() -> None:
    turns = Swapping()
    assert not turns.why_not("ollama", "a", [], 4, 0.0)
    assert "go first" in turns.why_not("ollama", "b", ["a"], 3, 1.0)
    assert not turns.why_not("ollama", "a", ["a"], 3, 1.0)
    assert "go first" in turns.why_not("ollama", "b", ["a"], 3, PATIENCE + 2)
    assert "another model has the turn" in turns.why_not("ollama", "a", ["a"], 3, PATIENCE + 2)
    assert not turns.why_not("ollama", "b", [], 4, PATIENCE + 3)


def test_servers_do_not_wait_for_each_other() -> None:
    turns = Swapping()
    assert not turns.why_not("ollama", "a", [], 1, 0.0)
    assert not turns.why_not("lab", "b", [], 1, 0.0)


def test_without_room_a_task_waits_and_says_so() -> None:
    turns = Swapping()
    assert not turns.why_not("ollama", "a", [], 1, 0.0)
    assert "busy" in turns.why_not("ollama", "a", ["a"], 0, 0.1)
