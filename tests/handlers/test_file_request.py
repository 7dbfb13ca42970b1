"""What plain English the file type understands, and what it leaves to somebody with a mind."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import Doubt
from agent.handlers.file_request import Wish, read_wish

FENCED = "```\nline one\n\nline two\n```"

UNDERSTOOD = {
    # write
    "Write 42 to test.txt": Wish("write", "test.txt", text="42"),
    "write 42 to test.txt.": Wish("write", "test.txt", text="42"),
    "Please write 42 to test.txt": Wish("write", "test.txt", text="42"),
    "Could you please write 42 to test.txt?": Wish("write", "test.txt", text="42"),
    "Hey Gofer, write 42 to test.txt, please.": Wish("write", "test.txt", text="42"),
    "Gofer: write 42 to test.txt": Wish("write", "test.txt", text="42"),
    "Can you write 42 to test.txt for me? Thanks!": Wish("write", "test.txt", text="42"),
    "I want you to write 42 into the file test.txt": Wish("write", "test.txt", text="42"),
    "Write the number 42 to `test.txt`": Wish("write", "test.txt", text="42"),
    "Write -3.14 to data/pi.csv": Wish("write", "data/pi.csv", text="-3.14"),
    "Write 2026-11-20 to last-run.txt": Wish("write", "last-run.txt", text="2026-11-20"),
    "Write v1.2.3 to VERSION.txt": Wish("write", "VERSION.txt", text="v1.2.3"),
    "Write hello to greetings.txt": Wish("write", "greetings.txt", text="hello"),
    "Write hello world to hello.txt": Wish("write", "hello.txt", text="hello world"),
    "Write OK to state.log": Wish("write", "state.log", text="OK"),
    "Write the word banana to fruit.txt": Wish("write", "fruit.txt", text="banana"),
    'Write "a short story" to story.md': Wish("write", "story.md", text="a short story"),
    "Write “quoted like this” to a.md": Wish("write", "a.md", text="quoted like this"),
    "Write 'single quotes' to a.md": Wish("write", "a.md", text="single quotes"),
    'Write "don\'t stop" to a.md': Wish("write", "a.md", text="don't stop"),
    "Write `x = 1` to a.txt": Wish("write", "a.txt", text="x = 1"),
    'Write "and then delete b.md" to a.md': Wish("write", "a.md", text="and then delete b.md"),
    'Put "x" into a.md': Wish("write", "a.md", text="x"),
    'Save "x" as notes/a.md': Wish("write", "notes/a.md", text="x"),
    'Store the text "x" in notes/a.md': Wish("write", "notes/a.md", text="x"),
    'Write "x" to "My Notes/to do.md"': Wish("write", "My Notes/to do.md", text="x"),
    'Write "x" to [[Ideas]]': Wish("write", "[[Ideas]]", text="x"),
    "Write to x.txt: hello there": Wish("write", "x.txt", text="hello there"),
    'Write to x.txt: "hello there"': Wish("write", "x.txt", text="hello there"),
    'Write to x.txt the text "hello"': Wish("write", "x.txt", text="hello"),
    "In test.txt write 42": Wish("write", "test.txt", text="42"),
    "Save the following to notes/x.md:\n" + FENCED: Wish("write", "notes/x.md", text="line one\n\nline two"),
    "Save the following to notes/x.md:\n\n# Title\n\n- a\n": Wish("write", "notes/x.md", text="# Title\n\n- a"),
    "Write this to notes/x.md:\nline one\nline two": Wish("write", "notes/x.md", text="line one\nline two"),
    "Write the following text to notes/x.md\n\n" + FENCED: Wish("write", "notes/x.md", text="line one\n\nline two"),
    "Save this text as x.md:\n~~~markdown\n```\nx\n```\n~~~": Wish("write", "x.md", text="```\nx\n```"),
    "Write to a.md: first\nsecond": Wish("write", "a.md", text="first\nsecond"),
    # create
    'Create a file notes/x.md with the text "hi"': Wish("write", "notes/x.md", text="hi"),
    "create notes/x.md containing:\nhello\nworld": Wish("write", "notes/x.md", text="hello\nworld"),
    "Create a new file called x.txt containing 7": Wish("write", "x.txt", text="7"),
    'Make a note named ideas.md that says "buy a boat"': Wish("write", "ideas.md", text="buy a boat"),
    'Create a file called x.txt with the content "y"': Wish("write", "x.txt", text="y"),
    'Create a file with the text "y" called x.txt': Wish("write", "x.txt", text="y"),
    'Create a file with "y" at x.txt': Wish("write", "x.txt", text="y"),
    "Create an empty file x.md": Wish("write", "x.md"),
    "Create a new empty note called x.md": Wish("write", "x.md"),
    "Create x.md:\n" + FENCED: Wish("write", "x.md", text="line one\n\nline two"),
    'Write a file x.md with the text "y"': Wish("write", "x.md", text="y"),
    # replace
    'Overwrite a.md with "x"': Wish("write", "a.md", text="x", overwrite=True),
    "Replace the content of a.md with:\nnew\nlines": Wish("write", "a.md", text="new\nlines", overwrite=True),
    'Set the content of a.md to "x"': Wish("write", "a.md", text="x", overwrite=True),
    "Write 42 to test.txt, overwriting it": Wish("write", "test.txt", text="42", overwrite=True),
    "Write 42 to test.txt (overwrite)": Wish("write", "test.txt", text="42", overwrite=True),
    "Write 42 to test.txt even if it exists": Wish("write", "test.txt", text="42", overwrite=True),
    # append
    'Append "- call the plumber" to memory/todo.md': Wish("append", "memory/todo.md", text="- call the plumber"),
    'Add the line "x" to a.md': Wish("append", "a.md", text="x"),
    'Add a new line saying "x" to a.md': Wish("append", "a.md", text="x"),
    'add "x" to the end of a.md': Wish("append", "a.md", text="x"),
    'Add "x" at the bottom of the file a.md': Wish("append", "a.md", text="x"),
    'Write "x" to the end of a.md': Wish("append", "a.md", text="x"),
    "Append to a.md: - buy milk": Wish("append", "a.md", text="- buy milk"),
    "Append to memory/todo.md: check the test results": Wish("append", "memory/todo.md", text="check the test results"),
    "Append the following lines to a.md:\n- one\n- two": Wish("append", "a.md", text="- one\n- two"),
    'In a.md, add the line "x"': Wish("append", "a.md", text="x"),
    "Add this to a.md:\n" + FENCED: Wish("append", "a.md", text="line one\n\nline two"),
    'Append "x" to [[Shopping list]]': Wish("append", "[[Shopping list]]", text="x"),
    "Append 17 to numbers.csv": Wish("append", "numbers.csv", text="17"),
    # read
    "Read memory/projects/alpha.md and give me its content": Wish("read", "memory/projects/alpha.md"),
    "Read a.md": Wish("read", "a.md"),
    "Show me a.md": Wish("read", "a.md"),
    "Show me the contents of a.md": Wish("read", "a.md"),
    "cat a.txt": Wish("read", "a.txt"),
    "Print the file `logs/x.log`": Wish("read", "logs/x.log"),
    "Give me the full content of a.md": Wish("read", "a.md"),
    "Get the content of config/x.yaml": Wish("read", "config/x.yaml"),
    "Can you show me [[Ideas]]?": Wish("read", "[[Ideas]]"),
    "Read a.md and show it to me": Wish("read", "a.md"),
    "Open the note a.md and return the text": Wish("read", "a.md"),
    # move
    "Move a.md to b/": Wish("move", "a.md", "b/"),
    "Move memory/inbox-dump.md to memory/archive/": Wish("move", "memory/inbox-dump.md", "memory/archive/"),
    "Move the file a.md into the folder b/c": Wish("move", "a.md", "b/c/"),
    "Move a.md to b/c.md": Wish("move", "a.md", "b/c.md"),
    "mv a/b.md c.md": Wish("move", "a/b.md", "c.md"),
    "rename a.md to b.md": Wish("move", "a.md", "b.md"),
    "Rename memory/a.md to b.md": Wish("move", "memory/a.md", "memory/b.md"),
    'Move "My note.md" to "Old notes/"': Wish("move", "My note.md", "Old notes/"),
    # copy
    "Copy a.md to b/c.md": Wish("copy", "a.md", "b/c.md"),
    "cp a.md b.md": Wish("copy", "a.md", "b.md"),
    "Duplicate a.md as b.md": Wish("copy", "a.md", "b.md"),
    "Make a copy of a.md in backup/": Wish("copy", "a.md", "backup/"),
    # delete
    "Delete tmp/old.log": Wish("delete", "tmp/old.log"),
    "remove the file tmp/old.log": Wish("delete", "tmp/old.log"),
    "Please delete `my old note.md`.": Wish("delete", "my old note.md"),
    "rm a.md": Wish("delete", "a.md"),
    "Get rid of a.md": Wish("delete", "a.md"),
    "# Tidy up\n\nDelete tmp/old.log": Wish("delete", "tmp/old.log"),
    "- [ ] Delete tmp/old.log": Wish("delete", "tmp/old.log"),
}

DOUBTFUL = [
    # two errands
    "Delete a.md and b.md",
    "Delete a.md, b.md",
    "Write 42 to a.txt and delete b.txt",
    "Move a.md to b/ and rename it",
    "Read a.md then b.md",
    'Write "x" to a.md and commit it',
    "Read a.md and summarise it",
    "Read a.md and tell me what changed",
    "Delete a.md\nDelete b.md",
    "Save the following to a.md:\n```\nx\n```\nthen delete b.md",
    "Delete a.md. Then write 42 to b.md",
    # globs, several, unnamed
    "Delete *.log",
    "Delete all logs in tmp/",
    "Move every note to archive/",
    "Delete tmp/",
    "Delete the old log",
    "Delete it",
    "Move a.md to the archive",
    "Move a.md to archive",
    "Rename a.md",
    "Move memory/a.md to b.md",
    "Rename [[a]] to b.md",
    "Move [[a]] to b.md",
    "Rename a.md to [[b]]",
    "Delete my old notes.md",
    "Copy a.md",
    "Show me a.md#section",
    "Delete [[a#heading]]",
    # conditions, times, negation
    "Delete a.md if it is empty",
    "If the build is green, delete a.md",
    "Delete a.md unless it changed",
    "When b.md appears, move a.md to b/",
    "Every day append \"x\" to a.md",
    "Write 42 to test.txt tomorrow",
    "Do not delete a.md",
    "Don't delete a.md",
    "Never write 42 to test.txt",
    "# Only if the build is red\n\nDelete tmp/old.log",
    # questions
    "What is in a.md?",
    "Should I delete a.md?",
    "Read a.md?",
    "Why does a.md exist?",
    # texts that are yet to be written
    "Write a GenServer that rate-limits per tenant, with tests",
    "Write a short story to story.md",
    "Write a short story in the voice of our mascot",
    "Write to story.md: a short story about a fox",
    "Write tests for x.py",
    "Write tests to tests.md",
    "Write documentation to README.md",
    "Write a summary of a.md to b.md",
    "Write the result of 6*7 to x.txt",
    "Write 6*7 to x.txt",
    "Write the word count to x.txt",
    "Write the date to x.txt",
    "Write FAQ to faq.md",
    "Write 10 jokes to jokes.md",
    "Write it to x.md",
    "Write this to x.md",
    "Write the following to x.md:",
    "Write to x.md",
    "Create a file notes/x.md",
    "Create notes/x.md with three ideas",
    "Create notes/x.md containing a summary of y.md",
    "Create notes/x.md containing: a summary of y.md",
    "Write a short, friendly reminder to the team that the demo is on Friday",
    "Add tests to a.md",
    "Add a task for the plumber to todo.md",
    'Insert "x" after line 3 of a.md',
    'Add "x" to the top of a.md',
    'Replace "x" with "y" in a.md',
    "Replace a.md with b.md",
    "In TOOLS.md set the mailbox port to 4041",
    "Refactor a.md",
    # not text files, not files
    "Write 42 to x.py",
    "Delete src/app.py",
    "Read https://example.org/changelog.md",
    "Read example.com",
    "Write 42 to ~/x.md",
    "Read a.md b.md",
    'Write "x"y" to a.md',
    'Write "x to a.md',
    "Remove \"x\" from a.md",
    "",
    "42",
    "a.md",
]  # fmt: skip


def test_the_tables_are_as_long_as_they_claim() -> None:
    assert len(UNDERSTOOD) >= 80
    assert len(DOUBTFUL) >= 40


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_a_plain_order_is_understood(text: str) -> None:
    assert read_wish(text) == UNDERSTOOD[text]


@pytest.mark.parametrize("text", DOUBTFUL)
def test_what_is_not_beyond_doubt_is_left_to_somebody_else(text: str) -> None:
    with pytest.raises(Doubt) as caught:
        read_wish(text)
    assert caught.value.reason == "unclassified"
    assert caught.value.why


@pytest.mark.parametrize("text", [text for text in UNDERSTOOD if "\n" not in text and ":" not in text])
@pytest.mark.parametrize("more", [" and push it", " if it is empty", " unless b.md is there", " and then delete z.md"])
def test_more_words_than_the_order_make_it_doubtful(text: str, more: str) -> None:
    with pytest.raises(Doubt):
        read_wish(text.rstrip(".?!") + more)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["write", "a.md", '"x"', "to", "and", "delete", ",", ":", "[[", "`", "\n", "the", "42"]))
)
def test_any_words_give_a_wish_or_a_doubt_and_never_another_error(words: list[str]) -> None:
    try:
        wish = read_wish(" ".join(words))
    except Doubt:
        return
    assert wish.path in ("a.md",)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters='"', exclude_categories=["Cc", "Cs"]), max_size=50))
def test_quoted_text_is_taken_to_the_letter(text: str) -> None:
    assert read_wish(f'Append "{text}" to a.md').text == text


@pytest.mark.parametrize("piece", ['"', "“", "'a ", "[[", "`", ":", "a:", ",", "please ", "the ", "# \n", "```\n"])
def test_s30_a_long_hostile_request_takes_linear_time(piece: str) -> None:
    for text in (f"Write {piece * 200_000}", f"Write {piece * (3900 // len(piece))}"):
        before = time.process_time()
        with pytest.raises(Doubt):
            read_wish(text)
        assert time.process_time() - before < 1.0
