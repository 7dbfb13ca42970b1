"""The task types the matrix may name, and the tier each runs in when a task asks for it by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from agent.vault.values import Tier

HANDOFF = "handoff"
ASK = "ask"

_BY_TIER = {
    Tier.TRIVIAL: ("heartbeat", "mailbox", "git", "status", "file", "forward", "fetch", "organize", "test"),
    Tier.STANDARD: (
        "summarize",
        "logs",
        "backlog",
        "extract",
        "compose",
        "classify",
        "branch",
        "config",
        "research",
        ASK,
    ),
    Tier.COMPLEX: (HANDOFF,),
}

TYPES: Mapping[str, Tier] = MappingProxyType({name: tier for tier, names in _BY_TIER.items() for name in names})
"""Every type that a row of the matrix may lead to, with its own tier."""

CONTROL_TYPES: Mapping[str, Tier] = MappingProxyType(
    {"answer": Tier.TRIVIAL, "claim-handoff": Tier.TRIVIAL, "undo": Tier.TRIVIAL}
)
"""What a lead, or a verb, writes to Gofer. Only an explicit `type:` reaches these, never a row: text must not pose as
an answer."""

KNOWN_TYPES = frozenset({*TYPES, *CONTROL_TYPES})
"""Every word that `type:` may hold; anything else that looks like a type is a parameter or a mistake."""
