"""What a new vault starts with: one copy in the repository, and the same files in every wheel."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from agent.config.reading import dotted_keys
from agent.config.values import VaultSettings
from agent.defaults import default_file, default_files
from agent.errors import Usage

REPOSITORY = Path(__file__).parent.parent
TYPES_WITH_A_SAMPLE = {
    "file", "git", "status", "heartbeat", "summarize", "ask", "extract", "compose", "classify", "branch", "config",
    "handoff", "research", "logs", "backlog", "mailbox", "forward", "fetch", "organize", "test", "undo", "answer",
}  # fmt: skip


def test_every_default_file_can_be_read() -> None:
    names = default_files()
    assert {"gofer.toml", "AGENTS.md", "prompts/delegation.md"} <= set(names)
    assert {f"inbox/templates/{name}.md" for name in TYPES_WITH_A_SAMPLE} <= set(names)
    for name in names:
        assert default_file(name).strip(), name


@pytest.mark.parametrize("name", ["pyproject.toml", "../AGENTS.md", "prompts/../gofer.toml", "", "prompts"])
def test_no_other_file_is_a_default(name: str) -> None:
    with pytest.raises(Usage, match="ships no file"):
        default_file(name)


def test_every_sample_is_a_draft_of_its_own_type() -> None:
    for name in TYPES_WITH_A_SAMPLE:
        header = default_file(f"inbox/templates/{name}.md").split("---\n")[1]
        assert "status: draft\n" in header
        assert f"type: {name}\n" in header


def test_the_settings_file_says_nothing_until_a_key_is_taken_out_of_its_comment() -> None:
    assert all(table == {} for table in tomllib.loads(default_file("gofer.toml")).values())


def test_the_settings_file_shows_every_key_at_its_default() -> None:
    shown = "\n".join(
        line.removeprefix("#") if line.startswith("#") and line[1:2].isalpha() else line
        for line in default_file("gofer.toml").splitlines()
    )
    data = tomllib.loads(shown)
    assert data.pop("aliases").keys() == {"cheap"}
    assert data.pop("time_limits").keys() == {"summarize"}
    assert data["sync"].pop("pushes_per_minute") == 6  # its default depends on the host
    assert VaultSettings.model_validate(data) == VaultSettings()
    flat = {f"{table}.{key}" for table, keys in data.items() if isinstance(keys, dict) for key in keys}
    plain = {key for key in dotted_keys(VaultSettings) if "<name>" not in key}
    assert flat | {"active_hours", "sync.pushes_per_minute"} == plain


def test_a_wheel_carries_them_all(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="building a wheel needs hatchling, which the dev extra installs")
    build = f"import hatchling.build; print(hatchling.build.build_wheel({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", build], cwd=REPOSITORY, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        assert {f"agent/_defaults/{name}" for name in default_files()} <= inside
        assert {"agent/schemas/common.json", "agent/schemas/status.json"} <= inside
        archive.extractall(tmp_path / "installed")
    show = "from agent.defaults import default_file, default_files as d; print([default_file(n) for n in d()])"
    installed = {"PYTHONPATH": str(tmp_path / "installed"), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [sys.executable, "-S", "-c", show], cwd=tmp_path, env=installed, check=True, capture_output=True, text=True
    )
    assert run.stdout.strip() == str([default_file(name) for name in default_files()])
