"""What `gofer doctor` says of the remote: reached or not and why, the branch there, and where claims can live."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.claims import NAMESPACES
from tests.remotes import Bare, refusing, served
from tests.remotes.http import HANG
from tests.remotes.ledger import moves
from tests.support import CLOSED_PORT, Vault, make_vault

REFS, HEADS = NAMESPACES
TASK = "---\nstatus: open\n---\nWrite 1 to memory/1.txt\n"


def checks(vault: Vault, *names: str) -> list[dict[str, Any]]:
    """The findings of these names."""
    done = vault.gofer("doctor", "--json")
    assert done.returncode in (0, 1), done.stderr
    found = [check for check in json.loads(done.stdout)["data"]["checks"] if check["name"] in names]
    assert all(bool(check["fix"]) is not check["ok"] for check in found)
    return found


def remembered(vault: Vault) -> dict[str, Any] | None:
    file = vault.state / "remote.json"
    found: dict[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
    return found


@pytest.fixture
def vault(tmp_path: Path, bare: Bare) -> Vault:
    return make_vault(tmp_path, remote=str(bare.path))


def test_a_plain_host_is_reached_and_both_namespaces_work(vault: Vault, bare: Bare) -> None:
    remote, first, second = checks(vault, "remote", "claims")
    assert remote["ok"]
    assert remote["detail"] == f"origin ({bare.path}) answers; its branch main is not there yet"
    assert first["detail"] == f"{REFS}: create, lose, move, atomic and delete work; claims live here"
    assert second["detail"] == f"{HEADS}: create, lose, move, atomic and delete work"
    assert remembered(vault) == {"namespace": REFS, "atomic": True}
    assert bare.refs() == {}
    vault.git("push", "-q", "origin", "main")
    assert checks(vault, "remote")[0]["detail"].endswith("its branch main is there")


def test_g32_where_only_branches_are_allowed_claims_live_there_and_the_worker_uses_it(vault: Vault, bare: Bare) -> None:
    bare.configure("receive.hideRefs", "refs/gofer")
    remote, first, second = checks(vault, "remote", "claims")
    assert remote["ok"] and first["ok"] and second["ok"]
    assert first["detail"].startswith(f"{REFS}: no create, lose, move, atomic, delete (deny updating a hidden ref")
    assert second["detail"].endswith("claims live here")
    assert remembered(vault) == {"namespace": HEADS, "atomic": True}

    vault.drop("a.md", TASK)
    vault.commit()
    vault.git("push", "-q", "origin", "main")
    vault.run_once()
    assert "memory/1.txt" in bare.git("ls-tree", "-r", "--name-only", "main")
    tried = {move.ref for move in moves(bare.path, HEADS)}
    assert len(tried) == 1  # the task's
    assert not bare.refs(HEADS)


def test_g32_where_nothing_is_allowed_the_doctor_says_what_to_allow(vault: Vault, bare: Bare) -> None:
    with bare.hooked(refusing("GH013: no refs of yours", refs="*gofer/*")):
        remote, first, second = checks(vault, "remote", "claims")
    assert remote["ok"]
    for check, namespace in ((first, REFS), (second, HEADS)):
        assert not check["ok"]
        assert "GH013: no refs of yours" in check["detail"]
        assert namespace in check["fix"]
    assert remembered(vault) is None


def test_g32_a_host_without_atomic_pushes_is_named(vault: Vault, bare: Bare) -> None:
    with bare.without_atomic():
        first, second = checks(vault, "claims")
    assert not first["ok"]
    assert "receive.advertiseAtomic" in first["fix"]
    assert second["ok"]
    assert remembered(vault) == {"namespace": REFS, "atomic": False}


def test_claims_in_the_other_namespace_are_named(vault: Vault, bare: Bare) -> None:
    bare.claim("elsewhere", "a-task", HEADS + "a" * 40)
    first, second = checks(vault, "claims")
    assert first["ok"]
    assert "claims of other machines are there" in second["detail"]
    assert bare.refs().keys() == {HEADS + "a" * 40}


def test_a_remote_that_is_gone_is_said_to_be_away(vault: Vault, bare: Bare) -> None:
    bare.path.rename(bare.path.with_suffix(".away"))
    (remote,) = checks(vault, "remote", "claims")
    assert not remote["ok"]
    assert "does not answer" in remote["detail"]
    assert "results wait" in remote["fix"]
    assert remembered(vault) is None


def test_g40_a_remote_that_refuses_us_is_named_without_its_password(tmp_path: Path) -> None:
    with served(tmp_path / "r.git", "http", password="sesame", ledger=False) as remote:
        assert remote.http
        token = "ghp_" + "k7" * 18
        vault = make_vault(tmp_path, remote=remote.url)
        vault.git("remote", "set-url", "origin", remote.url.replace("://", f"://gofer:{token}@"))
        done = vault.gofer("doctor")
        assert done.returncode == 1
        assert token not in done.stdout + done.stderr
        assert "refused who we are" in done.stdout
        assert "git fetch origin by hand" in done.stdout
        assert f"[redacted]@127.0.0.1:{remote.http.address[1]}" in done.stdout

        vault.git("remote", "set-url", "origin", remote.url.replace("://", "://gofer:sesame@"))
        remote.http.readonly = True
        reached, claims = checks(vault, "remote", "claims")
        assert reached["ok"]
        assert not claims["ok"]
        assert "403" in claims["detail"]
        assert "sesame" not in json.dumps([reached, claims])

        remote.http.readonly = False
        assert [check["ok"] for check in checks(vault, "remote", "claims")] == [True, True, True]


def test_a_vault_without_a_remote_is_local(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    (remote,) = checks(vault, "remote", "claims")
    assert remote == {"name": "remote", "ok": True, "detail": "none: this vault is local", "fix": ""}


def test_a_setting_that_names_a_remote_that_is_not_there_is_wrong(tmp_path: Path, bare: Bare) -> None:
    vault = make_vault(tmp_path, remote=str(bare.path), config="[sync]\nremote = 'backup'\n")
    (remote,) = checks(vault, "remote", "claims")
    assert not remote["ok"]
    assert "git remote add backup URL" in remote["fix"]
    assert bare.refs() == {}


def test_gofers_own_source_is_never_pushed_to(tmp_path: Path, bare: Bare) -> None:
    vault = make_vault(tmp_path)
    vault.write("pyproject.toml", '[project]\nname = "gofer"\n')
    vault.write("agent/road.py", "")
    vault.git("remote", "add", "origin", str(bare.path))
    (remote,) = checks(vault, "remote", "claims")
    assert remote["ok"]
    assert remote["detail"] == "origin belongs to Gofer's own source: it is never pushed to"
    assert moves(bare.path) == []


def test_init_does_not_talk_to_the_remote(tmp_path: Path) -> None:
    with served(tmp_path / "r.git", "http", ledger=False) as remote:
        assert remote.http
        remote.http.fault = HANG
        vault = make_vault(tmp_path)
        done = vault.gofer("init", str(tmp_path / "new"), "--remote", remote.url, "--json")
        assert done.returncode == 0, done.stderr
        (check,) = [c for c in json.loads(done.stdout)["data"]["doctor"]["checks"] if c["name"] == "remote"]
        assert check["detail"] == f"origin ({remote.url}); gofer doctor tries it out"
        assert remote.http.requests == []


def test_a_remote_that_refuses_connections_does_not_keep_the_doctor(tmp_path: Path) -> None:
    vault = make_vault(tmp_path, remote=f"{CLOSED_PORT}/r.git")
    (remote,) = checks(vault, "remote", "claims")
    assert not remote["ok"]
    assert f"{CLOSED_PORT}/r.git" in remote["detail"]
