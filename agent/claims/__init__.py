"""Claims: who may run a task. One contract, `take` and `release`; losing is a return value. Among the workers of one
clone it holds with files (`LocalClaims`), among all machines with refs on the remote (`RemoteClaims`)."""

from agent.claims.base import NAMESPACES, Claim, Wanted, share
from agent.claims.local import LocalClaims
from agent.claims.probe import Probed, namespace_of, probe, remember
from agent.claims.remote import LEASE, RemoteClaims

__all__ = [
    "LEASE", "NAMESPACES", "Claim", "LocalClaims", "Probed", "RemoteClaims", "Wanted", "namespace_of", "probe",
    "remember", "share",
]  # fmt: skip
