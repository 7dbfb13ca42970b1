"""Secrets told by their form: tokens with a known prefix, key blocks, credentials in addresses and settings.

Digests, UUIDs and git ids stay: nothing here matches by randomness alone. A pattern runs only where one of its
anchors occurs, and every pattern is linear in the text: repetitions are bounded, or stop where the next try begins.
The prefixes are those that the providers document for secret scanning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

SHORTEST = 10  # characters: "pwd=" and six more; names and numbers in a header are mostly shorter

_MARKED = r"(?!\\?\[redacted)"
_NAMES = (
    r"pass(?:word|wd|phrase)|(?<![a-z])(?:pwd|(?:(?:client|app|shared|webhook)[_-]?)?secret(?:[_-]?(?:access[_-]?)?key)?"
    r"|(?:api|access|private|auth|account|encryption)[_-]?key|(?:[a-z]{1,12}[_-])?token)"
)
# What stands where a secret would: a mark, a variable, a placeholder, or code that looks the secret up.
_NOT_A_VALUE = _MARKED + r"(?!\\?(?:\$\{|\$\(|<|\{\\?\{|=)|(?:\\?\*){3}|[\w.]{1,64}(?:\(|\\?\[))"
_VALUE = r"[^\s\"'&,;]"

_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")


class _Form(NamedTuple):
    """A kind of secret, the literals without which it cannot occur (of the lower-cased text for `folded`), and its
    pattern; a group called `keep` is what stands before the secret and stays."""

    kind: str
    anchors: tuple[str, ...]
    find: re.Pattern[str]
    folded: bool = False
    hint: re.Pattern[str] | None = None  # a cheaper look at the lower-cased text, for a pattern that is slow to say no

    def replace(self, text: str) -> str:
        return self.find.sub(self._mark, text)

    def _mark(self, found: re.Match[str]) -> str:
        return f"{found['keep'] if 'keep' in self.find.groupindex else ''}[redacted:{self.kind}]"


def _form(kind: str, anchors: str, pattern: str, *, folded: bool = False, hint: str = "") -> _Form:
    find = re.compile(pattern, re.IGNORECASE if folded else 0)
    return _Form(kind, tuple(anchors.split()), find, folded, re.compile(hint) if hint else None)


_FORMS = (
    _form("github-token", "gh", r"gh[pousr]_[A-Za-z0-9]{20,}"),
    _form("github-token", "github_pat_", r"github_pat_[A-Za-z0-9_]{20,}"),
    _form("gitlab-token", "gl", r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|soat|agent|imt|oas|ffct)-[A-Za-z0-9_.=-]{20,}"),
    _form("aws-key", "AKIA ASIA ABIA ACCA", r"(?<![A-Z0-9])A(?:KI|SI|BI|CC)A[A-Z0-9]{16}(?![A-Z0-9])"),
    _form("slack-token", "xox xapp-", r"(?:xox[a-z]|xapp)-[A-Za-z0-9-]{10,}"),
    _form("webhook", "hooks.slack", r"(?P<keep>hooks\.slack\.com/(?:services|workflows)/)[A-Za-z0-9/_-]{16,}"),
    _form("webhook", "/webhooks/", r"(?P<keep>discord(?:app)?\.com/api/webhooks/)[0-9]{5,30}/[A-Za-z0-9_-]{20,}"),
    # A digit within reach tells a key from kebab-case words.
    _form("api-key", "sk-", r"(?<![A-Za-z0-9])sk-(?=[A-Za-z_-]{0,200}[0-9])[A-Za-z0-9_-]{20,}"),
    _form("api-key", "k_live_ k_test_ whsec_", r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,}"),
    _form("api-key", "gsk_ xai- pplx- hf_", r"(?<![A-Za-z0-9])(?:gsk_|xai-|pplx-|hf_)[A-Za-z0-9]{30,}"),
    _form("google-key", "AIza", r"AIza[A-Za-z0-9_-]{30,}"),
    _form("google-token", "ya29. GOCSPX-", r"(?:ya29\.|GOCSPX-)[A-Za-z0-9_-]{20,}"),
    _form("registry-token", "npm_ pypi-AgE", r"npm_[A-Za-z0-9]{36,}|pypi-AgE[A-Za-z0-9_-]{40,}"),
    _form("bot-token", ":AA", r"(?<![0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{32,}"),
    _form("api-key", "SG.", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _form("jwt", "eyJ", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    _form(
        "url-credentials",
        "://",
        rf"(?<=://){_MARKED}(?:[^\s/@:?#]{{0,256}}:[^\s/@]{{1,256}}|[^\s/@:?#]{{20,256}})(?=@)",
    ),
    _form(
        "url-token",
        "? &",
        r"(?P<keep>[?&](?:access[_-]?token|api[_-]?key|key|sig|signature|auth|token|password|client[_-]?secret|secret"
        rf"|x-amz-(?:signature|security-token))=){_MARKED}[^&\s#\\\"'<>()]{{8,}}",
        folded=True,
    ),
    _form(
        "authorization",
        "authorization",
        r"(?P<keep>authorization[\"']?[ \t]{0,8}[:=][ \t]{0,8}[\"']?"
        r"(?:(?:bearer|basic|digest|token|apikey)[ \t]{1,8})?+)"
        rf"{_MARKED}{_VALUE}{{6,}}",
        folded=True,
    ),
    _form(
        "bearer",
        "bearer",
        r"(?P<keep>\bbearer[ \t]{1,8})(?=[a-z._~+/=-]{0,200}[0-9])[a-z0-9._~+/=-]{16,}",
        folded=True,
    ),
    _form(
        "password",
        "pass pwd secret key token",
        rf"(?P<keep>(?:{_NAMES})(?:\\?[\"'])?[ \t]{{0,8}}"
        # After "=" or in quotes it is a setting; after a colon only what holds a digit, or prose would suffer.
        rf"(?:=[ \t]{{0,8}}(?:\\?[\"'])?|:[ \t]{{0,8}}\\?[\"']|:[ \t]{{0,8}}(?={_VALUE}{{0,128}}[0-9])))"
        rf"{_NOT_A_VALUE}{_VALUE}{{6,}}",
        folded=True,
        hint=r"(?:ssw(?:or)?d|ssphrase|pwd|secret|key|token)\\?[\"']?[ \t]{0,8}[:=]",
    ),
)
_EXACT = tuple((anchor, form) for form in _FORMS if not form.folded for anchor in form.anchors)
_FOLDED = tuple((anchor, form) for form in _FORMS if form.folded for anchor in form.anchors)


def redact_tokens(text: str) -> str:
    """The text with each secret that has a known form replaced by `[redacted:<kind>]`."""
    if "-----BEGIN " in text:
        text = _redact_keys(text)
    for form in _occurring(text):
        text = form.replace(text)
    return text


def find_tokens(text: str) -> Iterator[str]:
    """The kinds of secrets that `redact_tokens` would replace."""
    if _KEY_BEGIN.search(text):
        yield "private-key"
    for form in _occurring(text):
        if form.find.search(text):
            yield form.kind


def _occurring(text: str) -> Iterable[_Form]:
    if len(text) < SHORTEST:
        return ()
    folded = text.lower()
    forms = [form for anchor, form in _EXACT if anchor in text]
    forms += [form for anchor, form in _FOLDED if anchor in folded]
    return [form for form in dict.fromkeys(forms) if form.hint is None or form.hint.search(folded)]


def _redact_keys(text: str) -> str:
    """Key blocks, their frame included. One without an end takes the rest of the text with it."""
    parts: list[str] = []
    at = 0
    while begin := _KEY_BEGIN.search(text, at):
        end = _KEY_END.search(text, begin.end())
        parts += (text[at : begin.start()], "[redacted:private-key]")
        at = end.end() if end else len(text)
    return "".join(parts) + text[at:]
