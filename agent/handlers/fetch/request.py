"""What a plain-English request fetches, when that is beyond doubt: an address, a source by its name, or a question that
a ready-made source answers. Everything else is None: it goes one tier up."""

from __future__ import annotations

import re
from collections.abc import Mapping

_VERB = (
    r"(?:please +)?(?:(?:can|could) +you +)?"
    r"(?:fetch|get|download|poll|check|query|retrieve|curl|grab|pull|request|update)"
)
_DATA = r"(?: +the| +my| +our)?(?: +(?:latest|current|new))?(?: +(?:data|json|url|address|api))?(?: +(?:from|at|of))?"
_FIGURE = r"(?:(?:current|latest) +)?(?:price|prices|liquidity|volume|price and liquidity|market data|metrics|data)"
_ADDRESS = r"(0x[0-9a-f]{40}(?:[0-9a-f]{24})?|[1-9A-HJ-NP-Za-km-z]{32,48})"  # of Ethereum's kind, Sui's, Solana's
_DEX = r"dex ?screener"


def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{pattern}[.!?]?", re.IGNORECASE)


_URL = _whole(rf"{_VERB}{_DATA} +<?(https?://[^\s<>\"'`]+?)>?")
_NAME = r"source +([a-z][a-z0-9-]*)|([a-z][a-z0-9]*(?:-[a-z0-9]+)+)(?: +source)?"
_SOURCE = _whole(rf"{_VERB}{_DATA}(?: +the)? +(?:{_NAME})")
_ON_CHAIN = _whole(
    rf"{_VERB}(?: +the)? +{_FIGURE} +(?:of|for)(?: +the)? +(pair|pool|token) +{_ADDRESS} +on +([a-z][a-z0-9]{{1,30}})"
    rf"(?: +(?:from|at|on|with|using|via) +{_DEX})?"
)
_SEARCH = _whole(rf"(?:please +)?search +(?:on +|at +)?{_DEX} +for +[\"“']?([\w$./ -]{{1,60}}?)[\"”']?")


def read_wish(text: str) -> Mapping[str, object] | None:
    """The parameters that the text stands for; None when it is not clear to the last word."""
    line = " ".join(text.split())
    if found := _URL.fullmatch(line):
        return {"url": found[1].rstrip(",;")}
    if found := _ON_CHAIN.fullmatch(line):
        kind, address, chain = found[1].lower(), found[2], found[3].lower()
        if kind == "token":
            return {"source": ["dexscreener-tokens"], "chain": chain, "token": address}
        return {"source": ["dexscreener-pairs"], "chain": chain, "pair": address}
    if found := _SEARCH.fullmatch(line):
        return {"source": ["dexscreener-search"], "query": found[1].strip()}
    if found := _SOURCE.fullmatch(line):
        return {"source": [(found[1] or found[2]).lower()], "said": True}
    return None
