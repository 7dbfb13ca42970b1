"""The words that cases are made of. All of it is invented."""

from __future__ import annotations

from random import Random

PEOPLE = ("Ada", "Ben", "Cleo", "Dov", "Edith", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaya", "Liam", "Mona")
CITIES = ("Bergen", "Lyon", "Porto", "Graz", "Turku", "Gdansk", "Leeds", "Siena", "Utrecht", "Aarhus")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
EVENTS = ("the demo", "the planning call", "the garden party", "the workshop", "the rehearsal", "the tasting")
THINGS = ("lamps", "chairs", "notebooks", "kettles", "bicycles", "umbrellas", "candles", "shelves", "mugs", "ropes")
COLOURS = ("red", "green", "blue", "yellow", "grey", "white", "purple")
WORDS = (
    "apple", "basket", "candle", "desert", "engine", "forest", "guitar", "harbour", "island", "jacket", "kitten",
    "ladder", "mirror", "needle", "orange", "pencil", "quarry", "ribbon", "saddle", "tunnel", "valley", "window",
)  # fmt: skip


def clock(random: Random) -> str:
    return f"{random.randint(8, 19):02}:{random.choice((0, 15, 30, 45)):02}"


def room(random: Random) -> str:
    return f"{random.choice('BCDEF')}{random.randint(10, 99)}"


def date(random: Random) -> str:
    return f"20{random.randint(24, 29)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
