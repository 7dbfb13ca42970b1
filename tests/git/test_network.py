"""Talking to a remote: what it refuses, how it is away, whose settings count, and that the vault is left alone."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import CredentialsRefused, GoferError, RemoteAway
from agent.git.network import Network, Update, Verdict
from agent.git.repository import Repository
from tests.remotes import Bare, Hook, Proxy, Remote, make_bare, refusing, served
from tests.remotes.http import HANG
from tests.support import git, processes_of, wait_for

MAIN = "refs/heads/main"
TOKEN = "ghp_" + "s3cr3t" * 60  # longer than any that a host hands out
# What people set for their own fetches and pushes.
THEIR_OWN = (
    "push.followTags=true", "remote.origin.mirror=true", "remote.origin.prune=true", "fetch.prune=true",
    "fetch.pruneTags=true", "remote.origin.tagOpt=--tags", "push.pushOption=ci.skip", "push.gpgSign=true",
    "push.default=nothing", "push.useForceIfIncludes=true", "push.recurseSubmodules=on-demand", "push.negotiate=true",
    "remote.origin.push=+refs/heads/*:refs/heads/*", "remote.origin.fetch=+refs/*:refs/*",
    "fetch.writeCommitGraph=true", "receive.denyDeletes=true", "transfer.fsckObjects=true",
    "remote.pushDefault=elsewhere", "branch.main.pushRemote=elsewhere", "fetch.output=compact", "fetch.all=true",
    "fetch.parallel=4", "submodule.recurse=true", "core.bare=false", "log.showSignature=true", "color.ui=always",
    "push.autoSetupRemote=true",
)  # fmt: skip
SSH = """\
#!/bin/sh
printf '%s\\n' "$*" >>"$(dirname "$0")/argv"
for command; do :; done
exec sh -c "$command"
"""


def clone(place: Path, url: str, *args: str) -> Network:
    """A vault with one commit that is not on the remote, and the way to it."""
    vault = place / "vault"
    git(place, "init", "-q", "-b", "main", *args, str(vault))
    git(vault, "remote", "add", "origin", url)
    git(vault, "commit", "-q", "--allow-empty", "-m", "first")
    return Network(Repository(vault), place / "state" / "net.git", "origin")


def vault_of(network: Network) -> Path:
    return network.repository.work_tree


def tip(network: Network) -> str:
    return git(vault_of(network), "rev-parse", "HEAD").strip()


def publish(network: Network, ref: str = MAIN) -> str:
    told = network.push([Update(ref, tip(network))])
    assert told[ref].verdict is Verdict.DONE
    return tip(network)


def files(network: Network) -> dict[Path, int]:
    """Everything in the vault with its time."""
    return {path: path.lstat().st_mtime_ns for path in vault_of(network).rglob("*")}


@pytest.fixture
def network(tmp_path: Path, bare: Bare) -> Network:
    return clone(tmp_path, str(bare.path))


# -- what is said -----------------------------------------------------------------------------------------------------


def test_each_transport_fetches_pushes_and_lists(remote: Remote, tmp_path: Path) -> None:
    network, ref = clone(tmp_path, remote.url), "refs/heads/a-branch"
    assert network.fetch(ref) is None
    assert network.refs() == {}
    first = publish(network, ref)
    assert network.fetch(ref) == first
    assert network.refs(heads=True) == network.refs() == {ref: first}
    assert network.push([Update(ref, None, first)])[ref].verdict is Verdict.DONE
    assert network.fetch(ref) is None


def test_each_answer_of_a_push_is_told_apart(bare: Bare, network: Network) -> None:
    first = publish(network)
    other = network.card("other", 1)
    assert network.push([Update(MAIN, first)])[MAIN].verdict is Verdict.DONE  # it is there already
    assert network.push([Update(MAIN, other)])[MAIN].verdict is Verdict.BEHIND
    assert network.push([Update(MAIN, other, "")])[MAIN].verdict is Verdict.STALE
    assert network.push([Update(MAIN, other, other[:-1] + "0")])[MAIN].verdict is Verdict.STALE
    assert network.push([Update("refs/x/gone", None, first)])["refs/x/gone"].verdict is Verdict.STALE
    with bare.hooked(refusing("GH013: not allowed")):
        told = network.push([Update("refs/x/a", other, "")])["refs/x/a"]
        assert told.verdict is Verdict.REFUSED
        assert "GH013: not allowed" in told.why
    with bare.locked("refs/x/a"):
        assert network.push([Update("refs/x/a", other, "")])["refs/x/a"].verdict is Verdict.UNSURE
    assert network.push([Update(MAIN, other, "*")])[MAIN].verdict is Verdict.DONE
    assert bare.refs() == {MAIN: other}


def test_of_several_updates_each_has_its_own_answer_and_atomic_ones_move_together(bare: Bare, network: Network) -> None:
    first, other = publish(network), network.card("other", 1)
    updates = [Update("refs/x/a", other, ""), Update(MAIN, other, other), Update("refs/x/b", first, "")]
    told = network.push(updates, atomic=True)
    assert Verdict.DONE not in {answer.verdict for answer in told.values()}
    assert told[MAIN].verdict is Verdict.STALE
    assert bare.refs() == {MAIN: first}
    told = network.push(updates)
    assert [told[update.ref].verdict for update in updates] == [Verdict.DONE, Verdict.STALE, Verdict.DONE]
    assert bare.refs() == {MAIN: first, "refs/x/a": other, "refs/x/b": first}


@pytest.mark.parametrize("words", ["No space left on device", "Disk quota exceeded", "Read-only file system"])
def test_g38_a_full_disk_of_the_host_is_no_rule(bare: Bare, network: Network, words: str) -> None:
    with bare.hooked(refusing(f"error: unable to create temporary file: {words}")):
        told = network.push([Update(MAIN, tip(network))])[MAIN]
    assert told.verdict is Verdict.UNSURE
    assert words in told.why


@pytest.mark.parametrize(
    "name", ["a'b", 'a"b', "a$(x)b", "a;b", "-x", "ü-ß", "a#b", "a%20b", "@", "a/b/c", "a&b", "{x}", "x@", "a`b`"]
)
def test_g29_a_branch_of_any_name_is_fetched_and_pushed(bare: Bare, network: Network, name: str) -> None:
    ref = f"refs/heads/{name}"
    bare.git("check-ref-format", ref)
    first = publish(network, ref)
    assert bare.refs() == {ref: first}
    assert network.fetch(ref) == first
    assert network.refs(ref) == {ref: first}


def test_refs_are_listed_by_exact_name_and_by_beginning_however_many_are_asked_for(
    bare: Bare, network: Network
) -> None:
    card = network.card("x", 1)
    names = [f"refs/x/{n}" for n in range(30)]
    tricky = ["refs/heads/refs/x/1", "refs/x/1/more", "refs/xy/1"]
    tricky.remove("refs/x/1/more")  # git has no folder where a ref is
    network.push([Update(name, card, "") for name in (*names, *tricky)])
    assert network.refs("refs/x/1") == {"refs/x/1": card}
    assert network.refs(*names[:20], "refs/x/none").keys() == set(names[:20])
    assert network.refs("refs/x/*").keys() == set(names)
    assert network.refs("refs/x/1*").keys() == {name for name in names if name.startswith("refs/x/1")}
    assert network.refs().keys() == {*names, *tricky, *bare.refs()}
    assert network.refs(heads=True).keys() == {"refs/heads/refs/x/1"}
    patterns = [f"refs/none/{n}" for n in range(20_000)]
    assert network.refs("refs/x/2", *patterns) == {"refs/x/2": card}


def test_refs_that_are_gone_do_not_keep_the_others_from_being_fetched(bare: Bare, network: Network) -> None:
    cards = {f"refs/x/{n}": network.card(f"card {n}", 1) for n in range(4)}
    network.push([Update(ref, oid, "") for ref, oid in cards.items()])
    into = {ref: ref.replace("refs/x/", "refs/seen/") for ref in cards}
    network.fetch_into(into)
    assert network.private_refs("refs/seen") == {into[ref]: oid for ref, oid in cards.items()}
    for gone in ("refs/x/0", "refs/x/2"):
        bare.git("update-ref", "-d", gone)
    network.fetch_into(into)
    assert network.private_refs("refs/seen").keys() == {"refs/seen/1", "refs/seen/3"}
    network.fetch_into({"refs/x/*": "refs/seen/*"})
    bare.git("update-ref", "-d", "refs/x/1")
    network.fetch_into({"refs/x/*": "refs/seen/*"})
    assert network.private_refs("refs/seen").keys() == {"refs/seen/3"}
    bare.git("update-ref", "-d", "refs/x/3")
    network.fetch_into({"refs/x/3": "refs/seen/3"})
    assert network.private_refs("refs/seen") == {}


def test_cards_are_read_from_the_remote_and_leave_no_ref_behind(bare: Bare, tmp_path: Path, network: Network) -> None:
    (tmp_path / "other").mkdir()
    other = clone(tmp_path / "other", str(bare.path))
    cards = {f"refs/x/{n}": network.card(f"card {n}", 1) for n in range(3)}
    network.push([Update(ref, oid, "") for ref, oid in cards.items()])
    bare.git("update-ref", "-d", "refs/x/1")
    assert other.cards(cards) == {"refs/x/0": "card 0", "refs/x/1": "", "refs/x/2": "card 2"}
    assert other.private_refs("refs") == {}
    assert list(other.packs().iterdir()) == []
    assert other.cards({}) == {}


# -- away, and refused -------------------------------------------------------------------------------------------------


def everything(network: Network, deadline: float = 20.0) -> Iterator[GoferError]:
    """What each way of talking to the remote raises."""
    for ask in (
        lambda: network.fetch(MAIN, deadline),
        lambda: network.refs(deadline=deadline),
        lambda: network.push([Update(MAIN, tip(network))], deadline=deadline),
        lambda: network.fetch_into({MAIN: "refs/seen/main"}, deadline),
        lambda: network.cards({MAIN: "0" * 40}, deadline),
    ):
        with pytest.raises(GoferError) as caught:
            ask()
        yield caught.value


def test_a_remote_that_is_gone_is_away(bare: Bare, network: Network) -> None:
    bare.path.rename(bare.path.with_suffix(".away"))
    for error in everything(network):
        assert isinstance(error, RemoteAway)
        assert error.exit_code == 3
        assert "does not appear to be a git repository" in str(error)


@pytest.mark.parametrize("transport", ["git", "http"])
def test_a_remote_that_refuses_connections_is_away(tmp_path: Path, transport: str) -> None:
    with served(tmp_path / "r.git", transport, ledger=False) as remote:
        assert remote.address
        with Proxy(remote.address) as proxy:
            network = clone(tmp_path, remote.through(proxy.address))
            proxy.refuse()
            assert all(isinstance(error, RemoteAway) for error in everything(network))
            proxy.heal()
            publish(network)


@pytest.mark.parametrize("transport", ["git", "http"])
def test_g17_a_black_hole_ends_at_the_deadline_and_no_process_is_left(tmp_path: Path, transport: str) -> None:
    with served(tmp_path / "r.git", transport, ledger=False) as remote:
        assert remote.address
        with Proxy(remote.address) as proxy:
            network = clone(tmp_path, remote.through(proxy.address))
            proxy.black_hole()
            began = time.monotonic()
            for error in everything(network, deadline=0.3):
                assert isinstance(error, RemoteAway)
                assert "did not finish within 0.3 s" in str(error)
                assert "`git -c" not in str(error)
            assert time.monotonic() - began < 30
            wait_for(lambda: not processes_of(tmp_path / "vault"), what="every process to be gone")
            proxy.heal()
            publish(network)


def test_a_server_that_fails_is_away_and_one_that_comes_back_is_there(tmp_path: Path) -> None:
    with served(tmp_path / "r.git", "http", ledger=False) as remote:
        assert remote.http
        network = clone(tmp_path, remote.url)
        remote.http.fault = 503
        assert all(isinstance(error, RemoteAway) for error in everything(network))
        remote.http.fault, remote.http.fault_in = HANG, "receive-pack"
        assert network.refs() == {}
        with pytest.raises(RemoteAway):
            network.push([Update(MAIN, tip(network))], deadline=0.3)
        remote.http.fault = 0
        publish(network)


def test_g16_a_password_that_nobody_gives_is_asked_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "asked"
    trap = _script(tmp_path / "trap", f"#!/bin/sh\necho >>{shlex.quote(str(asked))}\necho guess\n")
    monkeypatch.setenv("SSH_ASKPASS", str(trap))
    monkeypatch.setenv("DISPLAY", ":0")
    with served(tmp_path / "r.git", "http", password="sesame", ledger=False) as remote:
        network = clone(tmp_path, remote.url)
        git(vault_of(network), "config", "core.askPass", str(trap))
        for error in everything(network):
            assert isinstance(error, CredentialsRefused)
            assert error.exit_code == 4
            assert "git fetch origin by hand" in error.fix
    assert not asked.exists()


@pytest.mark.parametrize("password", ["guess", "gu@ess", TOKEN])
def test_g40_a_wrong_password_in_the_address_is_refused_and_not_shown(tmp_path: Path, password: str) -> None:
    with served(tmp_path / "r.git", "http", password="sesame", ledger=False) as remote:
        network = clone(tmp_path, remote.url.replace("://", f"://gofer:{password}@"))
        for error in everything(network):
            assert isinstance(error, CredentialsRefused) or "@" in password  # which makes another host of it
            shown = f"{error} {error.what} {error.why} {error.where} {error.fix} {error!r}"
            assert password not in shown
            assert "ess@" not in shown


@pytest.mark.parametrize("fault", [404, 500])
@pytest.mark.parametrize("password", ["sesame", "ses@me", TOKEN])
def test_g40_no_failure_shows_the_address_with_its_token(tmp_path: Path, fault: int, password: str) -> None:
    with served(tmp_path / "r.git", "http", password=password, ledger=False) as remote:
        assert remote.http
        network = clone(tmp_path, remote.url.replace("://", f"://gofer:{password.replace('@', '%40')}@"))
        publish(network)
        remote.http.fault = fault
        for error in everything(network):
            for secret in (password, password.replace("@", "%40"), "gofer:"):
                assert secret not in f"{error} {error!r}"


def test_g40_what_a_host_echoes_is_cleaned(bare: Bare, network: Network) -> None:
    with bare.hooked(refusing(f"see https://gofer:{TOKEN}@example.org/rules")):
        told = network.push([Update(MAIN, tip(network))])[MAIN]
    assert told.verdict is Verdict.REFUSED
    assert TOKEN not in told.why
    assert "example.org/rules" in told.why


def test_a_reader_that_may_not_write_is_refused(tmp_path: Path) -> None:
    with served(tmp_path / "r.git", "http", password="sesame", ledger=False) as remote:
        assert remote.http
        network = clone(tmp_path, remote.url.replace("://", "://gofer:sesame@"))
        publish(network)
        remote.http.readonly = True
        assert network.fetch(MAIN) == tip(network)
        with pytest.raises(CredentialsRefused) as caught:
            network.push([Update("refs/heads/other", tip(network))])
        assert "403" in str(caught.value)
        assert "sesame" not in str(caught.value)


# -- whose settings count --------------------------------------------------------------------------------------------


def test_the_vaults_own_way_to_the_remote_is_taken_insteadof(tmp_path: Path, bare: Bare) -> None:
    network = clone(tmp_path, "there:r.git")
    git(vault_of(network), "config", f"url.{bare.path}.insteadOf", "there:r.git")
    publish(network)
    assert network.fetch(MAIN) == tip(network)


def test_the_vaults_own_credential_helper_is_asked(tmp_path: Path) -> None:
    helper = _script(tmp_path / "helper", "#!/bin/sh\ncat >/dev/null\necho username=gofer\necho password=sesame\n")
    with served(tmp_path / "r.git", "http", password="sesame", ledger=False) as remote:
        network = clone(tmp_path, remote.url)
        git(vault_of(network), "config", "credential.helper", str(helper))
        publish(network)
        git(vault_of(network), "config", "--unset", "credential.helper")
        _later(vault_of(network) / ".git" / "config")
        with pytest.raises(CredentialsRefused):
            network.fetch(MAIN)


def test_settings_that_the_vault_includes_count_too(tmp_path: Path, bare: Bare) -> None:
    (tmp_path / "more").write_text(f'[url "{bare.path}"]\n\tinsteadOf = there:r.git\n')
    network = clone(tmp_path, "there:r.git")
    git(vault_of(network), "config", "include.path", str(tmp_path / "more"))
    publish(network)


@pytest.mark.parametrize("options", ["", " -i 'my key'", " -v"])
def test_the_vaults_own_ssh_command_runs_and_is_told_to_ask_nothing(tmp_path: Path, bare: Bare, options: str) -> None:
    ssh = _script(tmp_path / "my bin" / "ssh", SSH)
    network = clone(tmp_path, f"ssh://me@host.example{bare.path}")
    git(vault_of(network), "config", "core.sshCommand", shlex.quote(str(ssh)) + options)
    publish(network)
    assert network.fetch(MAIN) == tip(network)
    for line in (ssh.parent / "argv").read_text().splitlines():
        assert options.replace("'", "").strip() in line
        assert "-oBatchMode=yes -oConnectTimeout=15 " in line
        assert "me@host.example" in line


def test_another_program_than_ssh_gets_no_options_that_it_may_not_know(tmp_path: Path, bare: Bare) -> None:
    other = _script(tmp_path / "tunnel", SSH)
    network = clone(tmp_path, f"ssh://me@host.example{bare.path}")
    git(vault_of(network), "config", "core.sshCommand", str(other))
    publish(network)
    assert "BatchMode" not in (tmp_path / "argv").read_text()


@pytest.mark.parametrize("command", [" ", "'", "/nowhere/ssh"])
def test_an_ssh_command_that_is_none_means_away_or_the_usual_one(tmp_path: Path, bare: Bare, command: str) -> None:
    network = clone(tmp_path, f"ssh://127.0.0.1:9{bare.path}")
    git(vault_of(network), "config", "core.sshCommand", command)
    assert all(isinstance(error, RemoteAway | CredentialsRefused) for error in everything(network))


def test_a_remote_beside_the_vault_is_found(tmp_path: Path, bare: Bare) -> None:
    network = clone(tmp_path, "../remote.git")
    publish(network)
    assert network.fetch(MAIN) == bare.refs()[MAIN]


def test_of_several_addresses_only_the_first_is_used(tmp_path: Path, bare: Bare) -> None:
    """Compare-and-swap needs one place. Mirrors get their copies by the person's own push."""
    mirror = make_bare(tmp_path / "mirror.git", ledger=False)
    network = clone(tmp_path, str(bare.path))
    for url in (bare.path, mirror.path):
        git(vault_of(network), "config", "--add", "remote.origin.pushurl", str(url))
    git(vault_of(network), "config", "--add", "remote.origin.url", str(mirror.path))
    publish(network)
    assert bare.refs() == network.refs()
    assert mirror.refs() == {}


