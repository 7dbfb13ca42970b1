"""The naive worker on a shared vault: for each task one commit and one push, as a person would write it.

python -m tests.bench.pushing CLONE COUNT
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import frontmatter


def main(clone: Path, count: int) -> None:
    """Do the first `count` tasks of the inbox, one after another."""
    for dropped in sorted((clone / "inbox").glob("*.md"))[:count]:
        task = frontmatter.load(str(dropped))
        note = clone / str(task["path"])
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(task.content + "\n", "utf-8")
        (clone / "outbox" / dropped.name).write_text(f"# Report\n\n**Task:** {dropped.stem}\n", "utf-8")
        dropped.unlink()
        for command in (
            ["add", "-A"],
            ["commit", "-q", "-m", f"done {dropped.stem}"],
            ["push", "-q", "origin", "main"],
        ):
            subprocess.run(["git", "-C", str(clone), *command], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
