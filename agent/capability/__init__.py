"""What a model can do, measured: generated cases for each skill, scored by code alone.

The same seed gives the same cases, so that two models can be compared. A judge sees the answer and what is known of
the case, and nothing else.
"""

from agent.capability.cases import MOST, SYSTEM, Case, Skill, cases_of
from agent.capability.measuring import Ask, Found, Measured, measure
from agent.capability.report import Heading, Kept, Pair, compared, read_report, report_text
from agent.capability.score import Score
from agent.capability.skills import SKILLS

__all__ = [
    "MOST", "SKILLS", "SYSTEM", "Ask", "Case", "Found", "Heading", "Kept", "Measured", "Pair", "Score", "Skill",
    "cases_of", "compared", "measure", "read_report", "report_text",
]  # fmt: skip
