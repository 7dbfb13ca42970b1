"""What a log says, counted: its patterns with how often and when, what is new, and what comes in bursts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agent.handlers.logs.drain import Pattern, Tree
from agent.handlers.logs.lines import LEVELS, Entry

SAMPLE = 400  # characters of a message that are kept as its pattern's example
SPIKE_COUNT = 10  # messages in one span, and
SPIKE_TIMES = 5.0  # so many times what the other spans have on average
SPANS = (60, 600, 3600, 86_400)  # seconds; the shortest that makes at most so many spans of the whole time:
MOST_SPANS = 200
FEWEST_SPANS = 5  # of less nobody can say what is usual
_CHECK_EVERY = 5000  # lines


@dataclass(frozen=True, slots=True)
class Spike:
    """A burst of one pattern: when it began (seconds since the epoch), how long a span is, how many came in it, and how
    many the other spans have on average."""

    pattern: Pattern
    at: int
    seconds: int
    count: int
    usual: float


@dataclass(slots=True)
class Mined:
    """One look at one or more logs. `entries` are messages, `lines` all lines with those that only go on."""

    patterns: list[Pattern] = field(default_factory=list)  # that occur, the most frequent first
    lines: int = 0
    entries: int = 0
    levels: Counter[str] = field(default_factory=Counter)
    first: float | None = None
    last: float | None = None

    @property
    def new(self) -> list[Pattern]:
        """Patterns that were not there the last time, the worst first."""
        fresh = [pattern for pattern in self.patterns if not pattern.known]
        return sorted(fresh, key=lambda pattern: (LEVELS.index(pattern.level), -pattern.count))

    def spikes(self) -> list[Spike]:
        """The largest burst of each pattern that has one, the worst first."""
        if self.first is None or self.last is None:
            return []
        length = self.last - self.first
        seconds = next((span for span in SPANS if length / span <= MOST_SPANS), SPANS[-1])
        spans = int(self.last // seconds) - int(self.first // seconds) + 1
        found = [spike for pattern in self.patterns if (spike := _spike(pattern, seconds, spans))]
        return sorted(found, key=lambda spike: (LEVELS.index(spike.pattern.level), -spike.count))


def _spike(pattern: Pattern, seconds: int, spans: int) -> Spike | None:
    if spans < FEWEST_SPANS or pattern.count < SPIKE_COUNT:
        return None
    counts: Counter[int] = Counter()
    for minute, count in pattern.minutes.items():
        counts[minute * 60 // seconds] += count
    span, most = max(counts.items(), key=lambda item: (item[1], -item[0]), default=(0, 0))
    usual = (sum(counts.values()) - most) / (spans - 1)
    if most < SPIKE_COUNT or most < SPIKE_TIMES * usual:
        return None
    return Spike(pattern, span * seconds, seconds, most, usual)


def mine(
    entries: Iterable[Entry | None],
    known: Iterable[str] = (),
    *,
    wanted: Callable[[Entry], bool] = lambda entry: True,
    check: Callable[[], None] = lambda: None,
) -> Mined:
    """Count the entries that are `wanted`. `known`: the patterns of the last time; `check` is called now and then."""
    tree, mined = Tree(known), Mined()
    for item in entries:
        mined.lines += 1
        if mined.lines % _CHECK_EVERY == 0:
            check()
        if item is not None and wanted(item):
            _count(mined, tree.of(item.message), item)
    mined.patterns = sorted((p for p in tree.patterns if p.count), key=lambda p: (-p.count, p.text))
    return mined


def _count(mined: Mined, pattern: Pattern, entry: Entry) -> None:
    at, level = entry.at, entry.level
    mined.entries += 1
    mined.levels[level] += 1
    pattern.count += 1
    if not pattern.sample:
        pattern.sample, pattern.level = entry.message[:SAMPLE], level
    elif level != pattern.level and LEVELS.index(level) < LEVELS.index(pattern.level):
        pattern.level = level
    if at is None:
        return
    pattern.minutes[int(at // 60)] += 1
    pattern.first = at if pattern.first is None else min(pattern.first, at)
    pattern.last = at if pattern.last is None else max(pattern.last, at)
    mined.first = at if mined.first is None else min(mined.first, at)
    mined.last = at if mined.last is None else max(mined.last, at)
