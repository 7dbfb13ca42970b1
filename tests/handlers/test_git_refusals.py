"""What the git type refuses, waits for, or fails with: and that nothing has happened then."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent.config.tables import ListedRepo
from agent.errors import Busy, CredentialsRefused, Doubt, GoferError, PersonMustAct, Refused, TimeUp, TryLater
from agent.handlers.git import understand
from agent.repos import ListedRepos
from agent.repos.clone import Clone
from tests.handlers.git_place import Place, nothing, task
from tests.support import git, processes_of, snapshot, wait_for


def refs(place: Place) -> str:
    return "".join(
        git(folder, "for-each-ref") + git(folder, "symbolic-ref", "HEAD") for folder in (place.site, place.hub)
    )


@pytest.fixture
def untouched(place: Place) -> Iterator[Place]:
    """The place; afterwards no ref, file or index entry of the person's or the remote's has changed."""
    place.write(place.site, "a.txt", "edited\n")
    place.write(place.site, "secret.txt", "x\n")
    before = refs(place), place.git("ls-files", "--stage"), snapshot(place.site, skip=(".git/",))
    yield place
    assert (refs(place), place.git("ls-files", "--stage"), snapshot(place.site, skip=(".git/",))) == before


# G29: nothing of a task becomes an option, a refspec, an address or a place

BAD_NAMES = [
    "-f", "--force", "-d main", "+main", "main:other", ":main", "refs/heads/x", "@", "@{-1}", "HEAD", "a b", "a..b",
    "a~1", "a^", "x.lock", "*", "--upload-pack=touch x", "x\nupdate refs/heads/main 0", "x\x00y", "x\u202ey", "x" * 300,
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("where", ["branch", "from", "push", "log", "fast-forward"])
def test_g29_a_branch_name_that_is_none_is_refused(untouched: Place, name: str, where: str) -> None:
    params: dict[str, Any] = {"branch": name}
    if where in ("branch", "from"):
        params = {"branch": name} if where == "branch" else {"branch": "fine", "from": name}
        where = "branch"
    with pytest.raises(Refused, match=r"no name for a branch|is not the current branch"):
        untouched.do(op=where, repo="website", **params)


@pytest.mark.parametrize(
    "remote", ["upstream", "-x", "--all", "ext::sh -c 'touch x'", "https://evil.example/x", "../hub.git"]
)
@pytest.mark.parametrize("op", ["fetch", "push", "pull"])
def test_g29_only_the_configured_remote_is_spoken_to(untouched: Place, op: str, remote: str) -> None:
    untouched.git("remote", "add", "upstream", str(untouched.hub))
    with pytest.raises(Refused, match="not the remote that this machine allows"):
        untouched.do(op=op, repo="website", remote=remote)


BAD_PATHS = [
    "../hub.git/config", "/etc/passwd", "docs/../../x", ".git/config", ".GIT/hooks/x", "git~1/x", "sub/.git/x", ".",
    "./.", "..", "", "a\x00b", "a\nb", "a\\b", "-A", "--all", ":/", ":(top)", ":!a.txt", "*", "*.txt",
]  # fmt: skip


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize("op", ["add", "commit"])
def test_g29_a_path_that_leads_out_or_is_a_pattern_is_refused(untouched: Place, op: str, path: str) -> None:
    with pytest.raises(Refused):
        untouched.do(op=op, repo="website", paths=[path], **({"message": "m"} if op == "commit" else {}))


def test_a_linked_folder_does_not_lead_out(untouched: Place) -> None:
    (untouched.site / "link").symlink_to(untouched.root / "other")
    try:
        with pytest.raises(Refused):
            untouched.do(op="add", repo="website", paths=["link/a.txt"])
    finally:
        (untouched.site / "link").unlink()


@pytest.mark.parametrize("message", ["a\x00b", "a\x1b[31mb", "a\x07", "a\u202eb", "a\u200bb", "x" * 20_000])
def test_g39_a_message_that_hides_something_is_refused(untouched: Place, message: str) -> None:
    with pytest.raises(Refused, match="commit message"):
        untouched.do(op="commit", repo="website", paths=["a.txt"], message=message)


def test_an_empty_message_is_refused(untouched: Place) -> None:
    with pytest.raises(Refused, match="message is empty"):
        untouched.do(" \n", op="commit", repo="website", paths=["a.txt"], message="  ")


@pytest.mark.parametrize(
    "message", ["-m", "--amend", "--author=x <y@z>", "@file", "-F /etc/passwd", "[skip ci] closes #1"]
)
def test_g29_a_message_is_text_and_never_an_option(place: Place, message: str) -> None:
    old = place.at
    place.write(place.site, "a.txt", "two\n")
    place.say("commit", paths=["a.txt"], message=message)
    assert place.git("log", "-1", "--format=%B|%an|%P") == f"{message}\n|Ada|{old}"


def test_a_title_without_a_letter_gives_no_branch() -> None:
    with pytest.raises(Refused, match="no branch name"):
        understand(task(op="branch", repo="website", title="日本語"))


@pytest.mark.parametrize(
    "params",
    [
        {"op": "clone", "repo": "website"},
        {"op": "fetch"},
        {"op": "fetch", "repo": " "},
        {"op": "fetch", "repo": "website", "branch": "main"},
        {"op": "fetch", "repo": "website", "url": "https://x"},
        {"op": "push", "repo": "website", "force": "true"},
        {"op": "add", "repo": "website"},
        {"op": "commit", "repo": "website", "message": "m"},
        {"op": "log", "repo": "website", "count": "0"},
        {"op": "log", "repo": "website", "count": "101"},
        {"op": "status", "repo": "website", "from": "x"},
    ],
)
def test_a_bad_parameter_is_refused_with_the_words_that_would_do(params: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="op: fetch, fast-forward, pull"):
        understand(task("", **params))


def test_parameters_without_an_operation_are_doubtful() -> None:
    with pytest.raises(Doubt, match="no `op`"):
        understand(task("Fetch the website repo", repo="other"))


# which repositories


@pytest.mark.parametrize("name", ["nowhere", "../site", "-C", "/etc", "~/site", "website/..", "ext::sh"])
def test_an_unknown_repository_is_refused_and_the_known_ones_are_listed(untouched: Place, name: str) -> None:
    untouched.listed["docs"] = untouched.site
    with pytest.raises(Refused, match="docs, website"):
        untouched.do(op="fetch", repo=name)


def test_where_none_is_listed_the_remedy_is_told(place: Place) -> None:
    place.listed = {}
    with pytest.raises(Refused, match=r"add \[repos"):
        place.do(op="fetch", repo="website")


def test_a_listed_one_is_found_by_name_in_any_case_and_by_its_very_path(place: Place) -> None:
    for name in ("Website", "repos/website", str(place.site), f"{place.site}/"):
        assert "nothing new" in place.do(op="fetch", repo=name).findings[0]


@pytest.mark.parametrize("op", ["fetch", "fast-forward", "branch", "add", "commit", "push", "status", "log"])
def test_what_this_machine_does_not_allow_is_refused(untouched: Place, op: str) -> None:
    untouched.allow = tuple({"fetch", "status"} - {op})
    params = {"branch": {"branch": "x"}, "add": {"paths": ["a.txt"]}, "commit": {"paths": ["a.txt"], "message": "m"}}
    with pytest.raises(Refused, match=f"{op} is not allowed.* add .{op}. to the allow"):
        untouched.do(op=op, repo="website", **params.get(op, {}))


def test_a_pull_needs_both_and_does_not_begin_without(place: Place) -> None:
    place.publish()
    place.allow = ("fetch",)
    before = refs(place)
    with pytest.raises(Refused, match="fast-forward is not allowed"):
        place.do(op="pull", repo="website")
    assert refs(place) == before


def test_by_default_everything_is_allowed_but_push() -> None:
    assert set(ListedRepo(path="/x").allow) == {"fetch", "fast-forward", "branch", "add", "commit", "status", "log"}


@pytest.mark.parametrize("kind", ["vault", "inside", "link", "worktree"])
def test_the_vault_itself_is_never_opened(place: Place, kind: str) -> None:
    place.commit(place.vault, "note.md", "x\n")
    where = place.vault
    if kind == "inside":
        where = place.vault / "sub"
        git(place.root, "init", "-q", str(where))
    elif kind == "link":
        where = place.root / "link"
        where.symlink_to(place.vault)
    elif kind == "worktree":
        where = place.root / "tree"
        git(place.vault, "worktree", "add", "-q", str(where))
    place.listed = {"website": where}
    with pytest.raises(Refused, match="the vault"):
        place.do(op="status", repo="website")


@pytest.mark.parametrize("kind", ["missing", "file", "plain", "below", "bare"])
def test_a_listed_folder_must_be_the_top_of_a_work_tree(place: Place, kind: str) -> None:
    where = {"missing": place.root / "no", "file": place.site / "a.txt", "bare": place.hub}.get(
        kind, place.root / "plain"
    )
    if kind == "below":
        where = place.site / "below"
    if kind in ("plain", "below"):
        where.mkdir()
    place.listed = {"website": where}
    with pytest.raises(Refused, match=r"\[repos\.website\]"):
        place.do(op="status", repo="website")


def test_the_settings_cannot_reach_the_vault_by_another_name_of_its_folder(place: Place) -> None:
    link = place.root / "vault-link"
    link.symlink_to(place.vault)
    repos = ListedRepos({}, link.resolve(), place.vault / ".git")
    with pytest.raises(Refused):
        repos.open("x", "status")


# states of the person's repository


@pytest.mark.parametrize("op", ["fast-forward", "add", "commit"])
@pytest.mark.parametrize("state", ["MERGE_HEAD", "rebase-merge", "CHERRY_PICK_HEAD", "BISECT_LOG"])
def test_nothing_is_changed_in_the_middle_of_an_operation(untouched: Place, op: str, state: str) -> None:
    (untouched.site / ".git" / state).write_text(untouched.at)
    params = {"add": {"paths": ["a.txt"]}, "commit": {"paths": ["a.txt"], "message": "m"}}.get(op, {})
    with pytest.raises(Refused, match="is in progress"):
        untouched.do(op=op, repo="website", **params)


def test_a_detached_head_takes_no_commit(place: Place) -> None:
    place.git("switch", "-q", "--detach")
    place.write(place.site, "a.txt", "two\n")
    at = place.at
    for op, params in {"commit": {"paths": ["a.txt"], "message": "m"}, "fast-forward": {}, "push": {}}.items():
        with pytest.raises(Refused, match="detached"):
            place.do(op=op, repo="website", **params)
    assert place.at == at


def test_while_another_git_command_holds_the_index_the_task_waits(untouched: Place) -> None:
    lock = untouched.site / ".git/index.lock"
    lock.touch()
    for op, params in {"commit": {"paths": ["a.txt"], "message": "m"}, "add": {"paths": ["a.txt"]}}.items():
        with pytest.raises(Busy, match=r"index\.lock"):
            untouched.do(op=op, repo="website", **params)
    assert lock.exists(), "it is theirs"
    lock.unlink()


@pytest.mark.parametrize("op", ["fast-forward", "add", "commit"])
def test_while_a_commit_message_is_being_written_the_task_waits(untouched: Place, op: str) -> None:
    message = untouched.site / ".git/COMMIT_EDITMSG"
    message.write_text("half a sen")
    later = max(path.stat().st_mtime_ns for path in (untouched.site / ".git/logs/HEAD", message)) + 1_000_000
    os.utime(message, ns=(later, later))
    params = {"add": {"paths": ["a.txt"]}, "commit": {"paths": ["a.txt"], "message": "m"}}.get(op, {})
    with pytest.raises(Busy, match="commit message is being written"):
        untouched.do(op=op, repo="website", **params)


def test_a_fetch_that_would_move_the_persons_own_branches_is_refused(untouched: Place) -> None:
    untouched.git("config", "--add", "remote.origin.fetch", "+refs/heads/*:refs/heads/*")
    with pytest.raises(Refused, match="would move branches"):
        untouched.say("fetch")


def test_a_diverged_branch_is_not_merged(place: Place) -> None:
    place.publish()
    own = place.commit(place.site, "mine.txt", "x\n")
    with pytest.raises(Refused, match="1 commit that origin lacks, and lacks 1 commit of its"):
        place.say("pull")
    assert place.at == own and not (place.site / "b.txt").exists()


@pytest.mark.parametrize("kind", ["edited", "untracked", "ignored"])
def test_a_file_in_the_way_keeps_all_as_it_is(place: Place, kind: str) -> None:
    place.publish("a.txt" if kind == "edited" else "b.txt", "theirs\n")
    place.write(place.site, "a.txt" if kind == "edited" else "b.txt", "mine\n")
    if kind == "ignored":
        (place.site / ".git/info/exclude").write_text("b.txt\n")
    old, before = place.at, snapshot(place.site, skip=(".git/",))
    with pytest.raises(Refused, match=r"in the way.*(a|b)\.txt"):
        place.say("pull")
    assert place.at == old and snapshot(place.site, skip=(".git/",)) == before


def test_a_branch_that_is_there_at_another_commit_is_not_moved(place: Place) -> None:
    old = place.at
    place.git("branch", "x")
    place.commit(place.site, "b.txt", "x\n")
    with pytest.raises(Refused, match="choose another name"):
        place.say("branch", branch="x")
    assert place.git("rev-parse", "x") == old


def test_fast_forward_does_not_switch(untouched: Place) -> None:
    untouched.git("branch", "dev")
    try:
        with pytest.raises(Refused, match="switches no branches"):
            untouched.say("fast-forward", branch="dev")
    finally:
        untouched.git("branch", "-D", "dev")


@pytest.mark.parametrize("op", ["add", "commit"])
@pytest.mark.parametrize("path", ["secret.txt", "nowhere.txt", "inner", "inner/x"])
def test_ignored_and_missing_paths_and_other_repositories_are_not_taken(place: Place, op: str, path: str) -> None:
    place.write(place.site, "a.txt", "edited\n")
    place.write(place.site, "secret.txt", "x\n")
    (place.site / ".git/info/exclude").write_text("secret.txt\n")
    place.commit(place.root / "other", "x", "x\n")
    git(place.root, "clone", "-q", str(place.other), str(place.site / "inner"))
    before = refs(place), place.git("ls-files", "--stage")
    with pytest.raises(Refused, match=r"nothing to take|another repository|git refused"):
        place.say(op, paths=["a.txt", path], **({"message": "m"} if op == "commit" else {}))
    assert (refs(place), place.git("ls-files", "--stage")) == before


def test_without_an_identity_nothing_is_committed_in_a_guessed_name(untouched: Place, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", str(untouched.root))
    monkeypatch.setenv("EMAIL", "guessed@example.org")
    with pytest.raises(PersonMustAct, match=r"git config --global user\.name"):
        untouched.say("commit", paths=["a.txt", "secret.txt"], message="m")


# the remote


def test_a_push_that_is_no_fast_forward_is_refused_and_nothing_is_forced(place: Place) -> None:
    theirs = place.publish()
    place.commit(place.site, "mine.txt", "x\n")
    place.git("config", "push.default", "matching")
    place.git("config", "remote.origin.push", "+refs/heads/*:refs/heads/*")
    with pytest.raises(Refused, match="nothing is ever forced"):
        place.say("push")
    assert git(place.hub, "rev-parse", "main").strip() == theirs


def test_a_remote_that_forbids_a_push_is_quoted(place: Place) -> None:
    hook = place.hub / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'main is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    place.commit(place.site, "b.txt", "x\n")
    with pytest.raises(Refused, match=r"pre-receive hook declined.*main is protected"):
        place.say("push")


@pytest.mark.parametrize("op", ["fetch", "push", "pull"])
def test_a_remote_that_is_away_lets_the_task_wait(untouched: Place, op: str) -> None:
    untouched.git("config", "remote.origin.url", "http://127.0.0.1:9/site.git")
    with pytest.raises(TryLater, match="is away"):
        untouched.say(op)


def test_a_remote_on_a_disk_that_is_not_there_lets_the_task_wait(place: Place) -> None:
    place.hub.rename(place.root / "unplugged")
    with pytest.raises(TryLater, match="no such folder now"):
        place.say("fetch")
    (place.root / "unplugged").rename(place.hub)
    place.say("fetch")


def test_a_remote_that_is_not_configured_is_refused_and_the_others_are_listed(place: Place) -> None:
    place.remote = "upstream"
    with pytest.raises(Refused, match="its remotes are: origin"):
        place.say("fetch")


SAID = {
    "git@hub.example: Permission denied (publickey).": CredentialsRefused,
    "Host key verification failed.": CredentialsRefused,
    "ERROR: Repository not found.": CredentialsRefused,
    "ssh: connect to host hub.example port 22: Connection refused": TryLater,
    "ssh: Could not resolve hostname hub.example: Name or service not known": TryLater,
    "ssh: connect to host hub.example port 22: Connection timed out": TryLater,
    "kex_exchange_identification: Connection closed by remote host": TryLater,
    "fatal: something nobody has seen": Refused,
}


@pytest.mark.parametrize("said", SAID)
def test_what_ssh_says_decides_between_waiting_and_failing(untouched: Place, said: str) -> None:
    heard = untouched.root / "heard"
    ssh = untouched.script("ssh", f'echo "$@" >> "{heard}"\necho "{said}" >&2\nexit 255\n')
    untouched.git("config", "core.sshCommand", str(ssh))
    untouched.git("config", "remote.origin.url", "git@hub.example:site.git")
    with pytest.raises(SAID[said]) as caught:
        untouched.say("fetch")
    assert type(caught.value) is SAID[said]
    assert said in caught.value.why
    assert "-oBatchMode=yes" in heard.read_text(), "the person's own ssh command, and no questions"


class _Closed(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="hub"')
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def closed_door() -> Iterator[int]:
    """A web server that lets nobody in; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Closed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("user", ["", "ada:hunter2-secret@", "hunter2-secret@", "ada:hunter2-secret" + "x" * 600 + "@"])
