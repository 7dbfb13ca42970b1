"""The matrix page, its pattern language, and the errors a person gets back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import BadConfig
from agent.route import TYPES, load_matrix
from agent.route.pattern import parse_pattern
from agent.route.request import read_request
from tests.route import SHIPPED

HEAD = "# Page\n\n| # | When the request says … | Type | Tier | Who | Why |\n|---|---|---|---|---|---|\n"


def fits(pattern: str, text: str) -> bool:
    return bool(parse_pattern(pattern).fits(read_request("", text)))


def refusal(page: str) -> BadConfig:
    with pytest.raises(BadConfig) as caught:
        load_matrix(page)
    return caught.value


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("summar*", "Please summarise this"),
        ("*.log", "what is in logs/Gateway.LOG?"),
        ("^fetch/get price*", "Could you please get the latest prices"),
        ("^summar*", "Hi Gofer!\n\nThe meeting was long. Summarize the notes."),
        ("^summar*", "# Weekly digest\n\nSummarize the notes"),
        ("+review", "Fetch the diff and review it"),
        ("+review", "This is trivial: review the diff"),
        ("+review", "- fetch the diff\n- [ ] review it"),
        ("+review", "fetch the diff\nreview it"),
        ("root_cause", "find the root cause"),
        ("message ~to/for", "the message for Sam"),
        ("message ~to/for", "a message broker and a message to Sam"),
        ("PATH", "Write it to notes/a.md"),
        ("PATH", "look into repos/site"),
        ("^run pass fail", "run it and report pass/fail"),
        ("CODE", "read `agent/road.py`."),
        ("URL", "see https://example.org/a?b=c, please"),
        ("TEXT", "write “two words” there"),
        ("NUMBER", "costs $40"),
        ("^tell ALONE", "Tell Anna that the demo is on Friday."),
        ("^tell ALONE", 'Tell Anna about the task, "pack, fold and send", please'),
        ("^branch", "I need a branch for lunch"),
        ("^write message.", "Write a message to Anna"),
        ("^write message.", "Write a message saying hello"),
        ("^get log_file.", "get the log file"),
        ("let", "let's go"),
        ("strateg*", "# Strategy\n\nSee below"),
    ],
)
def test_a_pattern_finds_what_it_says(pattern: str, text: str) -> None:
    assert fits(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("review", "reviewer"),
        ("*.log", "the log"),
        ("^fetch", "do not fetch it"),
        ("^fetch price", "the price. fetch it"),
        ("+review", "Summarize the PR review comments"),
        ("root_cause", "the cause is the root"),
        ("message ~to/for", "a message broker to build"),
        ("^list !log", "list what the log says"),
        ("^tell ALONE", "Tell Anna that the demo is on Friday and book a room"),
        ("^tell ALONE", "Tell Anna. Book a room."),
        ("^tell ALONE", "Tell Anna; book a room"),
        ("^write message.", "Write a message broker"),
        ("^get log_file.", "get the log file parser"),
        ("fetch", "since=2&fetch"),
        ("design", 'Create a branch for "design the schema"'),
        ("design", "Forward this\n\n> design the schema\n\n```\ndesign it\n```\n"),
        ("CODE", "read notes/road.md"),
        ("PATH", "e.g. at 5 p.m. or version 2.3"),
        ("a PATH", "PATH a"),
    ],
)
def test_a_pattern_finds_nothing_else(pattern: str, text: str) -> None:
    assert not fits(pattern, text)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("| 1 | `x` | nonsense | trivial | code | w |", "type 'nonsense' is not known"),
        ("| 1 | `x` | file | easy | code | w |", "tier is 'easy'"),
        ("| 1 | `x` | file | trivial | lead | w |", "trivial work is done by code"),
        ("| 1 | `x` | ask | trivial | code | w |", "needs a model"),
        ("| 1 | `x` | handoff | standard | local | w |", "complex work"),
        ("| 1 |  | file | trivial | code | w |", "no pattern"),
        ("| 1 | fetch | file | trivial | code | w |", "outside backticks"),
        ("| 1 | `!x` | file | trivial | code | w |", "no word that the request must contain"),
        ("| 1 | `x ^y` | file | trivial | code | w |", "only the first term"),
        ("| 1 | `~x` | file | trivial | code | w |", "behind another term"),
        ("| 1 | `Fetch` | file | trivial | code | w |", "small letters"),
        ("| 1 | `ab*` | file | trivial | code | w |", "3 letters"),
        ("| 1 | `a/` | file | trivial | code | w |", "no word"),
        ("|  | `x` | file | trivial | code | w |", "column # is empty"),
        ("| 7 | `x` | file | trivial | code | w |\n| 7 | `y` | file | trivial | code | w |", "the number 7 already"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_the_reason(row: str, why: str) -> None:
    good = "| 9 | `good` | file | trivial | code | w |\n"
    problem = refusal(HEAD + good + row)
    assert why in problem.why
    assert problem.where == f"prompts/delegation.md, line {6 + row.count(chr(10))}"
    assert problem.fix


WORDS = "# Page\n\n- free text: `not a group`\n\n## Words\n\n{}\n\n" + HEAD.partition("\n\n")[2]


def test_a_row_may_name_groups_of_words_that_the_page_explains() -> None:
    groups = "- GIVE `show, hand over`\n- DATA: `PATH, report*`\n- BOTH `GIVE, send`"
    matrix = load_matrix(WORDS.format(groups) + "| a | `^BOTH/get DATA` | file | trivial | code | |\n")
    texts = ("Hand over the reports", "send notes/a.md", "get it from x/y.md", "show it", "hand the report")
    found = [[match.words for match in matrix.matches(read_request("", text))] for text in texts]
    assert found == [["hand_over report*"], ["send PATH"], ["get PATH"], [], []]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("- GIVE show, hand over", "not of the form"),
        ("- Give `show`", "not of the form"),
        ("- GIVE `show, , send`", "comma without a word"),
        ("- GIVE `Show`", "small letters"),
        ("- GIVE `ab*`", "3 letters"),
        ("- GIVE `OTHER`", "'OTHER': in capitals there are only"),
        ("- GIVE `show`\n- GIVE `send`", "called GIVE already"),
        ("- PATH `show`", "PATH has a meaning already"),
        ("- FURTHER `hand over`", "one word"),
    ],
)
def test_a_bad_group_is_refused_with_its_line_and_the_reason(line: str, why: str) -> None:
    problem = refusal(WORDS.format(line) + "| a | `x` | file | trivial | code | |\n")
    assert why in problem.why
    assert problem.where == f"prompts/delegation.md, line {7 + line.count(chr(10))}"
    assert problem.fix


def test_a_row_that_names_an_unknown_group_is_refused() -> None:
    assert (
        "'NOWHERE': in capitals there are only" in refusal(HEAD + "| 1 | `^NOWHERE` | file | trivial | code | w |").why
    )


def test_a_page_has_exactly_one_table_with_the_right_columns() -> None:
    assert "no table" in refusal("# Nothing here\n").why
    second = refusal(HEAD + "\n# More\n\n| a |\n|---|\n| b |\n")
    assert "second table" in second.why
    assert second.where.endswith("line 8")
    renamed = refusal(HEAD.replace("Tier", "Level"))
    assert "Level" in renamed.why
    assert renamed.where.endswith("line 3")


def test_the_first_fitting_row_comes_first_and_names_the_words_that_fitted() -> None:
    rows = "| a | `^get/fetch price*` | fetch | trivial | code | |\n| b | `prices` | ask | standard | local | |\n"
    found = [
        (match.row.number, match.words) for match in load_matrix(HEAD + rows).matches(read_request("", "get prices"))
    ]
    assert found == [("a", "get price*"), ("b", "prices")]


def test_the_shipped_matrix_has_a_row_for_every_type() -> None:
    assert {row.type for row in SHIPPED.rows} == set(TYPES)


def test_the_index_never_hides_a_row_that_fits() -> None:
    for text in (
        "Fetch the notes and review them",
        "Tell Anna to call",
        "What is in logs/a.log?",
        "summarise https://a.example",
    ):
        request = read_request("", text)
        walked = [row.number for row in SHIPPED.rows if any(pattern.fits(request) for pattern in row.patterns)]
        assert [match.row.number for match in SHIPPED.matches(request)] == walked


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400), st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str, title: str) -> None:
    request = read_request(title, text)
    assert all(request.sentences)
    number, place = request.opening
    assert (number, place) == (-1, -1) or request.sentences[number][place]
    for match in SHIPPED.matches(request):
        assert match.words
