"""Gofer runs errands from a git-synced inbox: code first, a local model second, the lead last."""

import os

__version__ = "0.1.0"

# Else pydantic looks through every installed distribution for plug-ins, and runs them: a tenth of the time of a start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
