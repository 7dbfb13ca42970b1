"""The git type in a real repository with a real remote: what each operation does, once and twice."""

from __future__ import annotations

import pytest

from agent.handlers.git import HANDLER, branch_of
from tests.handlers.git_place import Place, task
from tests.support import git, snapshot

# fetch


def test_fetch_brings_what_is_new_and_says_from_where_to_where(place: Place) -> None:
    old, new = place.at, place.publish()
    files = snapshot(place.site, skip=(".git/",))
    said = place.say("fetch")
    assert f"main moved from {old[:8]} to {new[:8]}, 1 commit came" in said
    assert place.git("rev-parse", "origin/main") == new
    assert place.at == old and snapshot(place.site, skip=(".git/",)) == files
    assert place.say("fetch") == "website: fetched from origin, nothing new."


def test_fetch_tells_of_new_branches_and_tags_and_of_a_rewritten_one(place: Place) -> None:
    git(place.other, "switch", "-q", "-c", "wip")
    git(place.other, "commit", "-q", "--allow-empty", "-m", "x")
    git(place.other, "tag", "v1")
    git(place.other, "push", "-q", "origin", "wip", "v1")
    said = place.say("fetch")
    assert "The branch wip is new" in said and "The tag v1 is new" in said
    git(place.other, "commit", "-q", "--amend", "--allow-empty", "-m", "y")
    git(place.other, "push", "-q", "-f", "origin", "wip")
    assert "1 commit of before are no longer in it" in place.say("fetch")


def test_fetch_prunes_nothing_and_leaves_the_persons_fetch_head(place: Place) -> None:
    git(place.other, "push", "-q", "origin", "main:gone")
    place.git("fetch", "-q")
    before = (place.site / ".git/FETCH_HEAD").read_bytes()
    git(place.other, "push", "-q", "origin", ":gone")
    place.git("config", "fetch.prune", "true")
    place.say("fetch")
    assert place.git("rev-parse", "--verify", "origin/gone")
    assert (place.site / ".git/FETCH_HEAD").read_bytes() == before


# fast-forward and pull


def test_fast_forward_moves_branch_index_and_files(place: Place) -> None:
    old, new = place.at, place.publish()
    place.say("fetch")
    result = place.do(op="fast-forward", repo="website")
    assert result.findings == (f"website: main moved from {old[:8]} to {new[:8]}, 1 commit came.",)
    assert "add b.txt" in result.raw
    assert place.at == new and (place.site / "b.txt").read_text() == "two\n"
    assert place.git("status", "--porcelain") == ""
    assert "up to date" in place.say("fast-forward")


def test_pull_is_a_fetch_and_a_fast_forward(place: Place) -> None:
    new = place.publish()
    said = place.say("pull", branch="main", remote="origin")
    assert "fetched from origin" in said and "1 commit came" in said
    assert place.at == new


def test_fast_forward_keeps_what_the_person_staged_edited_and_left_untracked(place: Place) -> None:
    place.publish()
    place.write(place.site, "a.txt", "edited\n")
    place.write(place.site, "staged.txt", "staged\n")
    place.write(place.site, "loose.txt", "loose\n")
    place.git("add", "staged.txt")
    place.say("pull")
    assert place.git("status", "--porcelain").splitlines() == ["M a.txt", "A  staged.txt", "?? loose.txt"]
    assert (place.site / "a.txt").read_text() == "edited\n" and (place.site / "b.txt").exists()


def test_fast_forward_of_a_branch_that_is_ahead_says_so(place: Place) -> None:
    place.commit(place.site, "mine.txt", "x\n")
    assert "1 commit ahead of origin" in place.say("fast-forward")


def test_fast_forward_follows_the_upstream_that_the_branch_names(place: Place) -> None:
    new = place.publish()
    place.git("switch", "-q", "-c", "feature", "--track", "origin/main")
    assert f"feature moved from {place.at[:8]} to {new[:8]}" in place.say("pull")


# branch


def test_a_branch_is_made_of_the_title_by_code_and_not_switched_to(place: Place) -> None:
    said = place.say("branch", title="Fix login on Safari", prefix="fix")
    assert "made the branch fix/fix-login-on-safari" in said
    assert place.git("rev-parse", "fix/fix-login-on-safari") == place.at
    assert place.git("branch", "--show-current") == "main"
    assert "is there already" in place.say("branch", title="Fix login on Safari", prefix="fix")


