"""Settings: two files, one of them without authority, and findings instead of crashes."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.config import LocalConfig, Settings, VaultSettings, load_settings, state_dir, worker_name
from agent.config.environment import is_loopback
from agent.config.reading import dotted_keys
from agent.config.tables import Section, limit_of
from agent.errors import BadConfig

REFERENCE = Path(__file__).parent.parent / "docs" / "reference.md"


class Machine:
    """A vault and a machine's own settings file, in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.vault, self.local = folder / "vault", folder / "config.toml"
        self.vault.mkdir()
        self.env = {"GOFER_CONFIG": str(self.local)}

    def load(self, vault: str = "", local: str = "", **env: str) -> Settings:
        if vault:
            (self.vault / "gofer.toml").write_text(vault, "utf-8")
        if local:
            self.local.write_text(local, "utf-8")
        return load_settings(self.vault, self.env | env)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_any_file_the_defaults_are_in_force_and_nothing_is_found(machine: Machine) -> None:
    found = machine.load()
    assert found.findings == ()
    assert (found.lead.name, found.model.name, found.model.context) == ("Lead", "qwen3:8b", 8192)
    assert (found.watch.settle_seconds, found.watch.settle_open_seconds, found.watch.settle_obsidian_seconds) == (
        5, 0.5, 30,
    )  # fmt: skip
    assert (found.tasks.max_attempts, found.tasks.outbox_days, found.handoff.expires_days) == (3, 30, 7)
    assert found.ollama.host == "http://127.0.0.1:11434"
    assert found.checked() is found


def test_settings_cannot_be_changed(machine: Machine) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        machine.load().lead = None  # type: ignore[assignment]


def test_a_plain_key_of_the_vault_counts_where_the_machine_is_silent(machine: Machine) -> None:
    found = machine.load('[lead]\nname = "Opus"\n[model]\nname = "a"', '[model]\nname = "b"')
    assert (found.lead.name, found.model.name, found.findings) == ("Opus", "b", ())


LIMITS = [
    ("tasks.max_attempts", "2", 2, "4"),
    ("tasks.raw_limit", "100", 100, "20000"),
    ("model.context", "4096", 4096, "16384"),
    ("sync.person", '"off"', "off", '"all"'),
]


@pytest.mark.parametrize(("key", "narrower", "value", "wider"), LIMITS)
def test_a_limit_of_the_vault_may_only_be_narrower(
    machine: Machine, key: str, narrower: str, value: object, wider: str
) -> None:
    table, _, name = key.partition(".")
    found = machine.load(f"[{table}]\n{name} = {narrower}")
    assert (getattr(getattr(found, table), name), found.findings) == (value, ())
    found = machine.load(f"\n[{table}]\n{name} = {wider}")
    assert getattr(getattr(found, table), name) == getattr(getattr(Settings(), table), name)
    (finding,) = found.findings
    assert "wider" in finding.what
    assert finding.where == "gofer.toml, line 3"
    assert not finding.fatal


def test_the_machine_may_widen_a_limit_and_the_vault_stays_beneath_it(machine: Machine) -> None:
    found = machine.load("[tasks]\nmax_attempts = 9", "[tasks]\nmax_attempts = 10")
    assert (found.tasks.max_attempts, found.findings) == (9, ())
    assert machine.load("[tasks]\nmax_attempts = 11").tasks.max_attempts == 10


def test_a_push_budget_that_depends_on_the_host_may_be_narrowed_but_not_lifted(machine: Machine) -> None:
    assert machine.load("[sync]\npushes_per_minute = 2").sync.pushes_per_minute == 2
    found = machine.load("[sync]\npushes_per_minute = 3", "[sync]\npushes_per_minute = 1")
    assert found.sync.pushes_per_minute == 1


