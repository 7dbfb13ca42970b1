"""The one door to other servers: what may be reached from this machine, and an answer that is bounded in every way."""

from agent.web.door import Door, OpenDoor

__all__ = ["Door", "OpenDoor"]
