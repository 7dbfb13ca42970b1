"""What the runs of a vault took and saved: read from its ledger, kept ready in a cache, summed up for people.

The ledger is the truth; `stats.sqlite` in the state folder is a cache of it that may be deleted at any time. Nothing
heavy is imported here: over a million ledger lines the second look takes a fraction of a second.
"""

from agent.stats.reading import LEDGER_LIMIT, with_ledger
from agent.stats.summary import Span, collect, details, measured, span_of

__all__ = ["LEDGER_LIMIT", "Span", "collect", "details", "measured", "span_of", "with_ledger"]
