"""Misbehaviour of a host, as scripts that its pre-receive runs. Give them to `Bare.add_hook` or `Bare.hooked`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

CLAIMS = "refs/gofer/claims/*"
_ZERO = "0" * 40
# A push keeps its objects in quarantine while pre-receive runs, and git forbids to move refs there. What moves a ref
# here plays another process, so it forgets the quarantine.
_OUTSIDE = "env -u GIT_QUARANTINE_PATH -u GIT_OBJECT_DIRECTORY -u GIT_ALTERNATE_OBJECT_DIRECTORIES git"


@dataclass(frozen=True, slots=True)
class Hook:
    """A shell script that reads `old new ref` lines and ends with 0 to let the push go on. They run in the order of
    their names."""

    name: str
    script: str


def delaying(seconds: float, *, refs: str = "*") -> Hook:
    """Every push to a ref that matches the shell pattern takes so much longer, before anything is decided."""
    return Hook("10-delay", _script(refs, f"sleep {seconds:g}; break"))


def refusing(message: str, *, refs: str = "*", word: str = "", times: int = 0, creating: bool = False) -> Hook:
    """Refuse a push that touches a ref that matches the shell pattern, with the message.

    `word`: only when what the push would add to such a ref holds it (a deletion never does), as a secret scanner does.
    `times`: only so many times, then never again (0: always). `creating`: only when such a ref is not there yet.
    """
    told = f"printf '%s\\n' {shlex.quote(message)} >&2; exit 1"
    once = f'[ "$(cat "$0.count" 2>/dev/null | wc -l)" -lt {times} ] || continue; echo >>"$0.count"; ' if times else ""
    once = (f'[ "$old" = {_ZERO} ] || continue; ' if creating else "") + once
    if not word:
        return Hook("20-refuse", _script(refs, once + told))
    found = f'git log -p --format=%B "$new" --not --all | grep -qF -- {shlex.quote(word)} && {{ {once}{told}; }}'
    return Hook("20-refuse", _script(refs, f'[ "$new" = {_ZERO} ] || {found}'))


def taking_over(*, worker: str = "thief", refs: str = CLAIMS, times: int = 1) -> Hook:
    """In the middle of a push that moves or removes an existing claim, another worker takes the claim over.

    The server itself moves the ref to a copy of the claim with another worker and nonce, after it has read what the
    push expects and before it does it. `times`: at most so many claims are taken (0: no limit).
    """
    changed = f's/"worker":"[^"]*"/"worker":"{worker}"/; s/"nonce":"[^"]*"/"nonce":"\'"$(date +%s%N | cut -c1-16)"\'"/'
    limit = (
        f'[ "$(cat "$0.count" 2>/dev/null | wc -l)" -lt {times} ] || continue; echo "$ref" >>"$0.count"; '
        if times
        else ""
    )
    steal = (
        f'[ "$old" != {_ZERO} ] || continue; {limit}'
        f"stolen=$({_OUTSIDE} cat-file commit \"$old\" | sed '{changed}' | {_OUTSIDE} hash-object -t commit -w --stdin)"
        f' && {_OUTSIDE} update-ref -m "taken over in the middle of a push" "$ref" "$stolen" "$old"'
    )
    return Hook("30-take-over", _script(refs, steal))


def _script(refs: str, body: str) -> str:
    chosen = f'case "$ref" in {refs}) ;; *) continue ;; esac'
    return f"#!/bin/sh\nwhile read -r old new ref; do\n    {chosen}\n    {body}\ndone\nexit 0\n"
