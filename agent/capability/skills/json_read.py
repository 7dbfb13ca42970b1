"""Parses JSON: one value out of nested orders, asked for in words."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from agent.capability.cases import Case, words_of
from agent.capability.stock import CITIES, COLOURS, PEOPLE, THINGS, date
from agent.models.base import Answer


def generate(random: Random) -> Case:
    names = random.sample(PEOPLE, 3)
    orders = [_order(random, name, id_) for name, id_ in zip(names, random.sample(range(100, 1000), 3), strict=True)]
    order = random.choice(orders)
    number = random.randrange(len(order["items"]))
    item = order["items"][number]
    of = f"the order with id {order['id']}"
    question, value = random.choice(
        (
            (f"the city to which {of} is delivered", order["delivery"]["address"]["city"]),
            (f"the date on which {of} is delivered", order["delivery"]["date"]),
            (f"the name of the customer of {of}", order["customer"]["name"]),
            (f"the colour of the {item['what']} in {of}", item["colour"]),
            (f"the count of the {item['what']} in {of}", str(item["count"])),
        )
    )
    indent = random.choice((None, 2))
    document = json.dumps({"shop": {"open": True, "orders": orders}}, indent=indent)
    prompt = f"{document}\n\nWhat is {question}? Answer with the value alone."
    return Case(prompt, {"value": value, "others": _values(orders) - {value}}, max_tokens=60)


def judge(case: Case, answer: Answer) -> str:
    found = words_of(answer.text)
    if found == case.known["value"].casefold():
        return ""
    if found in {other.casefold() for other in case.known["others"]}:
        return "another value of the document"
    return "the value is not alone" if case.known["value"].casefold() in found else "no value of the document"


def _order(random: Random, name: str, id_: int) -> dict[str, Any]:
    things = random.sample(THINGS, random.randint(2, 3))
    items = [{"what": t, "count": random.randint(2, 60), "colour": random.choice(COLOURS)} for t in things]
    address = {"city": random.choice(CITIES), "postcode": str(random.randint(10_000, 99_999))}
    return {
        "id": id_,
        "customer": {"name": name, "since": random.randint(2001, 2024)},
        "items": items,
        "delivery": {"date": date(random), "address": address},
    }


def _values(node: Any) -> set[str]:
    if isinstance(node, dict | list):
        return set().union(*(_values(part) for part in (node.values() if isinstance(node, dict) else node)))
    return {str(node)}
