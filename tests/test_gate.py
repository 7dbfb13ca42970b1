"""The output gate: nothing active, nothing secret, nothing unbounded leaves it."""

from __future__ import annotations

import base64
import json
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agent.gate import OutputGate, clean
from tests.vault.samples import blocks, hostile_text

GATE = OutputGate()
SECRET = 'c0rrect/horse+"battery" & staple'
KNOWING = OutputGate((SECRET,))
CALM = settings(max_examples=150, deadline=None)

TOKENS = {
    "github-token": "ghp_" + "aB3d" * 9,
    "gitlab-token": "glpat-" + "aB3d_" * 4,
    "aws-key": "AKIA" + "IOSFODNN7EXAMPLE",
    "slack-token": "xoxb-" + "123456789012-abcdefGHIJKL",
    "api-key": "sk-ant-api03-" + "aB3-d_" * 8,
    "google-key": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "url-credentials": "https://me:hunter22@git.example.org/x.git",
    "url-token": "https://api.example.org/v1?access_token=abcdef123456",
    "authorization": "Authorization: Basic dXNlcjpwYXNzd29yZA==",
    "bearer": "curl -H 'X: Bearer abcdef0123456789abcdef'",
    "password": "DB_PASSWORD=correcthorsebattery",
    "private-key": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----",
    "webhook": "https://hooks.slack.com/services/T0000/B0000/abcdefghijklmnop",
    "bot-token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0",
}
HARMLESS = (
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "123e4567-e89b-12d3-a456-426614174000",
    "revision: 6f1c9d001122",
    "input_tokens: 812, output_tokens=164, max_tokens: 100000",
    "The password: it must be changed tomorrow. Secret: everyone knows.",
    "password = getpass.getpass() and token = os.environ['TOKEN']",
    "API_KEY=${API_KEY} and token: {{token}} and password=<yours here>",
    "task-list-with-many-words-in-kebab-case and ask-me-anything-in-2026",
    "ssh://git@github.com/owner/repository.git and https://example.org/a?page=2&sort=newest-first",
    "mail someone@example.org about the tokenizer: qwen3-tokenizer-v2",
    "skip-the-line-and-go-home: monkey-business-in-the-house",
)


@pytest.mark.parametrize(("kind", "text"), TOKENS.items())
def test_s25_common_tokens_are_redacted_and_the_rest_stays(kind: str, text: str) -> None:
    redacted = GATE.redact(f"before {text} after")
    assert redacted.startswith("before ") and redacted.endswith(" after") and f"[redacted:{kind}]" in redacted
    assert kind in GATE.scan(text.encode())
    assert GATE.scan(redacted.encode()) == []


NAMES = "password passwd passphrase pwd secret client_secret api-key apikey access_key private_key auth_token token"


@pytest.mark.parametrize("name", [*NAMES.split(), "DB_PASSWORD", "GITHUB_TOKEN", "aws_secret_access_key", "mypassword"])
@pytest.mark.parametrize(
    "form", ["{}=hunter22", "{}: hunter22", '"{}": "hunter-two"', "{} = 'hunter-two'", '{{\\"{}\\":\\"h-unter\\"}}']
)
def test_s25_settings_that_hold_a_secret_keep_their_name_only(name: str, form: str) -> None:
    for spelt in (form.format(name), form.format(name.upper())):
        redacted = GATE.redact(spelt)
        assert "unter" not in redacted and "[redacted:password]" in redacted
        assert name.lower() in redacted.lower()
        assert GATE.scan(spelt.encode()) == ["password"] and GATE.scan(redacted.encode()) == []


@pytest.mark.parametrize("text", HARMLESS)
def test_digests_ids_and_prose_are_left_alone(text: str) -> None:
    assert GATE.redact(text) == text
    assert GATE.scan(text.encode()) == []


def test_g40_credentials_in_a_remote_address_never_survive() -> None:
    said = GATE.redact("fatal: could not read from https://x-access-token:abc123def@github.com/o/r.git")
    assert said == "fatal: could not read from https://[redacted:url-credentials]@github.com/o/r.git"