def test_a_time_limit_is_the_shorter_of_both_and_never_above_the_types_own(machine: Machine) -> None:
    found = machine.load("[time_limits]\nask = 10\nfile = 900", "[time_limits]\nsummarize = 600")
    assert [found.time_limit(name, 60) for name in ("ask", "file", "summarize", "status")] == [10, 60, 600, 60]


def test_both_spans_of_active_hours_are_kept(machine: Machine) -> None:
    found = machine.load('active_hours = "08:00-23:00"', 'active_hours = "22:00-06:00"')
    assert (found.active_hours, found.vault_active_hours) == ("22:00-06:00", "08:00-23:00")


AUTHORITY = [
    '[ollama]\nhost = "http://evil.example"',
    '[providers.x]\nurl = "https://evil.example"',
    '[network]\nallowed_hosts = ["10.0.0.1"]',
    '[checks.x]\nargv = ["rm"]\nsha256 = "00"',
    '[executors.x]\nargv = ["rm"]',
    "[money]\nper_task_usd = 100.0",
    '[sandbox]\nlevel = "full"',
    '[secrets]\nenv = ["X"]',
    '[worker]\nname = "other"\noffers = ["gpu"]',
    '[sync]\nremote = "evil"',
    '[repos.x]\npath = "/home/somebody/code"\nallow = ["push"]',
    'ollama = "http://evil.example"',
]


@pytest.mark.parametrize("text", AUTHORITY)
def test_s36_a_vault_that_names_what_only_a_machine_may_grant_is_told_and_ignored(machine: Machine, text: str) -> None:
    plain = machine.load()
    found = machine.load(text)
    (finding,) = found.findings
    assert "grants nothing" in finding.what
    assert finding.where.startswith("gofer.toml, line ")
    assert "config.toml" in finding.fix
    assert found.checked().model_copy(update={"findings": ()}) == plain


def test_what_the_machine_grants_is_in_force(machine: Machine) -> None:
    hash_ = "ab" * 32
    found = machine.load(
        local=f'[worker]\nname = "box"\noffers = ["gpu", "lan"]\n[sync]\nremote = "hub"\nperson = "all"\n'
        f'[checks.tests]\nargv = ["/opt/tests"]\nsha256 = "{hash_}"\n[money]\nper_day_usd = 2.5'
    )
    assert found.findings == ()
    assert (found.worker.name, found.worker.offers) == ("box", ("gpu", "lan"))
    assert (found.sync.remote, found.sync.person, found.money.per_day_usd) == ("hub", "all", 2.5)
    assert found.checks["tests"].argv == ("/opt/tests",)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('[checks.x.args]\nsuite = ["unit"]', "argv has no {suite}"),
        ('argv = ["/opt/{kind}"]\n[checks.x.args]\nkind = ["a"]', "the program itself cannot be chosen"),
        ('argv = ["/opt/x", "{check}"]\n[checks.x.args]\ncheck = ["a"]', "no name for an argument"),
        ('argv = ["/opt/x", "{suite}"]\n[checks.x.args]\nsuite = []', "at least 1 item"),
        ('argv = ["/opt/x", "{suite}"]\n[checks.x.args]\nsuite = ["a\\nb"]', "pattern"),
        ('cwd = "../x"', "pattern"),
        ('readable = ["x"]', "pattern"),
        ('files = { "x.py" = "00" }', "pattern"),
        ("timeout_seconds = 0", "greater than 0"),
    ],
)
def test_s27_a_check_that_would_not_do_what_its_table_says_stops_the_worker(
    machine: Machine, more: str, why: str
) -> None:
    argv = "" if "argv" in more else 'argv = ["/opt/x"]\n'
    found = machine.load(local=f'[checks.x]\nsha256 = "{"ab" * 32}"\n{argv}{more}')
    with pytest.raises(BadConfig) as caught:
        found.checked()
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key", "line", "nearest"),
    [
        ("[watch]\n\nsetle_seconds = 4", "watch.setle_seconds", 3, "watch.settle_seconds"),
        ("max_attempts = 2", "max_attempts", 1, "tasks.max_attempts"),
        ("# x\n[modell]\nname = 'a'", "modell", 2, ""),
        ("tasks.outbox_day = 3", "tasks.outbox_day", 1, "tasks.outbox_days"),
    ],
)
def test_an_unknown_key_is_told_with_its_line_and_the_nearest_known_one(
    machine: Machine, text: str, key: str, line: int, nearest: str
) -> None:
    (finding,) = machine.load(text).findings
    assert finding.what == f"'{key}' is no setting"
    assert finding.where == f"gofer.toml, line {line}"
    assert nearest in finding.fix
    assert not finding.fatal


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[lead]\nname = "Opus"\n\n[watch\nsettle_seconds = 1', 4),
        ("a = 1\na = 2", 2),
        ("x = ", 1),
        ("a = [1,\n2", 2),
    ],
)
def test_a_broken_file_stops_a_worker_with_its_line_and_leaves_readers_the_defaults(
    machine: Machine, text: str, line: int
) -> None:
    found = machine.load(text)
    assert found.lead.name == "Lead"
    with pytest.raises(BadConfig) as refused:
        found.checked()
    assert refused.value.where == f"gofer.toml, line {line}"
    assert refused.value.fix


