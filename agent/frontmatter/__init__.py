"""The one reader and the one writer of front matter: YAML between two `---` lines at the top of a file.

Everything is read as text. Common mistakes are mended line by line; what cannot be mended beyond doubt is a BadHeader
with its line in the file and the whole file corrected.
"""

from agent.frontmatter.amending import amend, renamed, without
from agent.frontmatter.events import MAX_DEPTH, MAX_EVENTS, Value
from agent.frontmatter.fences import Parts
from agent.frontmatter.reading import Note, load, read, split
from agent.frontmatter.writing import dump

__all__ = [
    "MAX_DEPTH", "MAX_EVENTS", "Note", "Parts", "Value", "amend", "dump", "load", "read", "renamed", "split", "without",
]  # fmt: skip
