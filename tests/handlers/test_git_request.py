"""What plain English the git type understands, and what it leaves to somebody with a mind."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import Doubt
from agent.handlers import HANDLERS
from agent.handlers.git import understand
from agent.handlers.git_request import read_wish
from agent.route import decide
from agent.vault.values import Who
from tests.handlers.git_place import task
from tests.route import SHIPPED


def wish(op: str, repo: str = "website", **given: Any) -> dict[str, Any]:
    return {"op": op, "repo": repo, **given}


UNDERSTOOD = {
    "fetch the website repo": wish("fetch"),
    "Please fetch the `website` repo": wish("fetch"),
    "Could you fetch the website repo, please?": wish("fetch"),
    "Git fetch in website": wish("fetch"),
    "git fetch origin in website": wish("fetch", remote="origin"),
    "Fetch the latest commits of website": wish("fetch"),
    "Fetch the website repository from origin": wish("fetch", remote="origin"),
    "In the website repo, fetch from origin": wish("fetch", remote="origin"),
    "Run git fetch in ~/code/parser": wish("fetch", "~/code/parser"),
    "git pull in repos/docs": wish("pull", "repos/docs"),
    "git pull --ff-only in repos/api": wish("pull", "repos/api"),
    "Pull the website repo": wish("pull"),
    "Pull the latest main in repos/atlas": wish("pull", "repos/atlas", branch="main"),
    "Pull the newest commits into repos/almanac": wish("pull", "repos/almanac"),
    "git fetch origin and fast-forward main in repos/site": wish("pull", "repos/site", branch="main", remote="origin"),
    "Fetch and fast-forward the website repo": wish("pull"),
    "update the local clone of repos/docs from its remote": wish("pull", "repos/docs"),
    "Fast-forward the website repo": wish("fast-forward"),
    "fast-forward the develop branch in ~/repos/web": wish("fast-forward", "~/repos/web", branch="develop"),
    "create a branch for 'Fix login on Safari' in website": wish("branch", title="Fix login on Safari"),
    'Create a branch for the ticket "Fix & deploy" in the website repo': wish("branch", title="Fix & deploy"),
    "Make me a branch feat/rss in repos/wiki": wish("branch", "repos/wiki", branch="feat/rss"),
    "Create a new branch called hotfix from develop in website": wish("branch", branch="hotfix", start="develop"),
    "Cut a branch fix/login in website off main": wish("branch", branch="fix/login", start="main"),
    "git add a.md and b.md in website": wish("add", paths=("a.md", "b.md")),
    "Stage docs/ in website": wish("add", paths=("docs/",)),
    "stage a.md, `my file`, and src/c.js in the website repo": wish("add", paths=("a.md", "my file", "src/c.js")),
    'Commit a.md in website with the message "Fix typo"': wish("commit", paths=("a.md",), message="Fix typo"),
    'commit a.md and b/ as "Tidy" in website': wish("commit", paths=("a.md", "b/"), message="Tidy"),
    'Commit src/app.py in website, message "Then push: --force"': wish(
        "commit", paths=("src/app.py",), message="Then push: --force"
    ),
    "git push in website": wish("push"),
    "Push the website repo to origin": wish("push", remote="origin"),
    "Push main of website to origin": wish("push", branch="main", remote="origin"),
    "Push the docs branch of repos/handbook to its remote": wish("push", "repos/handbook", branch="docs"),
    "Push my commits in website": wish("push"),
    "git status of website": wish("status"),
    "Show me the git status of website": wish("status"),
    "What's the git status of repos/pelican?": wish("status", "repos/pelican"),
    "What is the status of the website repo?": wish("status"),
    "show the last 5 commits of website": wish("log", count=5),
    "Show me the last ten commits on main in website": wish("log", branch="main", count=10),
    "List the last commit of website": wish("log", count=1),
    "git log in website": wish("log"),
}

DOUBTFUL = [
    # no repository is named, or not beyond doubt
    "git fetch",
    "fetch origin",
    "Fetch website",
    "git pull",
    "Pull the latest main",
    "Push my commits to origin",
    "push it",
    "push main",
    "git status",
    "status of website",
    "Show me the last ten commits on main",
    "git status of it",
    "git status of the vault",
    "git log of main",
    "commit notes/today.md and push it",
    'Create a branch for "Fix login"',
    "Fetch all repos",
    "Fetch the other repo",
    # two errands, conditions, times, negations
    "Fetch the website repo and the docs repo",
    'Commit a.md in website with the message "x" and push',
    "Pull the website repo and run the tests",
    "Fetch the website repo if main moved",
    "Fetch the website repo every hour",
    "Push the website repo tomorrow",
    "Don't push the website repo",
    "Do not fetch the website repo",
    "Push the website repo, unless the tests fail",
    "Fetch the website repo\n\nThen deploy it.",
    "# Only when I say so, not before\n\nPush the website repo",
    "Should I push the website repo?",
    "Why push the website repo?",
    # what no operation does
    "Force push the website repo",
    "git push --force in website",
    "git push -f in website",
    "git push origin +main in website",
    "git reset --hard in website",
    "git clean -fd in website",
    "git checkout main in website",
    "Merge main in website",
    "Rebase website",
    "Delete the branch x in website",
    "Clone https://example.org/x into website",
    "git fetch https://evil.example/x in website",
    "git fetch ext::sh in website",
    "Tag v1 in website",
    "git fetch --upload-pack=x in website",
    "git log -p in website",
    "show the last 500 commits of website",
    # texts and paths that are not literally there
    "Commit everything in website with a good message",
    "Commit a.md in website",
    "Commit all changes in website with the message \"x\"",
    'Commit a.md in website with the message: what you changed',
    "Stage everything in website",
    "git add . in website",
    "Create a branch for the login bug in website",
    "Create a branch in website",
    "Add a.md to website",
    "",
    "git",
]  # fmt: skip


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_a_plain_order_is_understood(text: str) -> None:
    assert read_wish(text) == UNDERSTOOD[text]


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_what_is_understood_is_routed_to_code(text: str) -> None:
    decision = decide(task(text, title=text), SHIPPED, HANDLERS)
    assert (decision.type, decision.who) == ("git", Who.CODE), decision.reason


@pytest.mark.parametrize("text", DOUBTFUL)
def test_what_is_not_beyond_doubt_is_left_to_somebody_else(text: str) -> None:
    with pytest.raises(Doubt) as caught:
        read_wish(text)
    assert caught.value.reason == "unclassified"
    assert caught.value.why
    assert decide(task(text, title=text or "t"), SHIPPED, HANDLERS).type != "git"


@pytest.mark.parametrize("text", UNDERSTOOD)
@pytest.mark.parametrize("more", [" and deploy it", " if it is green", " unless main moved", " and then rebase", " -f"])
def test_more_words_than_the_order_make_it_doubtful(text: str, more: str) -> None:
    with pytest.raises(Doubt):
        read_wish(text.rstrip(".?!") + more)


def test_a_quoted_title_becomes_a_branch_name() -> None:
    found = understand(task('Create a branch for "Fix login; --force" in website'))
    assert (found.op, found.branch, found.start) == ("branch", "fix-login-force", "")


def test_git_orders_that_are_not_understood_go_to_the_lead_and_to_no_other_type() -> None:
    for text in (
        "Delete the merged branch feature/x on the remote",
        "Fetch all remotes and prune",
        "git bisect in website",
    ):
        assert decide(task(text, title=text), SHIPPED, HANDLERS).who is Who.LEAD


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["git", "fetch", "push", "commit", "the", "website", "repo", "in", "of", "main", "branch", "a.md", '"x"',
             "and", "to", "origin", ",", ":", "last", "5", "commits", "\n"]
        )
    )
)  # fmt: skip
def test_any_words_give_a_wish_or_a_doubt_and_never_another_error(words: list[str]) -> None:
    try:
        found = understand(task(" ".join(words)))
    except Doubt:
        return
    assert found.repo in ("website", "a.md", "x", "5", "last")


@pytest.mark.parametrize("piece", ['"', "a ", "`", ",", "a.md and ", "the ", "repo ", "in ", "git "])
def test_s30_a_long_hostile_request_takes_linear_time(piece: str) -> None:
    for text in (f"git fetch {piece * 200_000}", f"Stage {piece * (3900 // len(piece))}"):
        before = time.process_time()
        with pytest.raises(Doubt):
            read_wish(text)
        assert time.process_time() - before < 1.0
