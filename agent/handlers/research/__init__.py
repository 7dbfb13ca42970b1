"""The `research` type: pages, PDFs and notes read by the local model, put side by side in one draft with its sources.

Code fetches what the task names, takes it apart and divides it; the model returns statements with a quote for each;
code keeps those whose quote stands in their source, lets the model put the same things together, and names what
sources say against each other. Nothing that a page or the model says becomes an address, a path or a status.
"""

from __future__ import annotations

from agent.handlers.base import Handler
from agent.handlers.research.draft import run
from agent.handlers.research.request import ResearchParams, understand
from agent.vault.values import Role, Tier

HANDLER = Handler(
    "research", Tier.STANDARD, Role.RESEARCH, ResearchParams, run, limit=1800.0, understand=understand, outside=True
)
