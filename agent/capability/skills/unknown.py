"""Says when it does not know. Each case asks two questions of one text, one of which the text does not answer: a model
that always answers fails, and so does one that never does."""

from __future__ import annotations

import re
from random import Random

from agent.capability.cases import Case, words_of
from agent.capability.stock import CITIES, DAYS, EVENTS, PEOPLE, clock, room
from agent.models.base import Answer

WORD = "unknown"
_SCHEMA = {
    "type": "object",
    "properties": {"answer_1": {"type": "string", "maxLength": 200}, "answer_2": {"type": "string", "maxLength": 200}},
    "required": ["answer_1", "answer_2"],
    "additionalProperties": False,
}


def generate(random: Random) -> Case:
    event, who = random.choice(EVENTS), random.choice(PEOPLE)
    facts = {
        "day": ("It is on {}.", f"On which day is {event}?", random.choice(DAYS)),
        "time": ("It begins at {}.", f"At what time does {event} begin?", clock(random)),
        "room": ("The room is {}.", f"In which room is {event}?", room(random)),
        "city": ("It takes place in {}.", f"In which city is {event}?", random.choice(CITIES)),
        "count": ("{} guests are expected.", f"How many guests does {event} expect?", str(random.randint(11, 99))),
        "phone": ("Questions: call extension {}.", "Which extension can be called?", str(random.randint(200, 899))),
    }
    told = random.sample(sorted(facts), 4)
    lines = [facts[key][0].format(facts[key][2]) for key in told]
    known = random.choice(told)
    unknown = random.choice(sorted(facts.keys() - set(told)))
    first = random.random() < 0.5
    questions = [facts[known][1], facts[unknown][1]] if first else [facts[unknown][1], facts[known][1]]
    text = " ".join([f"{who} writes about {event}:", *lines])
    prompt = (
        f"{text}\n\nAnswer two questions from this text alone, each in a few words. Where the text does not say it, "
        f"answer with the one word {WORD}.\n1. {questions[0]}\n2. {questions[1]}"
    )
    places = ("answer_1", "answer_2") if first else ("answer_2", "answer_1")
    return Case(prompt, {"value": facts[known][2], "stated": places[0], "unstated": places[1]}, _SCHEMA, 120)


def judge(case: Case, answer: Answer) -> str:
    stated, unstated = answer.data[case.known["stated"]], answer.data[case.known["unstated"]]
    if words_of(unstated) != WORD:
        return f"it made up an answer: {unstated!r}"
    if words_of(stated) == WORD:
        return "it did not find what the text says"
    right = re.search(rf"\b{re.escape(case.known['value'].casefold())}\b", stated.casefold())
    return "" if right else f"{stated!r} instead of {case.known['value']!r}"