def test_a_key_block_without_an_end_takes_the_rest_with_it() -> None:
    assert GATE.redact("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nmore") == "a\n[redacted:private-key]"


@pytest.mark.parametrize("shift", ["", "a", "ab"])
@pytest.mark.parametrize(
    "spell",
    [
        str,
        lambda s: quote(s, safe=""),
        lambda s: quote(s, safe="").lower().replace("%2F", "%2f"),
        lambda s: json.dumps(s)[1:-1],
        lambda s: s.encode().hex(),
        "\u200b".join,
        lambda s: s.replace("&", "&amp;").replace('"', "&quot;"),
    ],
)
def test_s25_known_values_never_leave_in_any_spelling(spell: Callable[[str], str], shift: str) -> None:
    told = shift + spell(SECRET)
    for out in (KNOWING.text(told, 500), KNOWING.fence(told, 500), KNOWING.line(told, 500), KNOWING.value(told, 500)):
        assert "known-value" in out and "staple" not in out
        assert KNOWING.scan(out.encode()) == []


def test_s25_a_known_value_is_found_where_lines_are_joined() -> None:
    wrapped = SECRET.replace(" ", "\n  ")
    assert "staple" not in KNOWING.line(wrapped, 500) + KNOWING.value(wrapped, 500)


@given(st.binary(max_size=9), st.binary(max_size=9), st.booleans())
@CALM
def test_s25_base64_of_a_known_value_is_found_at_any_offset(before: bytes, after: bytes, web: bool) -> None:
    encode = base64.urlsafe_b64encode if web else base64.b64encode
    told = encode(before + SECRET.encode() + after).decode()
    assert KNOWING.scan(told.encode()) == ["known-value"]
    assert KNOWING.scan(KNOWING.redact(told).encode()) == []


def test_a_scan_sees_through_utf_16_and_broken_utf_8() -> None:
    token = TOKENS["github-token"]
    assert GATE.scan(token.encode("utf-16-le")) == GATE.scan(b"\xff\xfe" + token.encode()) == ["github-token"]


def test_the_known_values_are_not_in_its_repr() -> None:
    assert SECRET not in repr(KNOWING)


ALLOWED_IN_TEXT = {
    "text", "text_special", "softbreak", "paragraph_open", "paragraph_close", "bullet_list_open", "bullet_list_close",
    "ordered_list_open", "ordered_list_close", "list_item_open", "list_item_close", "hr",
}  # fmt: skip


@given(hostile_text)
@CALM
def test_s23_text_from_outside_holds_words_and_lists_only(text: str) -> None:
    out = GATE.text(text, 2000)
    assert {kind for kind, _ in blocks(f"Before\n\n{out}\n\nAfter\n")} <= ALLOWED_IN_TEXT
    _assert_inert(out)


@given(hostile_text)
@CALM
def test_s24_a_line_from_outside_cannot_begin_or_end_a_block(text: str) -> None:
    out = GATE.line(text, 500)
    assert "\n" not in out
    wanted = {"paragraph_open", "paragraph_close", "text", "text_special"}
    assert {kind for kind, _ in blocks(out)} <= wanted
    assert blocks(f"- {out}")[:2] == [("bullet_list_open", "ul"), ("list_item_open", "li")]
    assert {kind for kind, _ in blocks(f"- {out}")[2:-2]} <= wanted
    _assert_inert(out)


def _assert_inert(out: str) -> None:
    assert "<%" not in out and "%%" not in out and "[[" not in out and "{{" not in out and "$$" not in out
    assert "obsidian://" not in out and "file://" not in out and "javascript:alert" not in out
    _assert_no_unseen(out)


