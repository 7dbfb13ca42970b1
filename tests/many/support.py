"""Several clones of one vault, each with a machine of its own around it, and the bare remote between them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.e2e.support import QUICK, House

SHARED = QUICK + "[sync]\npoll_seconds = 1.0\n"


class Many:
    """A bare remote and clones of it, made as they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.remote = folder, folder / "remote.git"
        self._git(folder, "init", "-q", "--bare", "--initial-branch=main", str(self.remote))
        self._git(self.remote, "config", "core.logAllRefUpdates", "always")
        (folder / "first").mkdir()
        first = House(folder / "first", settings=SHARED)
        first.git("remote", "add", "origin", str(self.remote))
        first.git("push", "-q", "-u", "origin", "main")

    def clone(self, name: str, settings: str = SHARED) -> House:
        (self.folder / name).mkdir()
        house = House(self.folder / name, settings=settings, make=False)
        self._git(self.folder, "clone", "-q", str(self.remote), str(house.root))
        return house

    def there(self, *args: str) -> str:
        """What git says of the remote."""
        return self._git(self.remote, *args)

    def tasks(self) -> list[str]:
        """The task files that lie in the remote's inbox."""
        listed = self.there("ls-tree", "-r", "--name-only", "main", "inbox/").splitlines()
        return [path for path in listed if path.endswith(".md") and "templates/" not in path]

    def ended(self) -> list[str]:
        """The ids of all outcomes in the remote's history."""
        return self.there("log", "--format=%(trailers:key=Gofer-Task,valueonly)", "main").split()

    def _git(self, at: Path, *args: str) -> str:
        done = subprocess.run(["git", *args], cwd=at, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout
