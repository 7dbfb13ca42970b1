"""Composes a message: every given fact is in it, and no number that was not given."""

from __future__ import annotations

import re
from random import Random

from agent.capability.cases import Case
from agent.capability.stock import DAYS, EVENTS, PEOPLE, THINGS, clock, room
from agent.models.base import Answer

ASKED, LONGEST = 60, 120  # words: what is asked for, and what is still right: counting is not the skill here
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def generate(random: Random) -> Case:
    to, sender, other = random.sample(PEOPLE, 3)
    thing = random.choice(THINGS)
    facts = {
        "what": random.choice(EVENTS).removeprefix("the "),
        "day": random.choice(DAYS),
        "time": clock(random),
        "room": room(random),
        "bring": f"{random.randint(2, 40)} {thing}",
        "contact": other,
        "cost": f"{random.randint(5, 95)} euros",
    }
    kept = ["what", *sorted(random.sample(sorted(facts.keys() - {"what"}), random.randint(3, 5)))]
    shown = "\n".join(f"- {key}: {facts[key]}" for key in kept)
    kind = random.choice(("short, friendly message", "short reminder", "polite invitation"))
    prompt = (
        f"Write a {kind} to {to} from {sender}, in at most {ASKED} words. Use every one of these facts, in "
        f"the same words and figures, and add no other numbers, dates or times:\n{shown}"
    )
    return Case(prompt, {"facts": [to, sender, *(facts[key] for key in kept)]}, max_tokens=300)


def judge(case: Case, answer: Answer) -> str:
    text = " ".join(answer.text.split()).casefold()
    missing = [fact for fact in case.known["facts"] if not re.search(rf"\b{re.escape(fact.casefold())}\b", text)]
    if missing:
        return f"{missing[0]!r} is missing"
    given = {number for fact in case.known["facts"] for number in _NUMBER.findall(fact)}
    invented = [number for number in _NUMBER.findall(text) if number not in given]
    if invented:
        return f"the number {invented[0]} is invented"
    return f"longer than {LONGEST} words" if len(text.split()) > LONGEST else ""