def test_a_value_that_cannot_be_used_stops_a_worker_and_the_other_keys_stay_in_force(machine: Machine) -> None:
    found = machine.load('[tasks]\nmax_attempts = "many"\noutbox_days = 5\n[lead]\nname = "Opus"')
    assert (found.tasks.max_attempts, found.tasks.outbox_days, found.lead.name) == (3, 5, "Opus")
    with pytest.raises(BadConfig, match=r"tasks\.max_attempts") as refused:
        found.checked()
    assert refused.value.where == "gofer.toml, line 2"


def test_one_bad_provider_does_not_take_the_others_with_it(machine: Machine) -> None:
    found = machine.load(local='[providers.a]\nkey = 7\n[providers.b]\nurl = "https://b.example/v1"')
    assert found.providers.keys() == {"b"}
    assert any("providers.a" in finding.what and finding.fatal for finding in found.findings)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe",
        b"a = '\xe9'",
        b"x = " + b"[" * 30_000,
        b"#" * 70_000,
        b"a." * 30_000 + b"a = 1",
        b"lead." + b"a." * 30_000 + b"a = 1",
        b"n = 1" + b"0" * 9_000,
    ],
)
def test_hostile_bytes_are_a_finding_never_a_crash(machine: Machine, raw: bytes) -> None:
    (machine.vault / "gofer.toml").write_bytes(raw)
    found = machine.load()
    assert found.findings
    assert found.lead.name == "Lead"


def test_a_byte_order_mark_and_crlf_are_nothing_special(machine: Machine) -> None:
    (machine.vault / "gofer.toml").write_bytes(b'\xef\xbb\xbf[lead]\r\nname = "Opus"\r\n')
    found = machine.load()
    assert (found.lead.name, found.findings) == ("Opus", ())


