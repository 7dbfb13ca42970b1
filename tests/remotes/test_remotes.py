"""The remotes themselves: that each works, and that each fault is one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.remotes import TRANSPORTS, Bare, Hook, Remote, delaying, make_bare, refusing, served, taking_over
from tests.remotes.bare import environment
from tests.remotes.http import HANG
from tests.remotes.ledger import ZERO, changes, claims, moves
from tests.support import wait_for

CLAIM = "refs/gofer/claims/" + "c" * 40


def run(folder: Path, *args: str, timeout: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(
        ["git", *args], cwd=folder, capture_output=True, text=True, timeout=timeout, check=False,
        env={**environment(**who, **env), "GIT_TERMINAL_PROMPT": "0"},
    )  # fmt: skip


def git(folder: Path, *args: str, **env: str) -> str:
    done = run(folder, *args, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def a_clone(url: str, place: Path) -> Path:
    git(place.parent, "clone", "-q", url, str(place))
    return place


def commit(clone: Path, name: str, text: str | bytes = "text\n") -> str:
    (clone / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", name)
    return git(clone, "rev-parse", "HEAD")


@pytest.fixture
def clone(bare: Bare, tmp_path: Path) -> Path:
    """A clone with one commit that is on the remote."""
    made = a_clone(str(bare.path), tmp_path / "clone")
    commit(made, "first.md")
    git(made, "push", "-q", "origin", "HEAD:main")
    return made


def test_each_transport_clones_fetches_pushes_atomically_and_refuses_a_stale_lease(
    remote: Remote, tmp_path: Path
) -> None:
    a = a_clone(remote.url, tmp_path / "a")
    first = commit(a, "a.md", os.urandom(2 << 20))  # above http.postBuffer: a chunked request
    git(a, "push", "-q", "--atomic", "origin", "HEAD:main", f"HEAD:{CLAIM}")
    assert remote.bare.refs() == {"refs/heads/main": first, CLAIM: first}

    b = a_clone(remote.url, tmp_path / "b")
    assert git(b, "rev-parse", "HEAD") == first
    second = commit(b, "b.md")
    git(b, "push", "-q", "--atomic", f"--force-with-lease={CLAIM}:{first}", "origin", "HEAD:main", f":{CLAIM}")
    assert remote.bare.refs() == {"refs/heads/main": second}
    assert git(a, "ls-remote", "origin", "refs/heads/main").split()[0] == second

    commit(a, "late.md")
    late = run(
        a, "push", "--porcelain", "--atomic", f"--force-with-lease={CLAIM}:{first}", "origin", "HEAD:main", f":{CLAIM}"
    )
    assert late.returncode == 1
    assert remote.bare.refs() == {"refs/heads/main": second}
    assert remote.bare.fsck() == ""


def test_the_ledger_knows_what_a_ref_was_after_its_log_is_gone(bare: Bare, clone: Path) -> None:
    first = git(clone, "rev-parse", "HEAD")
    git(clone, "push", "-q", "origin", f"HEAD:{CLAIM}")
    assert bare.reflog(CLAIM) == [(ZERO, first)]
    second = commit(clone, "second.md")
    git(clone, "push", "-q", "--atomic", "origin", "HEAD:main", f":{CLAIM}")
    assert bare.reflog(CLAIM) == []
    assert [(move.old, move.new) for move in moves(bare.path, CLAIM)] == [(ZERO, first), (first, ZERO)]
    together = changes(bare.path)[-1]
    assert together.of("refs/heads/main").new == second  # type: ignore[union-attr]
    assert [move.new for move in together.claims] == [ZERO]


def test_the_ledger_fills_in_what_nobody_asked_for_and_leaves_out_what_was_refused(bare: Bare, clone: Path) -> None:
    first = git(clone, "rev-parse", "HEAD")
    bare.git("update-ref", CLAIM, first)
    bare.git("update-ref", "-d", CLAIM)
    commit(clone, "second.md")
    run(clone, "push", "-q", "--atomic", "origin", f"--force-with-lease={CLAIM}:{first}", "HEAD:main", f":{CLAIM}")
    assert [(move.old, move.new) for move in moves(bare.path, CLAIM)] == [(ZERO, first), (first, ZERO)]
    assert moves(bare.path, "refs/heads/main")[-1].new == first


def test_the_server_refuses_objects_that_are_not_sound(bare: Bare, clone: Path) -> None:
    tree = git(clone, "rev-parse", "HEAD^{tree}")
    text = f"tree {tree}\nauthor a <a@b 1 +0000\ncommitter a <a@b> 1 +0000\n\nan address that does not end\n"
    (clone / "commit").write_text(text)
    made = git(clone, "hash-object", "-t", "commit", "-w", "--literally", "commit")
    done = run(clone, "push", "origin", f"{made}:refs/heads/bad")
    assert done.returncode == 1
    assert "badEmail" in done.stderr, done.stderr
    assert "refs/heads/bad" not in bare.refs()


def test_a_hook_refuses_with_its_words_and_only_what_it_is_meant_for(bare: Bare, clone: Path) -> None:
    with bare.hooked(refusing("deny updating a hidden ref", refs="refs/gofer/*")):
        done = run(clone, "push", "origin", f"HEAD:{CLAIM}")
        assert done.returncode == 1
        assert "deny updating a hidden ref" in done.stderr
        git(clone, "push", "-q", "origin", "HEAD:refs/heads/gofer/claims/c")
    git(clone, "push", "-q", "origin", f"HEAD:{CLAIM}")


def test_a_hook_that_looks_for_a_secret_finds_it_in_what_is_new_alone(bare: Bare, clone: Path) -> None:
    scanner = refusing("GH013: Repository rule violations", word="AKIA-SECRET")
    commit(clone, "old.md", "AKIA-SECRET from before\n")
    git(clone, "push", "-q", "origin", "HEAD:main")
    with bare.hooked(scanner):
        commit(clone, "fine.md")
        git(clone, "push", "-q", "origin", "HEAD:main")
        commit(clone, "bad.md", "key: AKIA-SECRET again\n")
        done = run(clone, "push", "origin", "HEAD:main")
        assert done.returncode == 1
        assert "GH013" in done.stderr
        git(clone, "push", "-q", "origin", "HEAD~1:refs/heads/other")


def test_a_hook_refuses_as_often_as_it_is_told(bare: Bare, clone: Path) -> None:
    for _ in range(2):
        with bare.hooked(refusing("not today", times=1)):
            commit(clone, "x.md", os.urandom(4))
            assert run(clone, "push", "origin", "HEAD:main").returncode == 1
            git(clone, "push", "-q", "origin", "HEAD:main")


def test_a_hook_delays_a_push(bare: Bare, clone: Path) -> None:
    bare.add_hook(delaying(4, refs="refs/heads/slow"))
    git(clone, "push", "-q", "origin", "HEAD:refs/heads/quick")
    with pytest.raises(subprocess.TimeoutExpired):
        run(clone, "push", "origin", "HEAD:refs/heads/slow", timeout=1)
    bare.remove_hook(delaying(0))
    git(clone, "push", "-q", "origin", "HEAD:refs/heads/slow")


def test_a_claim_is_taken_over_in_the_middle_of_the_push_that_publishes(bare: Bare, clone: Path) -> None:
    mine = bare.claim("w1", "a-task", CLAIM)
    before = bare.refs()["refs/heads/main"]
    commit(clone, "outcome.md")
    publish = (
        "push",
        "--porcelain",
        "--atomic",
        f"--force-with-lease={CLAIM}:{mine}",
        "origin",
        "HEAD:main",
        f":{CLAIM}",
    )
    with bare.hooked(taking_over(worker="w2")):
        assert run(clone, *publish).returncode == 1
        assert bare.refs()["refs/heads/main"] == before
        stolen = bare.refs()[CLAIM]
        messages = {oid: bare.git("show", "-s", "--format=%B", oid).strip() for oid in (mine, stolen)}
        holders = [(old.get("worker"), new.get("worker")) for _, _, old, new in claims(bare.path, messages)]
        assert holders == [(None, "w1"), ("w1", "w2")]
        assert messages[stolen].replace("w2", "w1")[:30] == messages[mine][:30]

        # Once is enough: the next one goes through.
        git(clone, *publish[:3], f"--force-with-lease={CLAIM}:{stolen}", *publish[4:])
    assert CLAIM not in bare.refs()
    assert bare.fsck() == ""


def test_a_host_without_atomic_pushes(bare: Bare, clone: Path) -> None:
    with bare.without_atomic():
        done = run(clone, "push", "--atomic", "origin", "HEAD:refs/heads/a", "HEAD:refs/heads/b")
        assert done.returncode != 0
        assert "does not support" in done.stderr
    git(clone, "push", "-q", "--atomic", "origin", "HEAD:refs/heads/a", "HEAD:refs/heads/b")


@pytest.mark.parametrize("ref", ["refs/heads/main", CLAIM])
def test_a_stale_lock_makes_a_push_fail_until_it_is_gone(bare: Bare, clone: Path, ref: str) -> None:
    commit(clone, "second.md")
    with bare.locked(ref) as lock:
        assert bare.plant_lock(ref) is None
        assert bare.locks() == [lock]
        assert run(clone, "push", "origin", f"HEAD:{ref}").returncode == 1
    assert bare.locks() == []
    git(clone, "push", "-q", "origin", f"HEAD:{ref}")


def test_http_compressed_and_chunked_requests_arrive(tmp_path: Path) -> None:
    with served(tmp_path / "remote.git", "http") as remote:
        a = a_clone(remote.url, tmp_path / "a")
        for number in range(60):  # a fetch with so many "have" lines is sent compressed
            commit(a, f"{number}.md")
        git(a, "-c", "http.postBuffer=1000", "push", "-q", "origin", "HEAD:main")
        b = a_clone(remote.url, tmp_path / "b")
        for number in range(60):
            commit(b, f"b{number}.md")
        commit(a, "news.md")
        git(a, "push", "-q", "origin", "HEAD:main")
        said = run(b, "fetch", "origin", GIT_CURL_VERBOSE="1", GIT_TRACE_CURL_NO_DATA="1")
        assert said.returncode == 0
        assert "Content-Encoding: gzip" in said.stderr
        assert git(b, "rev-parse", "origin/main") == remote.bare.refs()["refs/heads/main"]


def test_http_wants_a_password_and_says_no_to_a_push_of_a_reader(tmp_path: Path) -> None:
    with served(tmp_path / "remote.git", "http", password="sesame") as remote:
        assert remote.http
        done = run(tmp_path, "ls-remote", remote.url, GIT_ASKPASS="false")
        assert done.returncode == 128
        assert "could not read Username" in done.stderr
        wrong = remote.url.replace("://", "://gofer:guess@")
        assert "Authentication failed" in run(tmp_path, "ls-remote", wrong, GIT_ASKPASS="false").stderr
        url = remote.url.replace("://", "://gofer:sesame@")
        a = a_clone(url, tmp_path / "a")
        commit(a, "a.md")
        git(a, "push", "-q", "origin", "HEAD:main")
        remote.http.readonly = True
        assert "403" in run(a, "push", "origin", "HEAD:refs/heads/b").stderr
        git(a, "fetch", "-q", "origin")


@pytest.mark.parametrize("status", [500, 503])
def test_http_faults_come_and_go(tmp_path: Path, status: int) -> None:
    with served(tmp_path / "remote.git", "http") as remote:
        assert remote.http
        remote.http.fault = status
        assert str(status) in run(tmp_path, "ls-remote", remote.url).stderr
        remote.http.fault_in = "git-receive-pack"
        git(tmp_path, "ls-remote", remote.url)
        remote.http.fault = 0
        git(tmp_path, "ls-remote", remote.url)


def test_http_hangs_until_it_is_healed(tmp_path: Path) -> None:
    with served(tmp_path / "remote.git", "http") as remote:
        assert remote.http
        remote.http.fault = HANG
        with subprocess.Popen(["git", "ls-remote", remote.url], env=environment(), stderr=subprocess.PIPE) as waiting:
            wait_for(lambda: remote.http and remote.http.requests, what="the request")
            assert waiting.poll() is None
            remote.http.fault = 0
            assert waiting.wait(10) != 0
        git(tmp_path, "ls-remote", remote.url)


def test_an_unknown_transport_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="path, file, git, http"), served(tmp_path / "r.git", "carrier-pigeon"):
        pass
    assert TRANSPORTS == ("path", "file", "git", "http")


def test_a_hook_of_ones_own_gets_old_new_and_ref(tmp_path: Path, bare: Bare, clone: Path) -> None:
    head = git(clone, "rev-parse", "HEAD")
    with bare.hooked(Hook("99-mine", f'#!/bin/sh\ncat >"{tmp_path}/seen"\n')):
        git(clone, "push", "-q", "origin", "HEAD:refs/heads/b")
    assert (tmp_path / "seen").read_text() == f"{ZERO} {head} refs/heads/b\n"


def test_a_bare_remote_without_a_ledger_has_no_moves(tmp_path: Path) -> None:
    assert moves(make_bare(tmp_path / "r.git", ledger=False).path) == []
