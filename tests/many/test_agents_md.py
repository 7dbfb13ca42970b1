"""`AGENTS.md` of a vault, followed to the letter by an agent that has nothing but another clone, git and an editor.

The commands and the files are taken out of the page itself, so that a page that is wrong fails here.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import frontmatter
from agent.handlers import HANDLERS
from tests.e2e.support import House, eventually
from tests.many.support import Many


class Agent:
    """Somebody who reads `AGENTS.md` in their clone and does what it says, nothing else. Its clone has no worker."""

    def __init__(self, clone: House, name: str = "Aristotle") -> None:
        self.clone, self.name = clone, name
        self.page = (clone.root / "AGENTS.md").read_text("utf-8")

    def block(self, heading: str) -> str:
        """The file that the page shows under a heading."""
        section = self.page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
        found = re.search(r"^```markdown\n(.*?)^```$", section, re.S | re.M)
        assert found, section
        return found[1]

    def place(self, heading: str, task: str) -> str:
        """The name of the file that the page asks for under a heading."""
        section = self.page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
        found = re.search(r"[Ww]rite `(inbox/[^`]+)`", section)
        assert found, section
        return found[1].replace("ID", task)

    def pull(self) -> None:
        self._as_the_page_says("git pull")

    def write(self, path: str, text: str) -> None:
        """A new file in `inbox/`, and the three commands of the page."""
        (self.clone.root / path).write_text(text, "utf-8")
        name = path.removeprefix("inbox/")
        for command in ("git add inbox/FILE", 'git commit -m "inbox: FILE"', "git push"):
            self._as_the_page_says(command, name)

    def _as_the_page_says(self, command: str, name: str = "") -> None:
        assert f"`{command}`" in self.page
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command.replace("FILE", name))]
        for _ in range(20):
            done = subprocess.run(
                words, cwd=self.clone.root, env=self.clone.env, capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                return
            # Gofer pushed in between; any agent that knows git pulls and pushes again.
            assert command == "git push" and "fetch first" in done.stderr + done.stdout, done.stderr
            self.clone.git("pull", "-q", "--rebase")
        raise AssertionError(f"`{command}` never worked: {done.stderr}")

    def handoffs(self) -> dict[str, dict[str, object]]:
        """Front matter of what lies in `outbox/handoffs/`, by file name."""
        self.pull()
        found = self.clone.root.glob("outbox/handoffs/*.handoff.md")
        return {path.name: dict(frontmatter.read(path.read_text("utf-8")).values) for path in found}

    def header(self, task: str) -> dict[str, object] | None:
        self.pull()
        path = self.clone.root / f"outbox/{task}.md"
        return dict(frontmatter.read(path.read_text("utf-8")).values) if path.exists() else None


@contextmanager
def working(house: House) -> Iterator[None]:
    worker = subprocess.Popen(
        [sys.executable, "-m", "agent", "run"], cwd=house.root, env=house.env, stdout=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(worker.pid, signal.SIGTERM)
        worker.wait(30)


@pytest.fixture
def many(tmp_path: Path) -> Many:
    return Many(tmp_path)


def test_a_stranger_agent_finds_claims_and_answers_a_hand_off_from_another_clone(many: Many) -> None:
    server, agent = many.clone("server"), Agent(many.clone("agent"))
    request = "Review the design of the login page and decide which library to use."
    with working(server):
        agent.write(
            "inbox/review.md", agent.block("Drop a task").replace("Summarize memory/projects/alpha.md", request)
        )
        open_ones = eventually(
            lambda: [h for h in agent.handoffs().values() if h["status"] == "open"], 40, what="a hand-off"
        )
        (handed,) = open_ones
        task = str(handed["id"])
        text = (agent.clone.root / f"outbox/handoffs/{task}.handoff.md").read_text("utf-8")
        assert request in text.split("## Goal")[1].split("## Acceptance")[0]

        claim = agent.block("Claim one").replace("ID", task).replace("YOUR-NAME", agent.name)
        agent.write(agent.place("Claim one", task), claim)
        eventually(lambda: agent.handoffs()[f"{task}.handoff.md"]["status"] == "claimed", 40, what="the claim")

        answer = agent.block("Answer it").replace("ID", task).replace("YOUR-NAME", agent.name)
        agent.write(
            agent.place("Answer it", task), answer.replace("The answer.", "Take the small one.\n\n# It is enough.")
        )
        report = eventually(
            lambda: (found := agent.header(task)) and found["status"] == "done" and found, 40, what="the final report"
        )
    assert (report["model"], report["cost_usd"], report["input_tokens"]) == ("provider/model", "0.02", "1200")
    assert agent.handoffs()[f"{task}.handoff.md"]["status"] == "answered"
    (decision,) = agent.clone.root.glob("memory/decisions/*.md")
    said = frontmatter.read(decision.read_text("utf-8")).values
    assert (said["by"], said["decision"]) == ("Aristotle", "answered")
    assert "Take the small one." in (agent.clone.root / f"outbox/{task}.md").read_text("utf-8")
    assert sorted(many.tasks()) == []
    assert agent.clone.git("status", "--porcelain") == ""


def test_the_second_of_two_agents_is_told_that_it_was_answered(many: Many) -> None:
    server, first, second = many.clone("server"), Agent(many.clone("a"), "Ada"), Agent(many.clone("b"), "Ben")
    with working(server):
        first.write("inbox/review.md", "---\nstatus: open\n---\nDecide which library we use for dates.\n")
        (handed,) = eventually(lambda: [*first.handoffs().values()], 40, what="a hand-off")
        task = str(handed["id"])
        for agent in (first, second):
            agent.pull()
            text = agent.block("Answer it").replace("ID", task).replace("YOUR-NAME", agent.name)
            path = agent.place("Answer it", task).replace(".md", f"-{agent.name.lower()}.md")
            agent.write(path, text)
            if agent is first:
                eventually(lambda: (first.header(task) or {}).get("status") == "done", 40, what="the final report")
        eventually(lambda: said_to(second, "answered already, by Ada"), 40, what="the second one's report")
    assert "Ada" in next(second.clone.root.glob("memory/decisions/*.md")).read_text("utf-8")


def said_to(agent: Agent, words: str) -> bool:
    """Whether a report on an answer says so, in this agent's clone."""
    agent.pull()
    return any(words in path.read_text("utf-8") for path in agent.clone.root.glob("outbox/answer-*.md"))


def test_the_types_that_the_page_names_are_there() -> None:
    page = (Path(__file__).parent.parent.parent / "AGENTS.md").read_text("utf-8")
    named = re.search(r"`type` \(([^)]*)\)", page)
    assert named
    for name in re.findall(r"`([a-z]+)`", named[1]):
        assert name in HANDLERS or name == "handoff", name
