"""`approve: true`: planned, shown, and done only after a tick that fits what was shown; by real workers."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent import facts, frontmatter
from agent.schema import schema
from agent.text import normal_form
from tests.support import Vault, clone, git, make_vault, wait_for

MOVE = "Move notes/a.md to archive/a.md"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = make_vault(tmp_path)
    vault.write("notes/a.md", "old\n")
    vault.commit()
    return vault


def ask(vault: Vault, text: str = MOVE, name: str = "t.md", **keys: str) -> str:
    """Drop a task that asks first, let it be planned, and give its id."""
    header = {"status": "open", "approve": "true", **keys}
    vault.drop(name, "---\n" + "".join(f"{k}: {v}\n" for k, v in header.items()) + f"---\n{text}\n")
    data = vault.run_once(ok=(0,))
    (row,) = [row for row in data["tasks"] if row["id"].startswith(Path(name).stem)]
    assert row["status"] == "waiting"
    assert row["reason"] == f"waits for your tick in outbox/approvals/{row['id']}.md"
    task: str = row["id"]
    return task


def file(vault: Vault, task: str) -> Path:
    return vault.root / "outbox" / "approvals" / f"{task}.md"


def edit(vault: Vault, task: str, old: str, new: str) -> None:
    """A person's edit: one text for another, saved whole."""
    text = file(vault, task).read_text("utf-8")
    assert text.count(old) == 1
    vault.write(f"outbox/approvals/{task}.md", text.replace(old, new))


def tick(vault: Vault, task: str) -> None:
    edit(vault, task, "- [ ] Approve", "- [x] Approve")


def state(vault: Vault, task: str) -> tuple[str, str]:
    rows = json.loads(vault.gofer("list", "--json").stdout)["data"]
    return next((row["state"], row["reason"] or "") for row in rows if row["id"] == task)


def decisions(vault: Vault) -> list[dict[str, Any]]:
    files = sorted((vault.root / "memory" / "decisions").glob("*.md"))
    return [dict(frontmatter.read(path.read_text("utf-8")).values) for path in files]


def moved(vault: Vault) -> bool:
    there = [(vault.root / name).exists() for name in ("notes/a.md", "archive/a.md")]
    assert sum(there) == 1
    return there[1]


def test_the_file_is_to_the_letter_what_the_reference_says(vault: Vault) -> None:
    task = ask(vault, title="Tidy up")
    text = file(vault, task).read_text("utf-8")
    digest = sha256(b"old\n").hexdigest()
    header, begins, rest = text.partition("## What will be done\n")
    exact = f'{{"op":"move","path":"notes/a.md","before":"{digest}","to":"archive/a.md","to_before":null}}'
    assert begins + rest == (
        f"## What will be done\n- moves `notes/a.md` to `archive/a.md`\n\n## Exactly\n```text\n{exact}\n```\n"
    )
    said = frontmatter.read(text).values
    assert list(said) == [
        "type", "approval_version", "id", "title", "task_revision", "plan", "from", "created", "expires",
    ]  # fmt: skip
    assert said["plan"] == sha256(normal_form((begins + rest).encode()).encode()).hexdigest()
    assert (said["type"], said["approval_version"], said["id"], said["from"]) == ("approval", "1", task, "w1")
    assert header.endswith("---\n# Approve: Tidy up\n- [ ] Approve\n- [ ] Reject\n\n")


def test_nothing_happens_before_the_tick_and_the_question_is_committed(vault: Vault) -> None:
    task = ask(vault)
    assert not moved(vault)
    assert f"outbox/approvals/{task}.md" in vault.tracked("outbox/approvals")
    assert vault.subjects()[0] == f"gofer: waiting {task}"
    assert vault.outcomes() == {}
    before = vault.git("rev-parse", "HEAD")
    assert vault.run_once(ok=(0,))["waiting"] == 1
    assert vault.git("rev-parse", "HEAD") == before
    assert state(vault, task)[0] == "waiting"
    assert vault.inbox() == ["t.md"]


def test_a_tick_lets_it_act_once_and_the_file_leaves(vault: Vault) -> None:
    task = ask(vault)
    tick(vault, task)
    assert vault.run_once(ok=(0,))["done"] == 1
    assert moved(vault)
    assert not file(vault, task).exists()
    assert f"outbox/approvals/{task}.md" not in vault.tracked("outbox/approvals")
    assert vault.outcomes() == {task: 1}
    (decision,) = decisions(vault)
    assert (decision["decision"], decision["approval"]) == ("approved", f"outbox/approvals/{task}.md")
    assert "Approved in outbox/approvals/" in vault.reports()[task]
    assert vault.git("status", "--short") == ""
    vault.check()


