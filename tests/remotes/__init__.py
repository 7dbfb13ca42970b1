"""Real bare remotes over four transports, with faults.

    with served(tmp_path / "r.git", "http") as remote:
        git("clone", remote.url, …)
        with remote.bare.hooked(refusing("GH013: no secrets")):
            …

`bare.py` is the repository, `hooks.py` its misbehaviour, `ledger.py` what happened to its refs, `transports.py`,
`daemon.py` and `http.py` the ways to it, `proxy.py` a bad network in front of git:// and http. Fixtures: `bare`, and
`remote`, which is one over each transport in turn.
"""

from tests.remotes.bare import Bare, make_bare
from tests.remotes.hooks import Hook, delaying, refusing, taking_over
from tests.remotes.ledger import Change, Move, moves
from tests.remotes.proxy import Proxy
from tests.remotes.transports import TRANSPORTS, Remote, served

__all__ = [
    "TRANSPORTS", "Bare", "Change", "Hook", "Move", "Proxy", "Remote", "delaying", "make_bare", "moves", "refusing",
    "served", "taking_over",
]  # fmt: skip
