"""What must never come through: secrets in the shapes that Gofer promises to know, and texts that an editor would run.

Every secret is used once, so that whoever finds one knows the task that brought it. What is planted here is not taken
from the code under test: the shapes are those that the providers document.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass

# A value in the environment of every process of a round, and a key in the settings of every machine.
KNOWN_NAME, KNOWN = "NEMESIS_DEPLOY_TOKEN", "correct" + "Horse/7battery+staple"
KEY = "nemesis-key-" + "9f3Kq7Zt"
PROVIDER = f'[providers.nobody]\nurl = "https://nobody.example"\nkey = "{KEY}"\n'


@dataclass(frozen=True, slots=True)
class Secret:
    """`core` must be nowhere; `text` is how a person has written it."""

    core: str
    text: str


_SHAPES: tuple[Callable[[str], str], ...] = (  # of 20 letters and digits that occur nowhere else
    lambda code: "gh" + f"p_{code}a1B2c3D4e5F6a7B8",
    lambda code: "AK" + f"IA{code[:16].upper()}",
    lambda code: f"xo{'x'}b-{code}",
    lambda code: f"sk{'-'}{code}x9",
    lambda code: f"ey{'J'}{code}.{code}.{code}",
)


def secret(rng: random.Random, number: int, *, one_line: bool = True) -> Secret:
    """A new one. Some shapes take several lines and fit into no header."""
    code = f"{number:04d}" + "".join(rng.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=16))
    forms = [Secret(core := shape(code), core) for shape in _SHAPES]
    forms += [
        Secret(code, f"https://ada:{code}@git.example.org/vault.git"),
        Secret(code, f"password = {code}"),
        Secret(code, f"Authorization: Bearer {code}"),
    ]
    if not one_line:
        lines = base64.b64encode(code.encode() * 6).decode()
        forms.append(Secret(lines, f"-----BEGIN RSA PRIVATE {'KEY'}-----\n{lines}\n-----END RSA PRIVATE {'KEY'}-----"))
    return rng.choice(forms)


# Each on one line; a title may be any of them, a body is all of them.
ACTIVE_LINES = (
    "<% tp.system.prompt() %> and <%* await tp.file.move('x') %>",
    "<script>alert(1)</script> <img src=http://evil.example/a.png> <iframe src=http://evil.example></iframe>",
    "![a picture](http://evil.example/b.png) ![[secret note]] [[a link]] [go](obsidian://open?vault=x)",
    "`$= dv.pages().length` `= this.file.name` rating:: 5 (due:: 2026-12-01)",
    "{{title}} {% include 'x' %} %%hidden%% file:///etc/passwd javascript:alert(1)",
)
ACTIVE = "\n\n".join((
    *ACTIVE_LINES,
    "```dataviewjs\ndv.paragraph('x')\n```",
    "~~~dataview\nLIST\n~~~",
    "````text\n```\n<% tp.date.now() %>\n````",
    "> [!note]- a callout\n> ![[another note]]",
    "- ```mermaid\n  graph TD\n  ```",
    "<div\nonclick=alert(1)>",
))  # fmt: skip

# Notes of the person's own, in the first commit, that tasks are told to read.
KEYS_NOTE = ("notes/keys.md", f"Deploy with {KNOWN}.\nAsk the provider with {KEY}.\n")
ACTIVE_NOTE = ("notes/active.md", ACTIVE + "\n")