@pytest.mark.parametrize("where", ["--local", "--global"])
def test_what_the_person_set_for_their_own_pushes_does_not_matter(
    tmp_path: Path, bare: Bare, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    _own_home(tmp_path, monkeypatch)
    network = clone(tmp_path, str(bare.path))
    git(vault_of(network), "tag", "-a", "-m", "x", "v1")
    git(vault_of(network), "branch", "private")
    for setting in THEIR_OWN:
        git(vault_of(network), "config", where, *setting.split("=", 1))
    card = network.card("x", 1)
    told = network.push([Update(MAIN, tip(network)), Update("refs/x/a", card, ""), Update("refs/x/b", card, "")])
    assert {answer.verdict for answer in told.values()} == {Verdict.DONE}
    bare.git("update-ref", "refs/heads/other", card)
    assert network.fetch(MAIN) == tip(network)
    assert network.push([Update("refs/x/a", None, card)])["refs/x/a"].verdict is Verdict.DONE
    network.fetch_into({"refs/x/*": "refs/seen/*"})
    assert bare.refs().keys() == {MAIN, "refs/x/b", "refs/heads/other"}
    assert network.private_refs("refs/gofer").keys() == {"refs/gofer/tip"}
    assert network.private_refs("refs/seen").keys() == {"refs/seen/b"}
    assert git(vault_of(network), "for-each-ref", "--format=%(refname)").split() == [
        MAIN, "refs/heads/private", "refs/tags/v1",
    ]  # fmt: skip


def test_g23_no_hook_of_the_vaults_runs_and_nothing_is_written_into_it(tmp_path: Path, network: Network) -> None:
    ran = tmp_path / "ran"
    hooks = vault_of(network) / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-push", "reference-transaction", "post-update", "pre-auto-gc", "fsmonitor-watchman"):
        _script(hooks / name, f"#!/bin/sh\necho {name} >>{shlex.quote(str(ran))}\nexit 1\n")
    git(vault_of(network), "config", "core.hooksPath", str(hooks))
    git(vault_of(network), "config", "core.fsmonitor", str(hooks / "fsmonitor-watchman"))
    before = files(network)
    first = publish(network)
    assert network.fetch(MAIN) == first
    network.push([Update("refs/x/a", network.card("x", 1), "")])
    network.fetch_into({"refs/x/*": "refs/seen/*"})
    network.cards({"refs/x/a": network.refs("refs/x/a")["refs/x/a"]})
    network.prune()
    network.repair()
    assert files(network) == before
    assert not ran.exists()


# -- the private repository --------------------------------------------------------------------------------------------


def test_a_new_commit_of_the_remote_arrives_in_one_pack_outside_the_vault(
    tmp_path: Path, bare: Bare, network: Network
) -> None:
    publish(network)
    network.fetch(MAIN)
    (tmp_path / "other").mkdir()
    other = clone(tmp_path / "other", str(bare.path))
    git(vault_of(other), "pull", "-q", "--rebase", "origin", "main")
    (vault_of(other) / "note.md").write_text("note\n")
    git(vault_of(other), "add", "-A")
    git(vault_of(other), "commit", "-q", "-m", "second")
    second = publish(other)
    assert network.fetch(MAIN) == second
    packs = [path for path in network.packs().iterdir() if path.suffix == ".pack"]
    assert len(packs) == 1
    assert git(vault_of(network), "cat-file", "-t", second, ok=(128,)) == ""


def test_g14_a_shallow_vault_talks_to_its_remote_like_any_other(tmp_path: Path, bare: Bare) -> None:
    (tmp_path / "full").mkdir()
    full = clone(tmp_path / "full", str(bare.path))
    for number in range(5):
        git(vault_of(full), "commit", "-q", "--allow-empty", "-m", f"{number}")
    publish(full)
    (tmp_path / "shallow").mkdir()
    git(tmp_path / "shallow", "clone", "-q", "--depth=1", f"file://{bare.path}", "vault")
    network = Network(Repository(tmp_path / "shallow" / "vault"), tmp_path / "shallow" / "net.git", "origin")
    depth = (vault_of(network) / ".git" / "shallow").read_bytes()
    assert network.fetch(MAIN) == tip(full)
    git(vault_of(full), "commit", "-q", "--allow-empty", "-m", "more")
    publish(full)
    assert network.fetch(MAIN) == tip(full)
    git(vault_of(full), "commit", "-q", "--allow-empty", "-m", "not fetched")
    publish(full)
    git(vault_of(network), "commit", "-q", "--allow-empty", "-m", "own")
    publish(network, "refs/heads/other")
    assert (vault_of(network) / ".git" / "shallow").read_bytes() == depth
    assert bare.fsck() == ""
    git(vault_of(network), "fetch", "-q", "--unshallow", "origin")
    assert network.fetch(MAIN) == tip(full)
    assert not (network.folder / "shallow").exists()


def test_a_repository_of_the_other_object_format(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "--object-format=sha256", "r.git")
    network = clone(tmp_path, str(tmp_path / "r.git"), "--object-format=sha256")
    first = publish(network)
    card = network.card("x", 1)
    assert len(card) == len(first) == 64
    assert network.push([Update("refs/x/a", card, "")])["refs/x/a"].verdict is Verdict.DONE
    assert network.push([Update("refs/x/a", None, card)])["refs/x/a"].verdict is Verdict.DONE
    assert network.fetch(MAIN) == first


@pytest.mark.parametrize(
    "damage",
    [
        "rm -rf net.git/refs", "rm -rf net.git/objects", ": >net.git/HEAD", ": >net.git/config", "rm -rf net.git",
        ": >net.git/refs/gofer/tip", "echo garbage >net.git/refs/gofer/tip", "echo {0:040d} >net.git/refs/gofer/tip",
        "for p in net.git/objects/pack/*.pack; do chmod +w $p; echo x >$p; done",
        "for p in net.git/objects/pack/*.idx; do chmod +w $p; : >$p; done",
        "for o in net.git/objects/??/*; do chmod +w $o; : >$o; done", "echo x >net.git/packed-refs",
        "printf 'x' >net.git/shallow",
    ],
)  # fmt: skip
def test_g21_a_damaged_private_repository_is_only_a_cache(
    tmp_path: Path, bare: Bare, network: Network, damage: str
) -> None:
    publish(network)
    (tmp_path / "other").mkdir()
    other = clone(tmp_path / "other", str(bare.path))
    git(vault_of(other), "pull", "-q", "--rebase", "origin", "main")
    git(vault_of(other), "commit", "-q", "--allow-empty", "-m", "second")
    publish(other)
    network.fetch(MAIN)
    network.card("x", 1)
    assert os.system(f"cd {shlex.quote(str(network.folder.parent))} && {damage.format(1)}") == 0
    git(vault_of(other), "commit", "-q", "--allow-empty", "-m", "third")
    third = publish(other)
    network.repair()
    assert network.fetch(MAIN) == third
    assert network.fetch(MAIN) == third
    card = network.card("y", 2)
    assert network.push([Update("refs/x/a", card, "")])["refs/x/a"].verdict is Verdict.DONE
    assert network.card_texts([card]) == {card: "y"}


def test_old_cards_are_forgotten_young_and_named_ones_stay(bare: Bare, network: Network) -> None:
    old, young, named = (network.card(text, 1) for text in ("old", "young", "named"))
    network.push([Update("refs/x/a", named, "")])
    network.fetch_into({"refs/x/*": "refs/seen/*"})
    for oid in (old, named):
        os.utime(network.folder / "objects" / oid[:2] / oid[2:], (1, 1))
    network.prune()
    assert network.card_texts([old, young, named]) == {old: "", young: "young", named: "named"}
    again = network.card("old", 1)
    assert network.card_texts([again]) == {again: "old"}


def test_a_killed_fetch_leaves_nothing_that_stops_the_next_one(bare: Bare, network: Network) -> None:
    publish(network)
    network.fetch(MAIN)
    for name in ("refs/gofer/tip.lock", "HEAD.lock", "config.lock", "objects/pack/tmp_pack_x", "objects/pack/p.keep"):
        (network.folder / name).touch()
    network.repair()
    assert network.fetch(MAIN) == tip(network)
    assert not [path for path in network.folder.rglob("*") if path.suffix in (".lock", ".keep")]


def test_a_hook_of_the_hosts_that_hangs_ends_at_the_deadline(tmp_path: Path, bare: Bare, network: Network) -> None:
    with bare.hooked(Hook("10-hang", "#!/bin/sh\nexec sleep 600\n")):
        with pytest.raises(RemoteAway):
            network.push([Update(MAIN, tip(network))], deadline=0.5)
        wait_for(lambda: not processes_of(vault_of(network)), what="git to be gone")
    assert network.refs() == {}


def test_g18_a_fetch_that_is_cut_off_leaves_no_half_pack(tmp_path: Path) -> None:
    with served(tmp_path / "r.git", "git", ledger=False) as remote:
        assert remote.address
        (tmp_path / "other").mkdir()
        other = clone(tmp_path / "other", remote.url)
        (vault_of(other) / "big.bin").write_bytes(os.urandom(300_000))
        git(vault_of(other), "add", "-A")
        git(vault_of(other), "commit", "-q", "-m", "big")
        publish(other)
        with Proxy(remote.address) as proxy:
            network = clone(tmp_path, remote.through(proxy.address))
            proxy.cut_after(down=100_000)
            with pytest.raises(RemoteAway):
                network.fetch(MAIN)
            assert proxy.cuts == 1
            assert list(network.folder.rglob("tmp_*")) == []
            proxy.delay(5)
            with pytest.raises(RemoteAway):
                network.fetch(MAIN, deadline=0.5)
            assert list(network.folder.rglob("tmp_*")) == []
            proxy.heal()
            assert network.fetch(MAIN) == tip(other)


LOOKS = """
import sys
from pathlib import Path
from agent.git.network import Network
from agent.git.repository import Repository
Network(Repository(Path(sys.argv[1])), Path(sys.argv[2]), "origin").refs()
"""


def test_g17_what_waits_for_the_remote_ends_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    with served(tmp_path / "r.git", "http", ledger=False) as remote:
        assert remote.http
        network = clone(tmp_path, remote.url)
        remote.http.fault = HANG
        worker = subprocess.Popen([sys.executable, "-c", LOOKS, str(vault_of(network)), str(network.folder)])
        wait_for(lambda: remote.http and remote.http.requests, what="git to wait")
        assert processes_of(vault_of(network))
        worker.kill()
        worker.wait()
        wait_for(lambda: not processes_of(vault_of(network)), what="git to be gone")


def _script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    return path


def _later(path: Path) -> None:
    """It was written at another time than before, whatever the file system's clock can tell apart."""
    os.utime(path, (1, 1))


def _own_home(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = place / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    monkeypatch.setenv("HOME", str(home))
