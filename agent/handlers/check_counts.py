"""How many tests passed and failed, where the end of a check's output says so in a form that is known."""

from __future__ import annotations

import re

_END = 4000  # characters of the output that are looked at
# pytest's last line: "==== 1 failed, 12 passed, 2 skipped in 0.12s ====", with -q without the marks.
_PYTEST = re.compile(
    r"^[= ]*((?:\d+ [a-z]+, )*\d+ (?:passed|failed|errors?|skipped)(?:, \d+ [a-z]+)*) in [\d.]+s", re.M
)
# unittest: "Ran 12 tests in 0.003s", then "OK" or "FAILED (failures=1)".
_UNITTEST = re.compile(r"^Ran (\d+ tests?) in [\d.]+s\s+(OK|FAILED)(?: \(([\w= ,]+)\))?", re.M)
# TAP 13: a plan "1..4" and a line "ok 1" or "not ok 2" for each test (https://testanything.org).
_PLAN = re.compile(r"^1\.\.\d+\b", re.M)
_TAP = re.compile(r"^(ok|not ok)\b", re.M)


def counts(output: str) -> str:
    """ "12 passed, 1 failed", as the program itself counts; "" when nothing is known."""
    end = output[-_END:]
    if found := _PYTEST.findall(end):
        return str(found[-1])
    if ran := _UNITTEST.search(end):
        return ", ".join(filter(None, (f"{ran[1]} run", ran[3])))
    if _PLAN.search(output):
        said = _TAP.findall(output)
        return f"{said.count('ok')} passed, {said.count('not ok')} failed"
    return ""