@pytest.mark.parametrize("start", ["main", "origin/main", "wip", "commit"])
def test_a_branch_begins_where_from_says(place: Place, start: str) -> None:
    place.publish()
    git(place.other, "push", "-q", "origin", "main:wip")
    place.git("fetch", "-q")
    own = place.commit(place.site, "mine.txt", "x\n")
    wanted = {"main": own, "commit": own}.get(start, place.git("rev-parse", "origin/wip"))
    place.say("branch", branch="new", **{"from": own[:10] if start == "commit" else start})
    assert place.git("rev-parse", "new") == wanted


@pytest.mark.parametrize(
    ("title", "prefix", "name"),
    [
        ("Fix login on Safari", "", "fix-login-on-safari"),
        ("Über-Größe: fix!", "feature/", "feature/uber-groe-fix"),
        ("--force ; rm -rf / $(x) `y`", "fix-", "fix-force-rm-rf-x-y"),
        ("task", "", "task"),
    ],
)
def test_titles_become_names_that_hold_nothing_but_words(title: str, prefix: str, name: str) -> None:
    assert branch_of(title, prefix) == name


# add and commit


def test_add_stages_the_named_paths_alone(place: Place) -> None:
    for path in ("a.txt", "new.txt", "docs/x.md", "docs/y.md", "other.txt"):
        place.write(place.site, path, "changed\n")
    result = place.do(op="add", repo="website", paths=["a.txt", "docs/"])
    assert result.findings == ("website: 3 files staged there now.",)
    assert place.git("diff", "--cached", "--name-only").split() == ["a.txt", "docs/x.md", "docs/y.md"]
    assert "nothing new" in place.say("add", paths=["a.txt", "docs/"])


def test_commit_takes_the_named_paths_and_leaves_the_rest_staged(place: Place) -> None:
    old = place.at
    place.write(place.site, "staged.txt", "staged\n")
    place.git("add", "staged.txt")
    place.write(place.site, "a.txt", "two\n")
    place.write(place.site, "new.txt", "new\n")
    place.write(place.site, "loose.txt", "loose\n")
    said = place.say("commit", paths="a.txt, new.txt", message="Fix the typo\n\n# not a comment\nCloses: nothing")
    assert f"committed 2 files to main as {place.at[:8]}, {old[:8]} before" in said
    assert place.git("show", "--format=", "--name-only", "HEAD").split() == ["a.txt", "new.txt"]
    assert place.git("log", "-1", "--format=%B|%an|%ae|%P") == (
        f"Fix the typo\n\n# not a comment\nCloses: nothing\n|Ada|ada@example.org|{old}"
    )
    assert place.git("status", "--porcelain").splitlines() == ["A  staged.txt", "?? loose.txt"]


def test_a_commit_that_was_made_before_a_crash_is_not_made_again(place: Place) -> None:
    place.write(place.site, "a.txt", "two\n")
    (place.site / "a.txt").touch()
    place.say("commit", paths=["a.txt"], message="m")
    made = place.at
    assert place.say("commit", paths=["a.txt"], message="m") == (
        f"website: nothing to commit, these paths are as in {made[:8]}."
    )
    assert place.at == made


def test_a_deletion_is_committed_and_committing_it_again_is_nothing(place: Place) -> None:
    place.commit(place.site, "old.txt", "x\n")
    (place.site / "old.txt").unlink()
    place.write(place.site, "a.txt", "two\n")
    assert "committed 2 files" in place.say("commit", paths=["old.txt", "a.txt"], message="m")
    assert "nothing to commit" in place.say("commit", paths=["old.txt", "a.txt"], message="m")
    assert "nothing new" in place.say("add", paths=["old.txt"])
    place.write(place.site, "a.txt", "three\n")
    assert "committed 1 file " in place.say("commit", paths=["old.txt", "a.txt"], message="m")


def test_the_first_commit_of_a_repository_can_be_made(place: Place) -> None:
    fresh = place.root / "fresh"
    git(place.root, "init", "-q", str(fresh))
    place.listed = {"website": fresh}
    place.write(fresh, "a.txt", "one\n")
    place.write(fresh, "b.txt", "one\n")
    assert "1 file staged" in place.say("add", paths=["b.txt"])
    assert "committed 1 file to main" in place.say("commit", paths=["a.txt"], message="first")
    assert git(fresh, "ls-tree", "--name-only", "HEAD").split() == ["a.txt"]
    assert git(fresh, "status", "--porcelain") == "A  b.txt\n"


