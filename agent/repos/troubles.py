"""What git's complaints mean for a task: wait, ask for credentials, or give up with a reason a person can use.

Git has no codes for these; the words are those of git, ssh, curl and the large hosts, in the C locale.
"""

from __future__ import annotations

from agent.errors import Busy, CredentialsRefused, GoferError, PersonMustAct, Refused, TryLater
from agent.git.command import GitError

_BUSY = (".lock': File exists", "Another git process seems to be running", "cannot lock ref")
_CREDENTIALS = (
    "Authentication failed", "could not read Username", "could not read Password", "terminal prompts disabled",
    "Permission denied (", "Permission denied, please try again", "Host key verification failed",
    "returned error: 401", "returned error: 403", "returned error: 407", "Invalid username or ", "access denied",
    "Access denied", "HTTP Basic: Access denied", "Write access to repository not granted", "Repository not found",
    "not authorized", "Permission to ", "unable to read askpass", "Too many authentication failures",
)  # fmt: skip
_AWAY = (
    "Could not resolve ", "Temporary failure in name resolution", "Name or service not known", "Connection refused",
    "timed out", "Operation too slow", "Timeout, server", "Network is unreachable", "Network is down",
    "No route to host", "Host is down", "Connection reset", "Connection closed by", "Failed to connect",
    "Couldn't connect to server", "Could not connect to server", "early EOF", "unexpected disconnect",
    "hung up unexpectedly", "kex_exchange_identification", "Empty reply from server", "SSL_ERROR_SYSCALL",
    "SSL connection timeout", "transfer closed with", "Broken pipe", "returned error: 429", "returned error: 50",
)  # fmt: skip
_IDENTITY = ("Please tell me who you are", "no email was given", "no name was given", "user.useConfigOnly")
_IN_THE_WAY = ("would be overwritten by", "would be removed by", "would lose untracked files")


def explained(error: GitError, name: str) -> GoferError:
    """The error that a failed command means. `name` is the repository's."""
    said = error.stderr
    if _says(said, _BUSY):
        return Busy(f"'{name}' is in use by another git command", why=_line(said, _BUSY))
    if _says(said, _IDENTITY):
        return PersonMustAct(
            f"git does not know who commits in '{name}'",
            fix='git config --global user.name "…" and user.email "…"',
        )
    if _says(said, _IN_THE_WAY):
        return Refused(
            f"files in the work tree of '{name}' are in the way",
            why=_files_in_the_way(said),
            fix="commit, move or remove them, then try again",
        )
    if _says(said, _CREDENTIALS):
        return CredentialsRefused(
            f"the remote of '{name}' refused who we are",
            why=_line(said, _CREDENTIALS),
            fix=f"try it once by hand in its folder ({error.where}); Gofer uses the same keys and helpers, but "
            "cannot be asked for a password",
        )
    if _says(said, _AWAY):
        return TryLater(f"the remote of '{name}' is away", why=_line(said, _AWAY))
    return Refused(f"git refused in '{name}'", why=_line(said, ("fatal:", "error:", "ERROR:")) or error.why)


def _says(said: str, words: tuple[str, ...]) -> bool:
    return any(word in said for word in words)


def _line(said: str, words: tuple[str, ...]) -> str:
    """The first line that holds one of these words: git ends with general advice, the cause stands before it."""
    return next((line.strip()[:300] for line in said.splitlines() if _says(line, words)), "")


def _files_in_the_way(said: str) -> str:
    files = [line.strip() for line in said.splitlines() if line.startswith("\t")]
    return ", ".join(files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "")
