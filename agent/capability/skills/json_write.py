"""Writes JSON to a given schema, from prose. No grammar helps here: the schema stands in the question, and the text of
the answer is parsed. One code fence around all of it is taken off."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from agent.capability.cases import Case, unfenced
from agent.capability.stock import CITIES, EVENTS, PEOPLE, THINGS, clock, date, room
from agent.models.base import Answer
from agent.models.schema import check

_TYPES: dict[str, dict[str, Any]] = {
    "event": {"type": "string", "description": "without an article"},
    "date": {"type": "string", "description": "YYYY-MM-DD"},
    "time": {"type": "string", "description": "HH:MM"},
    "room": {"type": "string"},
    "city": {"type": "string"},
    "seats": {"type": "integer"},
    "price": {"type": "number", "description": "in euros"},
    "speakers": {"type": "array", "items": {"type": "string"}, "description": "in the order of the text"},
    "bring": {"type": "array", "items": {"type": "string"}},
    "online": {"type": "boolean", "description": "whether people can follow it from elsewhere"},
}


def generate(random: Random) -> Case:
    names = random.sample(PEOPLE, random.randint(1, 3))
    online = random.random() < 0.5
    value: dict[str, Any] = {
        "event": random.choice(EVENTS).removeprefix("the "),
        "date": date(random),
        "time": clock(random),
        "room": room(random),
        "city": random.choice(CITIES),
        "seats": random.randint(5, 300),
        "price": random.randint(3, 90) + 0.5,
        "speakers": names,
        "bring": [random.choice(THINGS)],
        "online": online,
    }
    told = (
        f"On {value['date']} at {value['time']} we hold the {value['event']} in {value['city']}, room {value['room']}. "
        f"There are {value['seats']} seats, and one costs {value['price']:.2f} euros. {' and '.join(names)} "
        f"will speak. Please bring {value['bring'][0]}. "
        + ("You can follow it online too." if online else "It cannot be followed online.")
    )
    keys = sorted(random.sample(sorted(_TYPES), random.randint(4, 7)))
    schema = {
        "type": "object",
        "properties": {key: _TYPES[key] for key in keys},
        "required": keys,
        "additionalProperties": False,
    }
    prompt = f"{told}\n\nWrite this as one JSON object of the following schema, and nothing else:\n{json.dumps(schema)}"
    return Case(prompt, {"schema": schema, "value": {key: value[key] for key in keys}}, max_tokens=300)


def judge(case: Case, answer: Answer) -> str:
    try:
        found = json.loads(unfenced(answer.text))
        check(found, case.known["schema"])
    except (ValueError, RecursionError) as error:
        return f"not JSON of the schema: {error}"
    wrong = [key for key, value in case.known["value"].items() if _plain(found[key]) != _plain(value)]
    return f"wrong value of {wrong[0]}: {found[wrong[0]]!r}" if wrong else ""


def _plain(value: Any) -> Any:
    """Without differences that no reader minds: case, and an article."""
    if isinstance(value, str):
        return value.strip().casefold().removeprefix("the ")
    return [_plain(item) for item in value] if isinstance(value, list) else value
