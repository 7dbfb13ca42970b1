"""Nothing that was started outlives us: a shell that sleeps on a pipe, and when we are gone, however we went, ends the
process groups that it was told of, first politely, so that git removes its locks, then for good.

Only for commands that may wait for other machines: a short one ends by itself, and is better not cut off.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SCRIPT = """
kept=" "
while read -r what group; do
  case $what in
    +) kept="$kept$group " ;;
    -) case $kept in *" $group "*) kept="${kept%% $group *} ${kept#* $group }" ;; esac ;;
  esac
done
for group in $kept; do kill -TERM "-$group"; done 2>/dev/null
[ -n "${kept# }" ] && sleep 2
for group in $kept; do kill -KILL "-$group"; done 2>/dev/null
"""
_lock = threading.Lock()
_shell: subprocess.Popen[bytes] | None = None


@contextmanager
def kept(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """While this lasts, the group of that process ends with us."""
    _say(b"+ %d\n" % process.pid)
    try:
        yield
    finally:
        _say(b"- %d\n" % process.pid)


def _say(line: bytes) -> None:
    global _shell  # noqa: PLW0603  (one for the whole process, like the processes that it keeps)
    with _lock:
        if _shell is None or _shell.poll() is not None:
            _shell = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "gofer-keeper"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, bufsize=0,
            )  # fmt: skip
        assert _shell.stdin
        with suppress(OSError):
            _shell.stdin.write(line)