@pytest.mark.parametrize("op", ["fetch", "push"])
def test_g40_refused_credentials_fail_with_a_reason_and_without_a_secret(
    untouched: Place, closed_door: int, user: str, op: str
) -> None:
    untouched.git("config", "remote.origin.url", f"http://{user}127.0.0.1:{closed_door}/site.git")
    with pytest.raises(CredentialsRefused) as caught:
        untouched.say(op)
    assert "hunter2" not in str(caught.value) + repr(caught.value.args)


def test_g40_a_secret_in_the_remotes_address_is_in_no_error_and_no_report(untouched: Place) -> None:
    untouched.git("config", "remote.origin.url", "http://ada:hunter2-secret@127.0.0.1:9/site.git")
    untouched.git("config", "remote.other.url", f"http://tok-hunter2@x/{'y' * 10}")
    said: list[str] = []
    for op in ("fetch", "push", "pull", "status", "log"):
        try:
            result = untouched.do(op=op, repo="website")
            said += [*result.findings, result.raw]
        except GoferError as error:
            said.append(str(error))
    assert len(said) == 8
    assert "hunter2" not in "".join(said)


@pytest.mark.parametrize("code", [0, 1])
def test_g40_an_address_that_the_remote_itself_tells_is_redacted(place: Place, code: int) -> None:
    hook = place.hub / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho 'see https://ada:hunter2-secret@hub.example/x' >&2\nexit {code}\n")
    hook.chmod(0o755)
    place.commit(place.site, "b.txt", "x\n")
    try:
        said = place.do(op="push", repo="website").raw
    except Refused as error:
        said = str(error)
    assert "https://[redacted]@hub.example/x" in said
    assert "hunter2" not in said


