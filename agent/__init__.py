"""Gofer runs errands from a git-synced inbox: code first, a local model second, the lead last."""

__version__ = "0.1.0"