def test_a_running_worker_sees_the_tick(vault: Vault) -> None:
    task = ask(vault)
    with vault.worker():
        tick(vault, task)
        wait_for(lambda: vault.outcomes()[task], seconds=5)
    assert moved(vault)


def test_a_reason_behind_reject_ends_it_as_cancelled(vault: Vault) -> None:
    task = ask(vault)
    edit(vault, task, "- [ ] Reject", "- [X] Reject not before Monday")
    assert vault.run_once(ok=(0,))["cancelled"] == 1
    assert not moved(vault)
    assert "not before Monday" in vault.reports()[task]
    (decision,) = decisions(vault)
    assert (decision["decision"], vault.inbox()) == ("rejected", [])
    assert not file(vault, task).exists()


@pytest.mark.parametrize(
    ("flags", "approved", "reason"), [((), True, None), (("--reject", "too  soon"), False, "too soon")]
)
def test_the_verb_does_the_same(vault: Vault, flags: tuple[str, ...], approved: bool, reason: str | None) -> None:
    task = ask(vault)
    plan = frontmatter.read(file(vault, task).read_text("utf-8")).values["plan"]
    done = vault.gofer("approve", task, *flags, "--json")
    whole = json.loads(done.stdout)
    Draft202012Validator(schema("approve")).validate(whole)
    assert whole["data"] == {"id": task, "approved": approved, "plan": plan, "reason": reason}
    assert vault.gofer("approve", task, *flags).returncode == 0  # saying it twice is the same
    assert vault.run_once(ok=(0,))["done" if approved else "cancelled"] == 1
    assert moved(vault) is approved


def test_the_verb_says_what_it_cannot_approve(vault: Vault) -> None:
    assert "nothing waits for approval under the id 'nothing'" in vault.gofer("approve", "nothing").stderr
    task = ask(vault)
    tick(vault, task)
    said = vault.gofer("approve", task, "--reject", "no")
    assert (said.returncode, "it is approved already" in said.stderr) == (2, True)


@pytest.mark.parametrize(
    "box", ["[X] Approve", "[x] Approve  ", "[x] Approve ✅ 2026-11-26", "[x] Approve ✅ 2026-11-26 "]
)
def test_editors_and_plugins_tick_in_their_own_way(vault: Vault, box: str) -> None:
    task = ask(vault)
    text = file(vault, task).read_text("utf-8").replace("[ ] Approve", box)
    vault.write(f"outbox/approvals/{task}.md", text.replace("\n", "\r\n"))
    assert vault.run_once(ok=(0,))["done"] == 1
    assert moved(vault)


def test_a_plugins_date_is_no_part_of_the_reason(vault: Vault) -> None:
    task = ask(vault)
    text = file(vault, task).read_text("utf-8").replace("[ ] Reject", "[x] Reject too early ✅ 2026-11-26")
    vault.write(f"outbox/approvals/{task}.md", text)
    vault.run_once(ok=(0, 1))
    assert "too early\n" in vault.reports()[task] and "✅" not in vault.reports()[task]


SPOILT: dict[str, tuple[Callable[[str], str], str]] = {
    "both boxes": (lambda t: t.replace("[ ] Approve", "[x] Approve").replace("[ ] Reject", "[x] Reject"), "both boxes"),
    "another target": (lambda t: _approved(t).replace("archive/a.md", "archive/b.md"), "plan in it was changed"),
    "one action less": (lambda t: _approved(t).partition('{"op"')[0] + "```\n", "plan in it was changed"),
    "another date": (lambda t: _approved(t).replace("expires: 2", "expires: 3"), "more than a box"),
    "another worker": (lambda t: _approved(t).replace("from: w1", "from: w9"), "more than a box"),
    "another title": (lambda t: _approved(t).replace("# Approve: ", "# Approve: Not "), "more than a box"),
    "a box elsewhere": (lambda t: _approved(t).replace("- [ ] Reject\n", "\n- [ ] Reject\n"), "boxes are not where"),
    "a third box": (lambda t: _approved(t).replace("- [ ] Reject\n", "- [ ] Reject\n- [ ] Maybe\n"), "boxes are not"),
    "a condition": (lambda t: _approved(t).replace("[x] Approve", "[x] Approve, but not today"), "boxes are not where"),
    "a text behind the other": (lambda t: _approved(t).replace("Reject\n", "Reject maybe\n"), "text behind a box"),
}