def test_a_helper_of_the_persons_is_asked_for_credentials_and_nobody_else_is(place: Place, closed_door: int) -> None:
    asked = place.root / "asked"
    helper = place.script("helper", f'cat >> "{asked}"\necho username=ada\necho password=hunter2-secret\n')
    prompt = place.script("prompt", f'echo "$@" >> "{asked}.prompt"\necho x\n')
    place.git("config", "credential.helper", str(helper))
    place.git("config", "core.askPass", str(prompt))
    place.git("config", "remote.origin.url", f"http://127.0.0.1:{closed_door}/site.git")
    with pytest.raises(CredentialsRefused) as caught:
        place.say("fetch")
    assert "host=127.0.0.1" in asked.read_text()
    assert not Path(f"{asked}.prompt").exists()
    assert "hunter2" not in str(caught.value)


def test_s28_a_run_that_is_stopped_ends_git_and_all_that_it_started(place: Place) -> None:
    begun = place.root / "begun"
    ssh = place.script("ssh", f'[ "$1" = -G ] && exit 0\ntouch "{begun}"\nexec tail -f /dev/null\n')
    place.git("config", "core.sshCommand", str(ssh))
    place.git("config", "remote.origin.url", "git@hub.example:site.git")

    def check() -> None:
        if begun.exists():
            raise TimeUp("the run was cancelled")

    place.check = check
    with pytest.raises(TimeUp):
        place.say("fetch")
    wait_for(lambda: not processes_of(place.root), what="git and ssh to be gone")


