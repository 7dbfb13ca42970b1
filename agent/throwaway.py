"""A throw-away vault with a bare remote beside it, for what shows or tries all of Gofer without touching anything."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import tomlkit

from agent import frontmatter
from agent.config import state_dir
from agent.config.environment import local_config_path
from agent.git.command import Git
from agent.newvault import make_vault


@dataclass(frozen=True, slots=True)
class Place:
    """One temporary folder: the vault in it, its bare remote, and what the environment must say to work there."""

    folder: Path

    @property
    def vault(self) -> Path:
        return self.folder / "vault"

    @property
    def remote(self) -> Path:
        return self.folder / "remote.git"

    @property
    def env(self) -> Mapping[str, str]:
        config = self.folder / "config.toml"
        own = {"GOFER_CONFIG": str(config)} if config.exists() else {}
        return {"GOFER_STATE_DIR": str(self.folder / "state"), **own}

    def allow(self, url: str, env: Mapping[str, str]) -> None:
        """Tasks in this place may fetch from this address. All else is as this machine's own settings say."""
        path = local_config_path(env)
        settings = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
        network = settings.setdefault("network", tomlkit.table())
        network["allowed_hosts"] = [*network.get("allowed_hosts", ()), urlsplit(url).netloc]
        (self.folder / "config.toml").write_text(tomlkit.dumps(settings), "utf-8")

    def write(self, files: Mapping[str, str]) -> None:
        """What the throw-away person has in their vault: path → text."""
        for name, text in files.items():
            path = self.vault / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")

    def drop(self, tasks: Mapping[str, str]) -> None:
        """Task files for the inbox: name → text. Each is marked as whole, so that nobody waits for it to settle."""
        self.write({f"inbox/{name}": _marked(text) for name, text in tasks.items()})


@contextmanager
def throwaway(name: str, *, keep: bool = False) -> Iterator[Place]:
    """A new vault `gofer-<name>-…` in the temporary folder, pushed to nowhere but its own remote; gone afterwards
    unless `keep`."""
    place = Place(Path(tempfile.mkdtemp(prefix=f"gofer-{name}-")))
    try:
        Git(place.folder).run("init", "--quiet", "--bare", "--initial-branch=main", "--template=", str(place.remote))
        state = state_dir(place.vault, place.env)
        make_vault(place.vault, state, remote=str(place.remote), schedules=False)  # or now and then a beat were due
        yield place
    finally:
        if not keep:
            shutil.rmtree(place.folder, ignore_errors=True)


def _marked(text: str) -> str:
    # Text alone is amended: a header that is broken on purpose has to stay so.
    if not text.startswith("---\n"):
        return frontmatter.dump({"status": "open"}, text)
    return text if "\nstatus:" in text else text.replace("---\n", "---\nstatus: open\n", 1)