def _approved(text: str) -> str:
    return text.replace("- [ ] Approve", "- [x] Approve")


@pytest.mark.parametrize("case", SPOILT)
def test_s33_anything_but_one_tick_is_no_answer(vault: Vault, case: str) -> None:
    spoil, why = SPOILT[case]
    task = ask(vault)
    original = file(vault, task).read_text("utf-8")
    vault.write(f"outbox/approvals/{task}.md", spoil(original))
    assert vault.run_once(ok=(0,))["waiting"] == 1
    assert not moved(vault)
    word, reason = state(vault, task)
    assert (word, "is no answer" in reason, why in reason) == ("waiting", True, True), reason
    status = json.loads(vault.gofer("status", "--json").stdout)["data"]
    assert [p["what"] for p in status["problems"] if "is no answer" in p["what"]]
    assert file(vault, task).read_text("utf-8") == spoil(original)  # a person's edit is never overwritten
    vault.write(f"outbox/approvals/{task}.md", _approved(original))
    assert vault.run_once(ok=(0,))["done"] == 1
    assert moved(vault)


def test_a_plan_that_its_own_digest_names_is_none_when_the_worker_did_not_make_it(vault: Vault) -> None:
    task = ask(vault)
    text = _approved(file(vault, task).read_text("utf-8")).replace("archive/a.md", "archive/b.md")
    head, begins, rest = text.partition("## What will be done\n")
    old = frontmatter.read(text).values["plan"]
    new = sha256(normal_form((begins + rest).encode()).encode()).hexdigest()
    vault.write(f"outbox/approvals/{task}.md", head.replace(old, new) + begins + rest)
    assert vault.run_once(ok=(0,))["waiting"] == 1
    assert not moved(vault)
    assert not (vault.root / "archive").exists()
    assert "- [ ] Approve" in file(vault, task).read_text("utf-8")  # it asks anew, for what it would do


def test_a_file_that_changed_since_voids_the_approval_and_a_new_plan_is_shown(vault: Vault) -> None:
    task = ask(vault)
    first = frontmatter.read(file(vault, task).read_text("utf-8")).values["plan"]
    tick(vault, task)
    vault.write("notes/a.md", "changed meanwhile\n")
    assert vault.run_once(ok=(0,))["waiting"] == 1
    assert not moved(vault)
    text = file(vault, task).read_text("utf-8")
    assert (frontmatter.read(text).values["plan"] != first, "- [ ] Approve" in text) == (True, True)
    tick(vault, task)
    assert vault.run_once(ok=(0,))["done"] == 1
    assert (vault.root / "archive/a.md").read_text("utf-8") == "changed meanwhile\n"


def test_an_edited_task_is_asked_for_anew(vault: Vault) -> None:
    task = ask(vault, id="tidy")
    tick(vault, "tidy")
    head = "---\nstatus: open\napprove: true\nid: tidy\n---\n"
    vault.drop("t.md", f"{head}Move notes/a.md to elsewhere/a.md\n")
    assert vault.run_once(ok=(0,))["waiting"] == 1
    text = file(vault, task).read_text("utf-8")
    assert ("elsewhere/a.md" in text, "- [ ] Approve" in text) == (True, True)
    assert not moved_any(vault)


def moved_any(vault: Vault) -> bool:
    return not (vault.root / "notes/a.md").exists()


def test_a_file_that_the_person_deletes_is_written_anew(vault: Vault) -> None:
    task = ask(vault)
    file(vault, task).unlink()
    assert vault.run_once(ok=(0,))["waiting"] == 1
    assert "- [ ] Approve" in file(vault, task).read_text("utf-8")


def test_nobody_answers_and_it_ends_as_failed(vault: Vault) -> None:
    task = ask(vault)
    for path in (vault.state / "approvals").glob("*.json"):  # time passes, for the worker and for the file
        path.write_text(_long_ago(path.read_text("utf-8")), "utf-8")
    vault.write(f"outbox/approvals/{task}.md", _approved(_long_ago(file(vault, task).read_text("utf-8"))))
    assert vault.run_once(ok=(1,))["failed"] == 1
    assert not moved(vault)
    assert "Nobody approved it by" in vault.reports()[task]
    assert [decision["decision"] for decision in decisions(vault)] == ["expired"]
    assert not file(vault, task).exists()


def _long_ago(text: str) -> str:
    before, word, rest = text.partition("expires: ")
    return before + word + "2020" + rest[4:]


