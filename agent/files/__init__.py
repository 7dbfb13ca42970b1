"""The one door to files beneath a root (`Beneath`), and what a task may read and write there (`VaultFiles`)."""

from agent.files.beneath import ANY, READ_LIMIT, Beneath
from agent.files.paths import TEXT_SUFFIXES, fold, parts, readable, writable
from agent.files.vault import VaultFiles

__all__ = [
    "ANY",
    "READ_LIMIT",
    "TEXT_SUFFIXES",
    "Beneath",
    "VaultFiles",
    "fold",
    "parts",
    "readable",
    "writable",
]
