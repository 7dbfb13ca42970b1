"""The `branch` type: names that git takes and that belong to the request; branches in listed repositories only."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.tables import ListedRepo
from agent.errors import BadHeader, Doubt, Refused
from agent.handlers.branch import HANDLER, flaw_of
from agent.models.fake import FakeModel
from agent.models.ollama import Ollama
from agent.repos import ListedRepos
from tests.engine.standin import OllamaStandIn
from tests.handlers.git_place import Place
from tests.handlers.model_place import ModelPlace

REQUEST = "Propose a branch name for: the login button does nothing on Safari 17"


def said(name: str, confidence: float = 0.9) -> dict[str, Any]:
    return {"name": name, "confidence": confidence}


@pytest.fixture
def names(tmp_path: Path) -> ModelPlace:
    return ModelPlace(tmp_path, HANDLER)


def in_repos(place: Place) -> ModelPlace:
    listed = {"website": ListedRepo(path=str(place.site), allow=place.allow, remote="origin")}  # type: ignore[arg-type]
    repos = ListedRepos(listed, place.vault, place.vault / ".git")
    return ModelPlace(place.vault, HANDLER, repo=repos.of(lambda: None))


def test_a_name_is_told_and_nothing_is_made(names: ModelPlace) -> None:
    result = names.do(FakeModel(said("fix/login-button-safari")), REQUEST)
    assert result.raw == result.sections[0].text == "fix/login-button-safari"
    assert result.findings == ("Branch name: `fix/login-button-safari`.",)


def test_the_prefix_of_the_header_is_put_in_front(names: ModelPlace) -> None:
    assert names.do(FakeModel(said("login-button")), REQUEST, prefix="fix").raw == "fix/login-button"
    with pytest.raises(Doubt, match="another prefix"):
        names.do(FakeModel(said("feat/login-button")), REQUEST, prefix="fix")


@pytest.mark.parametrize(
    "name",
    [
        "Fix-login", "fix login", "fix/login/button", "fix--login", "-login", "login-", "wip/login", "login.lock",
        "login..button", "login~1", "login@{1}", "lögin", "login\nbutton", "login-" * 11 + "x",
        "payment-page", "login-safari-18", "main", "fix",
    ],
)  # fmt: skip
def test_a_name_that_fails_a_check_goes_up(names: ModelPlace, name: str) -> None:
    with pytest.raises(Doubt) as caught:
        names.do(FakeModel(said(name)), REQUEST)
    assert caught.value.reason == "bad-answer" and caught.value.tried


def test_low_confidence_goes_up(names: ModelPlace) -> None:
    with pytest.raises(Doubt) as caught:
        names.do(FakeModel(said("login-button", 0.4)), REQUEST)
    assert caught.value.reason == "low-confidence"


def test_opinions_that_differ_go_up(names: ModelPlace) -> None:
    with pytest.raises(Doubt, match="one mind"):
        names.do(FakeModel(said("login-button"), said("safari-login")), REQUEST, opinions=2)


def test_with_a_listed_repository_the_branch_is_made_there(place: Place) -> None:
    result = in_repos(place).do(FakeModel(said("fix/login-button")), REQUEST, repo="website")
    assert place.git("rev-parse", "fix/login-button") == place.git("rev-parse", "HEAD")
    assert place.git("branch", "--show-current") == "main"
    assert any("fix/login-button" in finding for finding in result.findings)


def test_from_says_where_the_branch_starts(place: Place) -> None:
    first = place.git("rev-parse", "HEAD")
    place.commit(place.site, "c.txt", "three\n")
    in_repos(place).do(FakeModel(said("fix/login-button")), REQUEST, repo="website", **{"from": first[:12]})
    assert place.git("rev-parse", "fix/login-button") == first


def test_a_bad_name_makes_no_branch(place: Place) -> None:
    before = place.git("for-each-ref")
    with pytest.raises(Doubt):
        in_repos(place).do(FakeModel(said("payment-page")), REQUEST, repo="website")
    assert place.git("for-each-ref") == before


@pytest.mark.parametrize("repo", ["other", "../website", "/etc"])
def test_a_repository_that_is_not_listed_is_refused_before_the_model(place: Place, repo: str) -> None:
    model = FakeModel()
    with pytest.raises(Refused):
        in_repos(place).do(model, REQUEST, repo=repo)
    assert not model.history


@pytest.mark.parametrize("params", [{"prefix": "wip"}, {"from": "main"}, {"nmae": "x"}])
def test_parameters_that_make_no_sense_are_told(names: ModelPlace, params: dict[str, str]) -> None:
    with pytest.raises(BadHeader):
        names.do(FakeModel(), REQUEST, **params)


NEARLY = st.text(st.sampled_from("abz09-/._~^:@{ \\*[?HEADlock\u00e9\x00"), max_size=12)
WORDS = st.lists(st.sampled_from(["fix", "head", "lock", "a", "0", "feat", "login"]), min_size=1, max_size=5)
KEBAB = st.tuples(st.sampled_from(["", "fix/", "feat/", "docs/"]), WORDS).map(
    lambda parts: parts[0] + "-".join(parts[1])
)


@settings(max_examples=60, deadline=None)
@given(NEARLY | KEBAB)
def test_what_passes_here_passes_git(name: str) -> None:
    if flaw_of(name) == "":
        done = subprocess.run(
            ["git", "check-ref-format", "--branch", name], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout.strip()) == (0, name)


@given(KEBAB)
def test_kebab_names_pass(name: str) -> None:
    assert flaw_of(name) == ""


def test_a_model_that_knows_nothing_gives_a_checked_name_or_a_doubt(names: ModelPlace, standin: OllamaStandIn) -> None:
    names.context = 4096
    try:
        result = names.do(Ollama(standin.url), REQUEST)
    except Doubt as doubt:
        assert doubt.reason in ("low-confidence", "bad-answer", "too-long") and doubt.tried
    else:
        assert flaw_of(result.raw) == ""
        assert set(result.raw.rpartition("/")[2].split("-")) & set(REQUEST.lower().split())
    assert standin.chats