def test_s11_the_vaults_file_is_not_read_through_a_link(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text('[lead]\nname = "Opus"')
    (machine.vault / "gofer.toml").symlink_to(tmp_path / "elsewhere.toml")
    found = machine.load()
    assert found.lead.name == "Lead"
    assert found.findings[0].fatal


def test_w20_a_pipe_in_place_of_the_file_does_not_block(machine: Machine) -> None:
    os.mkfifo(machine.vault / "gofer.toml")
    assert "regular file" in machine.load().findings[0].what


def test_a_file_full_of_nonsense_is_told_briefly_and_at_once(machine: Machine) -> None:
    found = machine.load("\n".join(f"k{number} = 1" for number in range(6_000)))
    assert 0 < len(found.findings) <= 50


def test_a_key_of_great_length_does_not_fill_the_screen(machine: Machine) -> None:
    (finding,) = machine.load(f"{'k' * 5_000} = 1").findings
    assert len(finding.what) < 120


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_whatever_the_vault_says_reading_it_never_raises(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        (machine.vault / "gofer.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        assert machine.load().ollama.host == "http://127.0.0.1:11434"


# Aliases


def test_aliases_of_both_files_count_and_the_machines_meaning_wins(machine: Machine) -> None:
    found = machine.load(
        '[aliases]\ncheap = "ollama/a"\ncoder = "ollama/b"', '[aliases]\ncheap = "openrouter/meta/llama:free"'
    )
    assert found.names == {"cheap": "openrouter/meta/llama:free", "coder": "ollama/b"}


@pytest.mark.parametrize("target", ["qwen3", "http://host/x", "ollama/", "/x", "ollama/http://x", "ollama/a b"])
def test_an_alias_is_provider_and_model_and_never_an_address(machine: Machine, target: str) -> None:
    found = machine.load(f'[aliases]\nx = "{target}"\ny = "ollama/a"')
    assert found.names == {"y": "ollama/a"}
    assert found.findings[0].where == "gofer.toml, line 2"


@pytest.mark.parametrize("word", ["auto", "none", "local", "lead"])
def test_an_alias_cannot_hide_a_word_of_the_model_key(machine: Machine, word: str) -> None:
    found = machine.load(f'[aliases]\n{word} = "ollama/a"')
    assert found.names == {}
    assert len(found.findings) == 1


# The model server


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("127.0.0.1:9999", "http://127.0.0.1:9999"),
        ("http://localhost:11434/", "http://localhost:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::1]:7", "http://[::1]:7"),
        (":11500", "http://127.0.0.1:11500"),
    ],
)
def test_ollama_host_of_this_machine_is_understood_in_every_form(machine: Machine, value: str, url: str) -> None:
    found = machine.load(OLLAMA_HOST=value)
    assert (found.ollama.host, found.findings) == (url, ())
    assert is_loopback(url)


@pytest.mark.parametrize(
    "value", ["10.0.0.5", "http://evil.example", "localhost.evil.example", "127.0.0.1@evil.example", "http://[", "x:y"]
)
def test_l16_ollama_host_of_another_machine_is_ignored_and_told(machine: Machine, value: str) -> None:
    found = machine.load(OLLAMA_HOST=value)
    assert found.ollama.host == "http://127.0.0.1:11434"
    assert "OLLAMA_HOST" in found.findings[0].what


def test_the_word_of_this_machine_wins_over_ollama_host_and_may_lead_elsewhere(machine: Machine) -> None:
    found = machine.load(local='[ollama]\nhost = "http://10.0.0.5:11434"', OLLAMA_HOST="127.0.0.1:1")
    assert (found.ollama.host, found.findings) == ("http://10.0.0.5:11434", ())
    assert machine.load(GOFER_OLLAMA_HOST="10.0.0.6").ollama.host == "http://10.0.0.6:11434"


def test_an_address_that_cannot_be_read_stops_a_worker(machine: Machine) -> None:
    with pytest.raises(BadConfig, match="address"):
        machine.load(GOFER_OLLAMA_HOST="ftp://x").checked()


# Secrets


def test_s25_values_that_must_never_be_written_are_collected_and_never_shown(machine: Machine) -> None:
    found = machine.load(
        local='[providers.a]\nurl = "https://a.example"\nkey = "file-secret-1"\n'
        '[providers.b]\nurl = "https://b.example"\nkey_env = "B_ACCESS"\n[secrets]\nenv = ["DB_*"]',
        GH_TOKEN="token-secret-2",
        B_ACCESS="access-secret-3",
        DB_URL="database-secret-4",
        PASSWORD="short",
        HOME="/home/somebody",
    )
    expected = {"file-secret-1", "token-secret-2", "access-secret-3", "database-secret-4"}
    assert set(found.secret_values) == expected
    assert not any(secret in repr(found) for secret in expected)


def test_s25_a_key_in_the_wrong_place_is_not_repeated_in_the_finding(machine: Machine) -> None:
    found = machine.load(local='[providers.a]\nurl = "no address, sk-secret-value"\nkey = ["sk-secret-value"]')
    assert found.findings
    assert "sk-secret-value" not in str(found.findings)


# Places and names


def test_the_state_folder_belongs_to_the_real_path_of_the_vault(tmp_path: Path) -> None:
    vault, env = tmp_path / "My Notes", {"GOFER_STATE_DIR": str(tmp_path / "state")}
    vault.mkdir()
    (tmp_path / "link").symlink_to(vault)
    place = state_dir(vault, env)
    assert place.parent == tmp_path / "state"
    assert re.fullmatch(r"my-notes-[0-9a-f]{12}", place.name)
    assert state_dir(tmp_path / "link", env) == place
    assert state_dir(tmp_path, env | {"GOFER_STATE_DIR": "/nowhere"}) != place
    assert not place.exists()


def test_without_an_own_place_the_state_lies_in_the_users_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "users"))
    assert "gofer" in str(state_dir(tmp_path / "vault", {}))