def test_a_commit_that_is_stopped_leaves_no_lock_behind(place: Place) -> None:
    place.write(place.site, "a.txt", "two\n")
    lock = place.site / ".git/index.lock"
    signer = place.script("signer", "exec tail -f /dev/null\n")  # holds git in the middle of a commit
    place.git("config", "commit.gpgSign", "true")
    place.git("config", "gpg.program", str(signer))
    at = place.at

    def check() -> None:
        if any("signer" in line or "tail" in line for line in processes_of(place.root)):
            assert lock.exists()
            raise TimeUp("the run was cancelled")

    place.check = check
    with pytest.raises(TimeUp):
        place.say("commit", paths=["a.txt"], message="m")
    assert not lock.exists()
    assert place.at == at
    assert not [name for name in os.listdir(place.site / ".git") if name.endswith(".lock")]


def test_a_folder_that_vanishes_does_not_make_the_current_folder_the_repository(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.commit(place.vault, "note.md", "x\n")
    monkeypatch.chdir(place.vault)
    clone = Clone("website", place.site, "origin", nothing)
    place.site.rename(place.root / "unplugged")
    before = snapshot(place.vault)
    with pytest.raises(Refused, match="cannot change to"):
        clone.run("update-ref", "refs/heads/x", "HEAD")
    assert snapshot(place.vault) == before
    with pytest.raises(Refused, match="is not there"):
        place.say("status")
