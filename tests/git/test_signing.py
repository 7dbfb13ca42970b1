"""Commits are signed when the person configured signing for Gofer, and only then."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.git.command import Git
from agent.git.repository import Repository
from agent.git.store import Store


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_a_commit_is_signed_with_the_persons_key_when_gofer_sign_is_set(tmp_path: Path) -> None:
    vault, key = tmp_path / "vault", tmp_path / "key"
    vault.mkdir()
    git = Git(vault)
    git.run("init", "--quiet", "--initial-branch=main")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"gofer@localhost {key.with_suffix('.pub').read_text()}")
    settings = {
        "gpg.format": "ssh",
        "user.signingKey": str(key.with_suffix(".pub")),
        "gpg.ssh.allowedSignersFile": str(allowed),
    }
    for name, value in settings.items():
        git.run("config", name, value)

    unsigned = Store(Repository(vault), tmp_path / "one.git")
    plain = unsigned.commit(None, "gofer: done a\n", 1_700_000_000, {"a.md": b"a\n"})
    unsigned.close()
    git.run("config", "gofer.sign", "true")
    signing = Store(Repository(vault), tmp_path / "two.git")
    signed = signing.commit(plain, "gofer: done b\n", 1_700_000_001, {"b.md": b"b\n"})
    signing.close()

    assert git.run("log", "-1", "--format=%G?", plain).text == "N"
    assert git.run("log", "-1", "--format=%G? %an %s", signed).text == "G Gofer gofer: done b"
    assert git.run("ls-tree", "--name-only", signed).text.split() == ["a.md", "b.md"]
