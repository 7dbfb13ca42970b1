"""Claims: who may run a task. One contract, `take` and `release`; losing is a return value. Among the workers of one
clone it holds with files (`LocalClaims`), among all machines with refs on the remote (`RemoteClaims`)."""

from agent.claims.base import Claim, Wanted, share
from agent.claims.local import LocalClaims
from agent.claims.remote import RemoteClaims

__all__ = ["Claim", "LocalClaims", "RemoteClaims", "Wanted", "share"]