def _assert_no_unseen(out: str) -> None:
    assert not [c for c in out if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert not set(out) & set("\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\u2028\u2029\U000e0041")


@given(hostile_text)
@CALM
def test_what_is_escaped_still_says_the_same_words(text: str) -> None:
    line = GATE.line(text, 10_000)
    assume("redacted:" not in line)  # what looks like a password must not say the same
    shown = "".join(part.content for token in MarkdownIt("commonmark").parse(line) for part in token.children or ())
    assert shown == " ".join(clean(text).split())


@given(hostile_text, st.integers(0, 200))
@CALM
def test_s24_a_fence_cannot_be_broken_out_of(text: str, limit: int) -> None:
    out = GATE.fence(text, limit)
    kinds = blocks(f"{out}\n\nAfter\n")
    assert kinds[0] == ("fence", "text")
    assert [kind for kind, _ in kinds].count("fence") == 1
    assert "<%" not in out
    _assert_no_unseen(out)


@given(hostile_text)
@CALM
def test_s21_a_value_for_front_matter_is_one_inert_line(text: str) -> None:
    out = GATE.value(text, 500)
    assert "\n" not in out and "<%" not in out and "[[" not in out and "obsidian://" not in out
    _assert_no_unseen(out)


@given(hostile_text)
@CALM
def test_what_the_gate_writes_passes_its_own_scan(text: str) -> None:
    told = "".join(f"{text}{token} " for token in TOKENS.values()) + text
    for out in (GATE.text(told, 5000), GATE.line(told, 5000), GATE.value(told, 5000), GATE.fence(told, 5000)):
        assert GATE.scan(out.encode()) == []


def test_a_line_cannot_start_a_list_of_its_own() -> None:
    assert GATE.line("1. first", 50) == r"1\. first"
    assert GATE.line("12) twelfth", 50) == r"12\) twelfth"
    assert GATE.line("- [ ] tick me", 50) == r"\- \[ \] tick me"
    assert GATE.line("1.5 metres", 50) == "1.5 metres"


def test_d13_escapes_do_not_make_a_secret_of_what_was_none() -> None:
    short = "password=a*b*c"
    assert GATE.redact(short) == short
    assert GATE.scan(GATE.text(short, 50).encode()) == GATE.scan(GATE.line(short, 50).encode()) == []


def test_bounds_are_kept_and_a_cut_is_told() -> None:
    assert GATE.line("word " * 100, 20) == "word word word word…"
    assert len(GATE.value("x" * 100, 10)) == 10
    assert GATE.fence("é" * 10, 9) == "```text\néééé\n```\n\nCut: the first 9 of 20 bytes are shown."
    assert GATE.fence("é" * 10, 20) == f"```text\n{'é' * 10}\n```"
    assert len(GATE.fence("`" * 100_000, 1000)) < 1200


def test_a_secret_at_the_cut_leaves_no_beginning_of_itself() -> None:
    token = TOKENS["github-token"]
    assert "ghp_" not in GATE.fence("x" * 90 + " " + token, 100)
    assert "ghp_" not in GATE.line("x" * 90 + " " + token, 100)


def test_plain_words_pass_as_they_are() -> None:
    words = "Wrote 42 to notes/my_list.md (3 lines, 50 % done) -> see https://example.org/a_b#part, a/b & c; 1 = 1."
    assert GATE.line(words, 500) == GATE.value(words, 500) == words
    assert GATE.text(f"{words}\n\n- one\n  - two\n1. three", 500) == f"{words}\n\n- one\n  - two\n1. three"


PIECES = (
    "ghp_", "eyJ", "-sk-", "://", "://a:", "token token-", "secret", "-----BEGIN PRIVATE KEY-----", "\x1b[", "&a", " -",
    "\n- ", "[[", "bearer ", "?key=", "authorization:", "SG.", "password:", "AKIA", "http", "`", "x", "_", "<%", "1.",
)  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_s30_no_pattern_is_slower_than_linear(piece: str) -> None:
    def cpu_seconds(size: int) -> float:
        text = piece * (size // len(piece))
        begun = time.process_time()
        GATE.text(text, size)
        GATE.line(text, size)
        GATE.fence(text, size)
        GATE.scan(text.encode())
        return time.process_time() - begun

    small = min(cpu_seconds(20_000) for _ in range(3))
    assert cpu_seconds(160_000) < 8 * 4 * small + 0.1  # quadratic would be 64 times as much
