"""Keeps a file's format: front matter, CSV or a Markdown list is edited in one place, and the rest is byte-equal. One
code fence around the whole answer is taken off, and blank lines at the end do not count."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from agent.capability.cases import Case, unfenced
from agent.capability.stock import CITIES, COLOURS, PEOPLE, THINGS, date
from agent.models.base import Answer

Edited = tuple[str, str, str, str]  # the kind, what to do, the file before, the file after


def generate(random: Random) -> Case:
    kind, order, before, after = random.choice(_KINDS)(random)
    prompt = (
        f"This is a {kind}:\n\n```\n{before}\n```\n\n{order} Change nothing else, not even spaces. "
        "Answer with the whole new file and nothing else."
    )
    return Case(prompt, {"before": before, "after": after}, max_tokens=400)


def judge(case: Case, answer: Answer) -> str:
    # The gate took the white space around the answer; inside a fence it is whole.
    found, before, after = (t.strip("\n") for t in (unfenced(answer.text), case.known["before"], case.known["after"]))
    if found == after:
        return ""
    if found == before:
        return "nothing was changed"
    lines, wanted = found.split("\n"), after.split("\n")
    if len(lines) != len(wanted):
        return f"{len(wanted)} lines were wanted, not {len(lines)}"
    odd = next(number for number, line in enumerate(lines) if line != wanted[number])
    return f"line {odd + 1} is {lines[odd]!r} instead of {wanted[odd]!r}"


def _front_matter(random: Random) -> Edited:
    values = {
        "title": f'"{random.choice(THINGS).capitalize()} for {random.choice(CITIES)}"',
        "owner": random.choice(PEOPLE),
        "due": date(random),
        "priority": random.choice(("low", "normal", "high")),
        "tags": f"[{', '.join(random.sample(COLOURS, 2))}]",
    }
    key = random.choice(("owner", "due", "priority"))
    new = {"owner": random.choice(PEOPLE), "due": date(random), "priority": random.choice(("low", "normal", "high"))}
    if new[key] == values[key]:
        new[key] = {"owner": "Zora", "due": "2030-01-31", "priority": "critical"}[key]
    body = f"# Notes\n\n- asked {random.choice(PEOPLE)}\n-  two spaces here\n\nEnd of the note."

    def whole(changed: dict[str, str]) -> str:
        return "---\n" + "".join(f"{name}: {value}\n" for name, value in changed.items()) + f"---\n{body}"

    order = f"Set {key} in the front matter to {new[key]}."
    return "Markdown note with front matter", order, whole(values), whole({**values, key: new[key]})


def _csv(random: Random) -> Edited:
    rows = [
        [
            name,
            random.choice(CITIES),
            str(random.randint(1, 99)),
            f'"{random.choice(COLOURS)}, {random.choice(THINGS)}"',
        ]
        for name in random.sample(PEOPLE, 5)
    ]
    row = random.randrange(len(rows))
    new = str(int(rows[row][2]) + random.randint(100, 800))
    changed = [[*line[:2], new, line[3]] if number == row else line for number, line in enumerate(rows)]

    def whole(lines: list[list[str]]) -> str:
        return "\n".join(",".join(line) for line in [["name", "city", "count", "note"], *lines])

    return "CSV file", f"Set count in the row of {rows[row][0]} to {new}.", whole(rows), whole(changed)


def _list(random: Random) -> Edited:
    items = [f"{random.choice(('Call', 'Ask', 'Write to'))} {name}" for name in random.sample(PEOPLE, 6)]
    row = random.randrange(len(items))
    done = {random.randrange(len(items)) for _ in range(2)} - {row}

    def whole(ticked: set[int]) -> str:
        lines = [f"{'*' if n % 2 else '-'} [{'x' if n in ticked else ' '}] {item}" for n, item in enumerate(items)]
        return "\n".join(["# To do", "", *lines[:3], "", "## Later", "", *lines[3:], "", "_kept by hand_"])

    return "Markdown list", f"Tick the item “{items[row]}” with an x.", whole(done), whole({*done, row})


_KINDS: tuple[Callable[[Random], Edited], ...] = (_front_matter, _csv, _list)
