"""Reading the tokens of a git order: repositories, branches, remotes, paths, numbers."""

from __future__ import annotations

import re

from agent.handlers.file_request.reader import Reader
from agent.handlers.file_request.tokens import Token, phrases, word_set

MAX_NUMBER = 100  # commits
_REPO = re.compile(r"(?:repos/|~/|/)?[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){0,8}/?")
_BRANCH = re.compile(r"[A-Za-z0-9][\w./-]{0,199}")
_NOUN = ("repo", "repository", "clone", "checkout")
_IN = ("in", "of", "for", "inside", "into")
# What stands where a name would and names nothing: a request with one of these means something that it does not say.
_NO_NAME = word_set(
    """it this that these those them here there all everything both each every any some which what same other others
    vault notes repo repos repository repositories clone clones checkout branch branches remote remotes origin
    upstream head main master commit commits change changes file files latest newest new old current my our your
    work tree index general particular case order progress me us now today tomorrow yesterday and or then with"""
)
_NUMBERS: dict[str, int] = dict(
    zip(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], range(1, 11), strict=True)
) | {"dozen": 12, "fifteen": 15, "twenty": 20, "fifty": 50, "hundred": 100}
_REMOTES = ("origin", "upstream")
_LATEST = phrases(
    """the latest commits | the latest changes | the newest commits | the newest changes | new commits | new changes |
    the latest"""
)


class GitReader(Reader):
    """Walks the tokens of one request once, for one form. `in_front` is the repository that was named first."""

    def __init__(self, tokens: list[Token], given: str | None) -> None:
        super().__init__(tokens, given)
        self.in_front = ""

    def lead(self) -> None:
        """Step over "In the website repo," and remember it."""
        if self.maybe("in", "inside"):
            self.in_front = self.repo(bare=True)
            self.comma()

    def repo(self, *, bare: bool) -> str:
        """A repository: its name or path. Without `bare` a mere word must have "repo" or the like beside it."""
        self.maybe("the", "my", "our")
        noun = self.maybe("local")
        noun = self.maybe(*_NOUN) or noun
        self.maybe("called", "named", "at") if noun else ""
        token = self._next()
        name = token.text
        if token.kind not in ("word", "quote", "code") or not _REPO.fullmatch(name) or name.casefold() in _NO_NAME:
            self._no()
        noun = self.maybe(*_NOUN) or noun
        return name if bare or noun or "/" in name or token.kind == "code" else self._no()

    def target(self) -> str:
        """Where it is to be done: named in front, behind "in" or "of", or as the object itself."""
        if self.in_front:
            return self.in_front
        return self.repo(bare=bool(self.maybe(*_IN)))

    def where(self) -> str:
        """The same, but never as the object itself; "" when it does not come next."""
        return self.in_front or (self.repo(bare=True) if self.maybe(*_IN) else "")

    def branch_name(self) -> str:
        token = self._next()
        known = token.kind in ("word", "quote", "code") and _BRANCH.fullmatch(token.text)
        is_name = token.text.casefold() in ("main", "master") or token.text.casefold() not in _NO_NAME
        return token.text if known and is_name else self._no()

    def branch_here(self) -> str:
        """A branch that comes before the place or the remote: "main in …", "the docs branch of …"; "" when none."""
        at = self._at
        if self.phrase(phrases("the current branch | my commits | my branch | the commits | my changes")):
            return ""
        self.maybe("the")
        self.maybe("branch")
        token = self._peek()
        if token.kind in ("word", "code", "quote") and token.text.casefold() not in (*_IN, *_REMOTES):
            self._at += 1
            self.maybe("branch")
            behind = self._peek()
            if (behind.kind == "word" and behind.text.casefold() in (*_IN, "to")) or (self.in_front and self.at_end()):
                after, self._at = self._at, self._tokens.index(token, at)
                name = self.branch_name()
                self._at = after
                return name
        self._at = at
        return ""

    def remote(self) -> str:
        """ "origin", if it comes next."""
        return self.maybe(*_REMOTES)

    def remote_behind(self, word: str) -> str:
        """ "to origin", "from its remote": the remote's name, "" when it is not named."""
        if not self.maybe(word):
            return ""
        if self.maybe("the", "its"):
            self.need("remote")
            return ""
        return self.need(*_REMOTES)

    def latest(self) -> bool:
        """Step over "the latest commits" and the like."""
        return self.phrase(_LATEST)

    def quoted(self) -> str:
        token = self._next()
        return token.text if token.kind == "quote" and token.text.strip() else self._no()

    def number(self) -> int:
        """A number if one comes next, 0 otherwise."""
        token = self._peek()
        digits = token.text.isascii() and token.text.isdigit() and len(token.text) < 4
        value = int(token.text) if digits else _NUMBERS.get(token.text.casefold(), 0)
        self._at += 0 < value <= MAX_NUMBER
        return value if value <= MAX_NUMBER else self._no()

    def paths(self) -> tuple[str, ...]:
        """Files and folders with commas or "and" between."""
        found = [self._file()]
        while True:
            comma = self._peek().kind == "comma"
            self.comma()
            if not (self.maybe("and") or comma):
                return tuple(found)
            found.append(self._file())

    def _file(self) -> str:
        self.maybe("the")
        self.maybe("file", "folder")
        token: Token = self._next()
        whole = token.kind in ("quote", "code") or (token.kind == "word" and ("." in token.text or "/" in token.text))
        return token.text if whole and token.text.strip("./ ") else self._no()