def test_the_text_of_the_task_is_the_message_when_the_header_gives_none(place: Place) -> None:
    place.write(place.site, "a.txt", "two\n")
    place.do("Explain it\n\nAt length.", op="commit", repo="website", paths=["a.txt"])
    assert place.git("log", "-1", "--format=%B").strip() == "Explain it\n\nAt length."


def test_odd_file_names_are_names_and_no_patterns(place: Place) -> None:
    for path in ("*.txt", ":(top)x", "-f", "ä ö.md", "[a].txt"):
        place.write(place.site, path, "x\n")
    place.say("commit", paths=["*.txt", ":(top)x", "-f", "ä ö.md"], message="odd")
    names = place.git("show", "--format=", "--name-only", "-z", "HEAD").strip("\0").split("\0")
    assert sorted(names) == sorted(["*.txt", ":(top)x", "-f", "ä ö.md"])


# push


def test_push_sends_the_current_branch_and_pushing_again_is_done(place: Place) -> None:
    made = place.commit(place.site, "b.txt", "x\n")
    place.git("tag", "-a", "v1", "-m", "v1")
    place.git("config", "push.followTags", "true")
    assert place.say("push") == f"website: pushed main to origin, now at {made[:8]}, 1 commit."
    assert git(place.hub, "rev-parse", "main").strip() == made
    assert git(place.hub, "tag") == ""
    assert "up to date" in place.say("push", branch="main", remote="origin")


def test_push_makes_a_named_branch_at_the_remote_and_nothing_else(place: Place) -> None:
    place.commit(place.site, "b.txt", "x\n")
    place.git("branch", "feat/x")
    assert "pushed feat/x to origin, new there" in place.say("push", branch="feat/x")
    assert git(place.hub, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/feat/x", "refs/heads/main"]
    assert git(place.hub, "rev-parse", "main").strip() != place.at


# status and log


def test_status_counts_and_writes_nothing(place: Place) -> None:
    place.publish()
    place.git("fetch", "-q")
    place.commit(place.site, "c.txt", "x\n")
    place.write(place.site, "a.txt", "edited\n")
    place.write(place.site, "new.txt", "x\n")
    place.write(place.site, "staged.txt", "x\n")
    place.git("add", "staged.txt")
    before = snapshot(place.site)
    result = place.do(op="status", repo="website")
    assert result.findings == (
        f"website: on main at {place.at[:8]}, 1 ahead, 1 behind.",
        "Files: 1 staged, 1 changed, 1 untracked.",
    )
    assert " M a.txt" in result.raw
    assert snapshot(place.site) == before


def test_status_of_a_clean_repository_of_a_detached_head_and_of_a_merge(place: Place) -> None:
    assert (
        place.say("status") == f"website: on main at {place.at[:8]}, level with its upstream.\nThe work tree is clean."
    )
    place.git("switch", "-q", "--detach")
    assert "HEAD is detached" in place.say("status")
    place.git("switch", "-q", "main")
    (place.site / ".git/MERGE_HEAD").write_text(place.at + "\n")
    assert "A merge is in progress." in place.say("status")


def test_log_shows_so_many_commits_of_a_branch(place: Place) -> None:
    for number in range(5):
        place.commit(place.site, "a.txt", f"{number}\n", f"number {number}")
    result = place.do(op="log", repo="website", count="3")
    assert result.findings == (f"website: the last 3 commits of main, the newest {place.at[:8]}.",)
    assert [line.rpartition(": ")[2] for line in result.raw.splitlines()] == ["number 4", "number 3", "number 2"]
    assert place.do(op="log", repo="website", branch="origin/main").raw.endswith("Ada: m")


# the type


def test_what_alters_or_sends_waits_in_an_unmarked_note_and_what_looks_does_not() -> None:
    for op in ("fetch", "status", "log"):
        assert not HANDLER.waits_unmarked(task(op=op, repo="r"))
    for op in ("fast-forward", "pull", "branch", "push"):
        assert HANDLER.waits_unmarked(task(op=op, repo="r"))
    for op in ("add", "commit"):
        assert HANDLER.waits_unmarked(task("m", op=op, repo="r", paths=["x"]))
    assert HANDLER.waits_unmarked(task("Push the website repo"))
    assert not HANDLER.waits_unmarked(task("Fetch the website repo"))
