"""The `fetch` type: declared sources, read exactly, held against thresholds, kept as history."""

from agent.handlers.fetch.handler import HANDLER

__all__ = ["HANDLER"]