def test_cancel_ends_it_and_takes_the_file_away(vault: Vault) -> None:
    task = ask(vault)
    assert vault.gofer("cancel", task).returncode == 0
    assert not file(vault, task).exists()
    assert vault.outcomes() == {task: 1}
    assert "Cancelled" in vault.reports()[task]
    assert vault.inbox() == []


def test_what_changes_nothing_is_not_asked_for(vault: Vault) -> None:
    vault.drop("r.md", "---\nstatus: open\napprove: true\n---\nRead notes/a.md\n")
    assert vault.run_once(ok=(0,))["done"] == 1


def test_what_acts_while_it_runs_is_asked_for_before_it_runs(vault: Vault, tmp_path: Path) -> None:
    site = tmp_path / "site"
    git(tmp_path, "init", "-q", "-b", "main", str(site))
    git(site, "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "--allow-empty", "-m", "first")
    config = Path(vault.env["GOFER_CONFIG"])
    config.write_text(f'{config.read_text("utf-8")}\n[repos.site]\npath = "{site}"\n', "utf-8")
    task = ask(vault, "Make it", type="git", op="branch", repo="site", branch="idea")
    assert git(site, "branch", "--list", "idea") == ""
    text = file(vault, task).read_text("utf-8")
    assert '{"op":"git","params":{"op":"branch","repo":"site","branch":"idea"},"text":"Make it"}' in text
    tick(vault, task)
    assert vault.run_once(ok=(0,))["done"] == 1
    assert git(site, "branch", "--list", "idea").strip() == "idea"


def test_a_failure_after_a_yes_is_not_taken_as_seen(vault: Vault) -> None:
    task = ask(vault, "Fetch it", type="git", op="fetch", repo="nowhere")
    tick(vault, task)
    assert vault.run_once(ok=(1,))["failed"] == 1
    assert [decision["decision"] for decision in decisions(vault)] == ["approved"]
    unseen = facts.unseen_failures(vault.root, facts.recent_runs(vault.root))
    assert [line["task"] for line in unseen] == [task]


def test_what_is_the_leads_is_asked_for_before_it_is_handed_off(vault: Vault) -> None:
    task = ask(vault, "Design the new cache", model="lead")
    assert not list((vault.root / "outbox/handoffs").glob("*.md"))
    tick(vault, task)
    assert vault.run_once(ok=(0,))["handed-off"] == 1


def test_other_tasks_do_not_see_what_is_only_planned(vault: Vault) -> None:
    vault.drop("a.md", f"---\nstatus: open\napprove: true\n---\n{MOVE}\n")
    vault.drop("b.md", "---\nstatus: open\n---\nRead notes/a.md\n")
    assert vault.run_once(ok=(0,))["done"] == 1


def test_what_was_approved_can_be_undone(vault: Vault) -> None:
    task = ask(vault)
    tick(vault, task)
    vault.run_once(ok=(0,))
    assert moved(vault)
    assert vault.gofer("undo", task).returncode == 0
    assert not moved(vault)


def test_many_wait_and_each_tick_is_its_own(vault: Vault) -> None:
    for number in range(20):
        vault.drop(f"m{number}.md", f"---\nstatus: open\napprove: true\n---\nWrite {number} to out/{number}.txt\n")
    assert vault.run_once(ok=(0,))["waiting"] == 20
    assert vault.subjects()[0] == "gofer: 20 plans"
    for path in sorted((vault.root / "outbox/approvals").glob("m1*.md")):
        tick(vault, path.stem)
    data = vault.run_once(ok=(0,))
    assert (data["done"], data["waiting"]) == (11, 9)
    assert len(list((vault.root / "out").iterdir())) == 11
    vault.check()


# -- two machines --------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Vault, Vault]:
    bare = tmp_path / "remote.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(bare))
    (tmp_path / "one").mkdir()
    first = make_vault(tmp_path / "one", remote=str(bare))
    first.write("notes/a.md", "old\n")
    first.commit()
    first.git("push", "-q", "-u", "origin", "main")
    (tmp_path / "two").mkdir()
    second = clone(first, tmp_path / "two")
    second.git("remote", "set-url", "origin", str(bare))
    return first, second


def synced(vault: Vault) -> None:
    assert vault.gofer("sync").returncode == 0, vault.gofer("sync").stderr


def test_a_tick_on_a_machine_without_a_worker_reaches_the_one_that_planned(pair: tuple[Vault, Vault]) -> None:
    first, second = pair
    task = ask(first)
    synced(second)
    assert second.gofer("approve", task).returncode == 0
    assert first.run_once(ok=(0,))["done"] == 1
    assert moved(first)
    synced(second)
    assert (moved(second), file(second, task).exists(), second.git("status", "--short")) == (True, False, "")


def test_another_machine_makes_the_same_plan_and_carries_it_out(pair: tuple[Vault, Vault]) -> None:
    first, second = pair
    task = ask(first)
    synced(second)
    assert second.run_once(ok=(0,))["waiting"] == 1
    tick(second, task)
    assert second.run_once(ok=(0,))["done"] == 1
    assert moved(second)
    assert first.run_once(ok=(0,))["tasks"] == []
    assert moved(first)
    assert (first.outcomes(), file(first, task).exists()) == ({task: 1}, False)


def test_another_machine_with_another_plan_asks_anew(pair: tuple[Vault, Vault]) -> None:
    first, second = pair
    task = ask(first)
    synced(second)
    tick(second, task)
    second.write("notes/a.md", "changed there\n")
    second.commit(when="2026-01-01T00:00:00Z")
    assert second.run_once(ok=(0,))["waiting"] == 1
    assert "refs/gofer/claims/" not in second.git("ls-remote", "origin"), "nobody holds what waits for a tick"
    assert "- [ ] Approve" in file(second, task).read_text("utf-8")
    synced(first)
    assert first.gofer("approve", task).returncode == 0
    assert first.run_once(ok=(0,))["done"] == 1
    assert (first.root / "archive/a.md").read_text("utf-8") == "changed there\n"
    synced(second)
    assert first.outcomes() == {task: 1} == second.outcomes()


def test_d10_a_tick_that_comes_too_late_does_not_hold_the_branch_up(pair: tuple[Vault, Vault]) -> None:
    first, second = pair
    task = ask(first)
    synced(second)
    tick(first, task)
    assert first.run_once(ok=(0,))["done"] == 1
    tick(second, task)
    synced(second)
    assert (moved(second), file(second, task).exists(), second.git("status", "--short")) == (True, False, "")
    assert second.outcomes() == {task: 1}


def test_d10_a_tick_on_a_plan_that_is_void_by_now_gives_way_to_the_new_one(pair: tuple[Vault, Vault]) -> None:
    first, second = pair
    task = ask(first)
    synced(second)
    first.write("notes/a.md", "changed\n")
    first.commit(when="2026-01-01T00:00:00Z")
    file(first, task).unlink()
    assert first.run_once(ok=(0,))["waiting"] == 1
    tick(second, task)
    synced(second)
    text = file(second, task).read_text("utf-8")
    assert ("- [ ] Approve" in text, text) == (True, file(first, task).read_text("utf-8"))
    assert not moved(second)


# -- before anything is dropped for good ---------------------------------------------------------------------------


def test_a_dry_run_says_what_code_would_do_and_does_nothing(vault: Vault) -> None:
    vault.drop("a.md", f"---\nstatus: open\n---\n{MOVE}\n")
    vault.drop("b.md", "---\nstatus: open\n---\nAppend 'x' to archive/a.md\n")
    vault.drop("c.md", "---\nstatus: open\n---\nDelete notes/none.md\n")
    vault.drop("d.md", "---\nstatus: open\ntype: git\nop: fetch\nrepo: x\n---\n")
    before = vault.git("status", "--short")
    whole = json.loads(vault.gofer("run", "--dry-run", "--json").stdout)
    Draft202012Validator(schema("run-dry-run")).validate(whole)
    plans = {row["path"]: row["plan"] for row in whole["data"]}
    assert plans["inbox/a.md"] == ["moves `notes/a.md` to `archive/a.md`"]
    assert plans["inbox/b.md"] == ["changes `archive/a.md` (4 bytes before, 6 bytes then)"]
    assert plans["inbox/c.md"] and "the file is not there" in plans["inbox/c.md"][0]
    assert plans["inbox/d.md"] is None
    assert "moves `notes/a.md` to `archive/a.md`" in vault.gofer("run", "--dry-run").stdout
    assert (vault.git("status", "--short"), moved(vault)) == (before, False)


def test_status_says_that_a_plan_needs_a_person(vault: Vault) -> None:
    task = ask(vault)
    said = vault.gofer("status")
    assert said.returncode == 1
    assert f"{task} waits for your tick [outbox/approvals/{task}.md]" in said.stdout
    assert f"gofer approve {task}" in said.stdout
