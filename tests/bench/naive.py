"""The naive worker: what a person would write in an afternoon. A watchdog handler that reads the file with
python-frontmatter, does it, writes a report, and commits with GitPython's index, one task at a time.

    python -m tests.bench.naive VAULT

It waits for nothing, settles nothing, syncs nothing to the disk and recovers from nothing; so it does less per
task than it should, never more.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import frontmatter
from git import Repo
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


class Naive(FileSystemEventHandler):
    """Does every file that is closed after writing, in the watcher's own thread."""

    def __init__(self, vault: Path) -> None:
        self.vault, self.repo = vault, Repo(vault)

    def on_closed(self, event: FileSystemEvent) -> None:
        dropped = Path(str(event.src_path))
        if dropped.suffix != ".md":
            return
        task = frontmatter.load(str(dropped))
        note = str(task["path"])
        (self.vault / note).parent.mkdir(parents=True, exist_ok=True)
        (self.vault / note).write_text(task.content + "\n", "utf-8")
        report = f"outbox/{dropped.stem}.md"
        (self.vault / report).write_text(f"# Report\n\n**Task:** {dropped.stem}\n\nWrote `{note}`.\n", "utf-8")
        index = self.repo.index
        index.add([note, report])
        index.commit(f"done {dropped.stem}")
        dropped.unlink()


def main(vault: Path) -> None:
    observer = Observer()
    observer.schedule(Naive(vault), str(vault / "inbox"), recursive=True)
    observer.start()
    print("working", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    observer.stop()
    observer.join()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(Path(sys.argv[1]))
