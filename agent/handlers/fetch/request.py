"""What a plain-English request fetches, when that is beyond doubt: an address, and what is to be read there; a source
of the vault by its name; or what a ready-made source answers. Everything else is None: it goes one tier up.

What is read here is only where to look. Whether there is such a source, and such a field in what a server answers, is
found out when it is fetched, and a doubt then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.text import slug

LONGEST = 500  # characters of a request: the patterns' work grows faster than their text
STATUS_CODE = "status code"  # as a wanted name: the status of the answer itself

_VERB = (
    r"(?:(?:can|could) +you +)?(?:fetch|get|download|poll|check|query|retrieve|curl|grab|pull|ping|request|look +up)"
)
_ASK = rf"(?:{_VERB}|(?:what +is|what's|whats|how +much +is))"
_NEW = r"(?: +(?:the|my|our))?(?: +(?:current|latest|newest|today's))?"
_FIGURE = r"(price|prices|rate|exchange rate|liquidity|volume|market cap|metrics|market data|value|balance|temperature)"
_NOW = r"(?: +(?:right +now|now|today|at +the +moment|currently))?"
_NO_NAME = "and|or|if|it|its|that|this|what|how|why|who|whether|which|when|the|a|an|to|me|us|in|on|all|post|send"
_WORD = rf"(?!(?:{_NO_NAME})\b)[\w.-]+"
_NAME = rf"{_WORD}(?: +{_WORD}){{0,2}}"
_NAMES = rf"{_NAME}(?:(?: *, *(?:and +)?| +and +)(?:the +)?{_NAME}){{0,9}}"
_TELL = r"(?:report|tell +me|give +me|show +me|return|print|show|extract|read)"
_SIGN = r"(below|under|less +than|lower +than|above|over|more +than|higher +than)"
_AMOUNT = r"[$€]? *([0-9]+(?:[.,][0-9]+)*) *(?:%|[A-Z]{3}\b|dollars?|euros?)?"
_IF = (
    rf" *,? *(?:and +)?(?:warn|tell|alert|notify)(?: +me)? +(?:if|when) +(?:the +)?(it|{_WORD}) +"
    rf"(?:is|goes|falls|drops|dropped|fell|rises|rose|has +\w+) +{_SIGN} +{_AMOUNT}"
)
_ADDRESS = r"(0x[0-9a-f]{40}(?:[0-9a-f]{24})?|[1-9A-HJ-NP-Za-km-z]{32,48})"  # of Ethereum's kind, Sui's, Solana's
_DEX = r"(?:on|from|at|via|using) +dex ?screener"
_COIN = r"[A-Z0-9$.]{2,12}(?: ?/ ?[A-Z0-9$.]{2,12})?"  # SOL, SOL/USDC: as they are written, so never in lower case
_PAIR = rf"(?-i:({_COIN}))(?: +(?:pair|token))?"
_THING = r"(?P<name>[\w/$.-]+)(?: +(?:token|coin|pair))?"
_URL = r"<?(https?://[^\s<>\"'`]+?)>?"
_WORDS = r"(?: +(?!(?:and|or|to)\b)[\w'-]+){0,6}?"
_OF = r" +(?:of|for)(?: +the)?"


def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:please,? +)?{pattern}[.!?]*", re.IGNORECASE)


_NAMED = _whole(rf"{_VERB} +(?:the +)?({_NAMES}?) +(?:fields?|values?) +(?:from|of|in|at) +{_URL}")
_PLAIN = _whole(rf"{_VERB}{_WORDS}(?: +(?:from|at|of|in))? +{_URL}")
_TOLD = _whole(rf"{_VERB}{_WORDS} +{_URL},? +(?:and|then) +{_TELL} +(?:the +)?(?:values? +(?:of|for) +)?({_NAMES})")
_WARNED = _whole(rf"{_VERB}{_WORDS} +{_URL}{_IF}")
_UP = _whole(
    rf"(?:is|check +(?:if|whether)) +{_URL} +(?:is +)?(?:up|down|online|alive|reachable)"
    r"(?:[?.,;:]* *(?:just +)?(?:the +)?(?:http +)?status +code)?"
)
_SOURCE = _whole(
    rf"{_VERB}(?: +(?:the|my|our))?(?: +(?:latest|current|new))?(?: +data)?(?: +(?:from|of))?(?: +the)? +"
    r"(?:source +([a-z][a-z0-9-]*)|([a-z][a-z0-9]*(?:-[a-z0-9]+)+)(?: +source)?)"
)
_ON_CHAIN = _whole(
    rf"{_ASK}{_NEW} +{_FIGURE}(?: +and +{_FIGURE})?{_OF} +(pair|pool|token) +{_ADDRESS} +on +([a-z][a-z0-9]{{1,30}})"
    rf"(?: +{_DEX})?"
)
_SEARCH = _whole(r"search +(?:on +|at +)?dex ?screener +for +[\"“']?([\w$./ -]{1,60}?)[\"”']?")
_AT_DEX = (
    _whole(rf"{_ASK}{_NEW} +{_PAIR} +{_FIGURE} +{_DEX}{_NOW}"),
    _whole(rf"{_ASK}{_NEW} +{_FIGURE}{_OF} +{_PAIR} +{_DEX}{_NOW}"),
    _whole(rf"how +much +{_FIGURE} +does(?: +the)? +{_PAIR} +have +{_DEX}{_NOW}"),
)
_TRADING = _whole(rf"(?:what +is|what's) +(?P<name>[\w/$.-]+) +trading +at{_NOW}")
_PHRASE = _whole(
    rf"(?={_ASK} |current |latest )(?:{_ASK} +)?(?:the +|my +|our +)?(?:(?:current|latest|newest|today's) +)?"
    rf"(?P<name>[\w/$.' -]{{1,80}}?){_NOW}(?:{_IF})?"
)
# One of these must be in a name made of words; and none of the others, which make more of a request than a name.
_FIGURES = re.compile(
    r"\b(?:prices?|rates?|liquidity|volume|cap|metrics|value|balance|temperature|weather|index|humidity|level|count"
    r"|dominance|tag|version|release|readings?)\b",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"\b(?:and|or|then|if|when|unless|because|why|how|who|whether|should|would|could|not|but|vs|versus|with|without"
    r"|about|compare|write|send|post|save|explain)\b",
    re.IGNORECASE,
)
_BELOW = ("below", "under", "less", "lower")


def read_wish(text: str) -> Mapping[str, object] | None:
    """The parameters that the text stands for; None when it is not clear to the last word."""
    line = " ".join(text.split())
    return (_address(line) or _dexscreener(line) or _source(line)) if len(line) <= LONGEST else None


def _address(line: str) -> Mapping[str, object] | None:
    if found := _NAMED.fullmatch(line):
        return {"url": _bare(found[2]), "wanted": _names(found[1])}
    if found := _PLAIN.fullmatch(line):
        return {"url": _bare(found[1])}
    if found := _TOLD.fullmatch(line):
        return {"url": _bare(found[1]), "wanted": _names(found[2])}
    if found := _WARNED.fullmatch(line):
        url, name, sign, amount = found.groups()
        field = slug(name).replace("-", "_")
        return None if name == "it" else {"url": _bare(url), "wanted": [field], "alert": [_alert(field, sign, amount)]}
    if found := _UP.fullmatch(line):
        return {"url": _bare(found[1]), "wanted": [STATUS_CODE]}
    return None


def _dexscreener(line: str) -> Mapping[str, object] | None:
    if found := _ON_CHAIN.fullmatch(line):
        kind, address, chain = found[3].lower(), found[4], found[5].lower()
        if kind == "token":
            return {"source": ["dexscreener-tokens"], "chain": chain, "token": address}
        return {"source": ["dexscreener-pairs"], "chain": chain, "pair": address}
    if found := _SEARCH.fullmatch(line):
        return {"source": ["dexscreener-search"], "query": found[1].strip()}
    for pattern in _AT_DEX:
        if found := pattern.fullmatch(line):
            coin = next(group for group in found.groups() if group and re.fullmatch(_COIN, group))
            return {"source": ["dexscreener-search"], "query": coin.replace(" ", "")}
    return None


def _source(line: str) -> Mapping[str, object] | None:
    """A source by its name, or by words of which its name is made."""
    if found := _SOURCE.fullmatch(line):
        return {"source": [(found[1] or found[2]).lower()], "said": True}
    if found := _TRADING.fullmatch(line):
        return {"source": [slug(f"{found['name']} price")], "said": True}
    found = _PHRASE.fullmatch(line)
    if not found or not _FIGURES.search(found["name"]) or _MORE.search(found["name"]):
        return None
    wish: dict[str, object] = {"source": [slug(found["name"])], "said": True}
    _, field, sign, amount = found.groups()
    if field:
        name = "price" if field.lower() == "it" else slug(field).replace("-", "_")
        wish["alert"] = [_alert(name, sign, amount)]
    return wish


def _alert(field: str, sign: str, amount: str) -> str:
    return f"{field} {'<' if sign.lower().split()[0] in _BELOW else '>'} {amount.replace(',', '')}"


def _names(text: str) -> list[str]:
    names = re.split(r" *, *(?:and +)?(?:the +)?| +and +(?:the +)?", text, flags=re.IGNORECASE)
    return [name for part in names if (name := re.sub(r"(?i) +(?:fields?|values?)$", "", part.strip()))]


def _bare(url: str) -> str:
    return url.rstrip(",;")
