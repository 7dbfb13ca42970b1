"""The `classify` type: one label of those that were given, or a doubt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.errors import BadHeader, Doubt, Refused
from agent.handlers.classify import HANDLER, labels_in
from agent.models.fake import FakeModel
from agent.models.ollama import Ollama
from tests.engine.standin import OllamaStandIn
from tests.handlers.model_place import ModelPlace

LABELS = ["bug", "feature", "question"]


def said(label: str, confidence: float = 0.9) -> dict[str, Any]:
    return {"label": label, "confidence": confidence}


@pytest.fixture
def place(tmp_path: Path) -> ModelPlace:
    made = ModelPlace(tmp_path, HANDLER)
    made.write("in/a.md", "It crashes.\n")
    made.write("in/b.md", "Please add dark mode.\n")
    made.write("list.md", "- It crashes\n\n2. How do I print?\n")
    return made


def labelled(raw: str) -> dict[str, str]:
    return {row["item"]: row["label"] for row in json.loads(raw)}


def test_every_file_gets_one_label(place: ModelPlace) -> None:
    result = place.do(FakeModel(said("bug"), said("feature", 0.7)), "Classify these", path="in", labels=LABELS)
    assert labelled(result.raw) == {"in/a.md": "bug", "in/b.md": "feature"}
    assert result.sections[0].text == "- in/a.md → bug\n- in/b.md → feature"
    assert result.confidence == 0.7 and len(result.usage) == 2


def test_every_line_gets_one_label(place: ModelPlace) -> None:
    model = FakeModel(said("bug"), said("question"))
    result = place.do(model, "Classify these", path="list.md", labels="bug, feature, question", each="true")
    assert labelled(result.raw) == {"It crashes": "bug", "How do I print?": "question"}


@pytest.mark.parametrize(
    "text, item",
    [
        ("Classify 'It crashes on start' as bug, feature or question", "It crashes on start"),
        ("Classify as bug, feature or question: It crashes on start", "It crashes on start"),
        ("Label this as bug, feature or question.\n\nIt crashes on start", "It crashes on start"),
        ("Classify `in/a.md` as bug, feature or question", "in/a.md"),
    ],
)
def test_labels_and_item_are_read_from_the_request(place: ModelPlace, text: str, item: str) -> None:
    model = FakeModel(said("bug"))
    result = place.do(model, text)
    assert labelled(result.raw) == {item: "bug"}
    assert '"enum":["bug","feature","question","unsure"]' in model.history[0].prompt


@pytest.mark.parametrize(
    "text, labels",
    [
        ("Classify notes/a.md as bug, feature or question", ("bug", "feature", "question")),
        ("Sort these mails into work, private and spam.", ("work", "private", "spam")),
        ("Tag it as very urgent or normal in in/a.md", ("very urgent", "normal")),
        ("Classify as 'a', 'b', or 'c'", ("a", "b", "c")),
        ("Is this spam or ham?\n\nBuy now", ("spam", "ham")),
    ],
)
def test_lists_of_labels_in_plain_english(text: str, labels: tuple[str, ...]) -> None:
    assert labels_in(text) == labels


@pytest.mark.parametrize("text", ["Classify this", "Classify this as bug", "Label it as unsure or sure"])
def test_labels_that_are_not_clear_go_up_without_a_question(place: ModelPlace, text: str) -> None:
    model = FakeModel()
    with pytest.raises(Doubt, match="labels"):
        place.do(model, text)
    assert not model.history


@pytest.mark.parametrize("answer", [said("unsure"), said("bug", 0.3)])
def test_one_doubt_sends_all_up_with_what_is_known(place: ModelPlace, answer: dict[str, Any]) -> None:
    with pytest.raises(Doubt) as caught:
        place.do(FakeModel(said("bug"), answer), "Classify these", path="in", labels=LABELS)
    assert caught.value.reason == "low-confidence"
    assert "in/b.md" in caught.value.tried and "in/a.md → bug" in caught.value.tried


def test_a_label_of_the_models_own_is_no_label(place: ModelPlace) -> None:
    with pytest.raises(Doubt) as caught:
        place.do(FakeModel(said("praise"), said("praise")), "x", path="in/a.md", labels=LABELS)
    assert caught.value.reason == "bad-answer"


def test_opinions_that_differ_go_up(place: ModelPlace) -> None:
    with pytest.raises(Doubt) as caught:
        place.do(FakeModel(said("bug"), said("feature")), "x", path="in/a.md", labels=LABELS, opinions=2)
    assert caught.value.reason == "low-confidence"
    assert "bug" in caught.value.tried and "feature" in caught.value.tried


def test_too_many_items_are_too_long(place: ModelPlace) -> None:
    place.write("long.md", "".join(f"- item {n}\n" for n in range(51)))
    with pytest.raises(Doubt) as caught:
        place.do(FakeModel(), "x", path="long.md", labels=LABELS, each="true")
    assert caught.value.reason == "too-long" and caught.value.tried


def test_nothing_to_classify_goes_up(place: ModelPlace) -> None:
    with pytest.raises(Doubt, match="nothing to classify"):
        place.do(FakeModel(), "Classify the mail as spam or ham")


def test_a_file_that_is_not_there_is_refused(place: ModelPlace) -> None:
    with pytest.raises(Refused):
        place.do(FakeModel(), "x", path="missing.md", labels=LABELS)


@pytest.mark.parametrize("labels", ["bug", ["bug", "BUG"], ["bug", "unsure"], [f"l{n}" for n in range(21)]])
def test_labels_that_make_no_sense_are_told(place: ModelPlace, labels: Any) -> None:
    with pytest.raises(BadHeader):
        place.do(FakeModel(), "x", path="in/a.md", labels=labels)


def test_a_model_that_knows_nothing_gives_a_label_or_a_doubt(place: ModelPlace, standin: OllamaStandIn) -> None:
    place.context = 4096
    try:
        result = place.do(Ollama(standin.url), "Classify it", path="in/a.md", labels=LABELS)
    except Doubt as doubt:
        assert doubt.reason in ("low-confidence", "bad-answer", "too-long") and doubt.tried
    else:
        assert set(labelled(result.raw).values()) <= set(LABELS)
    assert standin.chats