def test_g22_a_state_folder_inside_the_vault_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="inside the vault"):
        state_dir(tmp_path, {"GOFER_STATE_DIR": str(tmp_path / "state")})


def test_the_workers_name_is_stable_for_a_clone_and_differs_between_clones(tmp_path: Path) -> None:
    one, other = (worker_name(tmp_path / name, LocalConfig()) for name in ("a", "b"))
    assert one == worker_name(tmp_path / "a", LocalConfig())
    assert one != other
    assert re.fullmatch(r"[a-z0-9-]{1,32}-[0-9a-f]{4}", one)


@pytest.mark.parametrize("name", ["Laptop", "a/b", "../x", "-x", "a b", "ü", "x" * 65])
def test_a_worker_name_that_cannot_be_a_file_name_or_a_ref_is_refused(machine: Machine, name: str) -> None:
    with pytest.raises(BadConfig, match=r"worker\.name"):
        machine.load(local=f'[worker]\nname = "{name}"').checked()


# The reference


@pytest.mark.parametrize("word", ["ollama", "embedded", "command"])
def test_a_provider_cannot_take_the_name_of_a_backend(machine: Machine, word: str) -> None:
    found = machine.load("", f'[providers.{word}]\nurl = "http://127.0.0.1:1/v1"\n[providers.lab]\nurl = "http://x/v1"')
    assert list(found.providers) == ["lab"]
    with pytest.raises(BadConfig, match="would hide a backend"):
        found.checked()


def rows_of_the_reference() -> Mapping[str, tuple[str, str]]:
    """Each key's default and what the vault may do, as the table says."""
    rows = re.findall(
        r"^\| `([a-z0-9_.<>]+)` \| [^|]+ \| ([^|]+) \| (yes|narrower|no) \|", REFERENCE.read_text("utf-8"), re.M
    )
    return {key: (default.strip("` "), vault) for key, default, vault in rows}


def test_the_reference_names_every_key_and_no_other() -> None:
    assert rows_of_the_reference().keys() == set(dotted_keys(LocalConfig))


@pytest.mark.parametrize("key", [key for key in dotted_keys(LocalConfig) if "<name>" not in key])
def test_the_reference_states_the_default_and_what_a_vault_may_do(key: str) -> None:
    default, vault = rows_of_the_reference()[key]
    section: Section = LocalConfig()
    *tables, name = key.split(".")
    for table in tables:
        section = getattr(section, table)
    value = getattr(section, name)
    assert default == ("by host" if value is None else json.dumps(value))
    known = set(dotted_keys(VaultSettings))
    limit = limit_of(type(section), name) or name == "active_hours"
    assert vault == ("no" if key not in known else "narrower" if limit else "yes")
