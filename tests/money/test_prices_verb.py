"""`gofer prices`: what is known is listed, what is unknown is said plainly, what is imported is kept."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agent.cli import main as cli
from agent.clock import utc_now
from agent.config import load_settings
from agent.config.tables import Price
from agent.errors import BadConfig
from agent.money.writing import write_prices
from agent.schema import schema

CONFIG = """\
# my own notes stay
[money]
per_task_usd = 0.5   # half a dollar

[providers.work]
url = "https://llm.example/v1"
key = "sk-hunter2-hunter2"

[providers.shed]
url = "http://127.0.0.1:8080/v1"

[aliases]
cheap = "openrouter/z-ai/glm-4.7"
best = {model = "anthropic/claude-opus-4-6", thinking = "high"}
mine = "work/secret-model"
near = "shed/deepseek-chat"
home = "ollama/qwen3:4b"

[prices."work/old"]
input = 1.0
output = 2.0
dated = 2026-01-02
"""

OPENCLAW = {
    "agents": {"defaults": {"model": {"primary": "work/new"}}},
    "models": {
        "mode": "merge",
        "providers": {
            "work": {
                "baseUrl": "https://llm.example/v1",
                "apiKey": "sk-never-shown",
                "models": [
                    {"id": "new", "cost": {"input": 0.003, "output": 0.015, "cacheRead": 0.0003, "cacheWrite": 0}},
                    {"id": "old", "cost": {"input": 0.0011, "output": 0.0022}},
                    {"id": "unset", "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}},
                    {"id": "silent"},
                    {"id": "words", "cost": {"input": "0.1", "output": 1}},
                    {"id": "minus", "cost": {"input": -1, "output": -1}},
                    {"id": "white space", "cost": {"input": 0.1, "output": 0.1}},
                ],
            },
            "OpenRouter": {"models": [{"id": "z-ai/glm-4.7", "cost": {"input": 0.0006, "output": 0.0022}}]},
            "bare": {"apiKey": "x"},
        },
    },
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "config.toml"
    place.write_text(CONFIG)
    monkeypatch.setenv("GOFER_CONFIG", str(place))
    monkeypatch.setenv("GOFER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(cli.VERBS, "prices", ("prices", "What models cost."))
    return place


def source(tmp_path: Path, data: object = OPENCLAW) -> str:
    path = tmp_path / "openclaw.json"
    path.write_text(json.dumps(data))
    return str(path)


def gofer(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> Any:
    assert cli.main(["prices", *args]) == code
    said = capsys.readouterr()
    if "--json" not in args:
        return said.out + said.err
    Draft202012Validator(schema(f"prices-{args[0]}")).validate(json.loads(said.out))
    return json.loads(said.out)["data"]


def test_the_list_holds_every_model_of_the_settings_and_says_what_is_unknown(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {each["model"]: each for each in gofer(capsys, "list", "--json")}
    assert list(found) == [
        "anthropic/claude-opus-4-6", "openrouter/z-ai/glm-4.7", "ollama/qwen3:4b", "work/secret-model",
        "shed/deepseek-chat", "claude-opus-4-6", "work/old",
    ]  # fmt: skip
    told = {name: (each["input"], each["output"], each["local"], each["uses"]) for name, each in found.items()}
    assert told["anthropic/claude-opus-4-6"] == (5.0, 25.0, False, ["alias best"])
    assert told["openrouter/z-ai/glm-4.7"] == (0.6, 2.2, False, ["alias cheap"])
    assert told["ollama/qwen3:4b"] == (None, None, True, ["alias home"])
    assert told["shed/deepseek-chat"] == (None, None, True, ["alias near"])
    assert told["work/secret-model"] == (None, None, False, ["alias mine"])
    assert told["claude-opus-4-6"] == (5.0, 25.0, False, ["the baseline"])
    assert told["work/old"] == (1.0, 2.0, False, ["your price"])
    assert (found["work/old"]["source"], found["work/old"]["dated"]) == ("config.toml", "2026-01-02")
    assert found["claude-opus-4-6"]["source"].startswith("genai-prices ")
    text = gofer(capsys, "list")
    assert "unknown" in text and "your own machine" in text and "hunter2" not in text


def test_one_model_is_shown_by_name_or_alias(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gofer(capsys, "show", "best", "--json")["input"] == 5.0
    assert "1 in, 2 out" in gofer(capsys, "show", "work/old")
    assert "At most 2.5 in and 15 out" in gofer(capsys, "show", "google/gemini-2.5-pro")
    assert "costs nothing" in gofer(capsys, "show", "home")
    unknown = gofer(capsys, "show", "mine", code=1)
    assert gofer(capsys, "show", "mine", "--json", code=1)["input"] is None
    assert "price is unknown" in unknown and '[prices."work/secret-model"]' in unknown


def test_an_import_goes_round(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tomllib.loads(CONFIG)
    done = gofer(capsys, "import", source(tmp_path), "--dated", "2026-11-02", "--json")
    assert (done["added"], done["kept"], done["replaced"], done["same"]) == (
        ["work/new", "openrouter/z-ai/glm-4.7"], ["work/old"], [], []
    )  # fmt: skip
    assert set(done["skipped"]) == {f"work/{name}" for name in ("unset", "silent", "words", "minus", "white space")}
    assert "0 there means that nobody has set it" in done["skipped"]["work/unset"]
    text = config.read_text()
    assert text.startswith(CONFIG), "everything that was there stays as it was, to the byte"
    after = tomllib.loads(text)
    assert after["prices"].pop("work/new") == {"input": 3.0, "output": 15.0, "dated": date(2026, 11, 2)}
    assert after["prices"].pop("openrouter/z-ai/glm-4.7") == {"input": 0.6, "output": 2.2, "dated": date(2026, 11, 2)}
    assert after == before
    loaded = load_settings(tmp_path, os.environ)
    assert loaded.findings == () and loaded.prices["work/new"].output == 15.0
    assert gofer(capsys, "show", "cheap", "--json")["source"] == "config.toml"


def test_what_is_stated_already_is_changed_only_on_request(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = gofer(capsys, "import", source(tmp_path))
    assert "kept      work/old" in said and "--replace changes it" in said
    assert f"2 prices written to {config}, as of {utc_now().date()}" in said
    again = gofer(capsys, "import", source(tmp_path), "--replace", "--json")
    assert (again["added"], again["replaced"], again["kept"]) == ([], ["work/old"], [])
    assert set(again["same"]) == {"work/new", "openrouter/z-ai/glm-4.7"}
    data = tomllib.loads(config.read_text())
    assert data["prices"]["work/old"] == {"input": 1.1, "output": 2.2, "dated": utc_now().date()}
    assert "# my own notes stay" in config.read_text()


def test_prices_per_million_are_taken_as_they_are_and_not_by_mistake(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = {"id": "new", "cost": {"input": 3, "output": 15}}
    file = source(tmp_path, {"models": {"providers": {"work": {"models": [model]}}}})
    assert "--per million" in gofer(capsys, "import", file, code=2)
    assert config.read_text() == CONFIG
    gofer(capsys, "import", file, "--per", "million")
    assert tomllib.loads(config.read_text())["prices"]["work/new"]["output"] == 15.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{ // a comment\n}", "not JSON"),
        ("[]", "names no models"),
        ('{"models": {"providers": []}}', "names no models"),
        ("[" * 100_000, "not JSON"),
        (
            '{"models": {"providers": {"w": {"models": [{"id": "x", "cost": {"input": 0.1, "output": 0.1}},'
            ' {"id": "x", "cost": {"input": 0.2, "output": 0.1}}]}}}}',
            "two prices",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told_and_changes_nothing(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    (tmp_path / "odd.json").write_text(text)
    assert says in gofer(capsys, "import", str(tmp_path / "odd.json"), code=2)
    assert config.read_text() == CONFIG
    assert "cannot be read" in gofer(capsys, "import", str(tmp_path / "none.json"), code=2)


@pytest.mark.parametrize("cost", ["9e999999", "1e999999999999999999", "1e-400"])
def test_a_number_that_no_price_can_be_is_left_out(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], cost: str
) -> None:
    model = f'{{"id": "x", "cost": {{"input": {cost}, "output": 0.1}}}}'
    (tmp_path / "odd.json").write_text(f'{{"models": {{"providers": {{"w": {{"models": [{model}]}}}}}}}}')
    assert "skipped   w/x" in gofer(capsys, "import", str(tmp_path / "odd.json"))
    assert "w/x" not in config.read_text()


PRICES = {"work/new": Price(input=3, output=15, dated=date(2026, 11, 2))}


def test_a_file_that_is_not_there_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    place = tmp_path / "new" / "config.toml"
    assert write_prices(place, PRICES, replace=False).added == ("work/new",)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert tomllib.loads(place.read_text())["prices"]["work/new"]["input"] == 3.0
    assert [path.name for path in place.parent.iterdir()] == ["config.toml"]


def test_rights_and_links_of_the_file_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.toml", tmp_path / "config.toml"
    real.write_text(CONFIG)
    real.chmod(0o640)
    link.symlink_to(real)
    write_prices(link, PRICES, replace=False)
    assert link.is_symlink() and stat.S_IMODE(real.stat().st_mode) == 0o640
    assert "work/new" in tomllib.loads(real.read_text())["prices"]


@pytest.mark.parametrize("text", ["[money\n", "\xff", 'prices = "none"\n', "x = 1\n" + "#" * 65_530])
def test_a_broken_file_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    place = tmp_path / "config.toml"
    place.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadConfig, match="nothing in it was changed"):
        write_prices(place, PRICES, replace=True)
    assert place.read_bytes() == text.encode("latin-1")


@pytest.mark.parametrize(
    "text",
    [
        'prices = {"work/old" = {input = 1.0, output = 2.0, dated = 2026-01-02}}\n[money]\nper_task_usd = 1\n',
        'prices."work/old".input = 1.0\nprices."work/old".output = 2.0\nprices."work/old".dated = 2026-01-02\n',
        "[prices]\n# none yet\n[money]\nper_task_usd = 1\n",
        '[prices."work/old"]\r\ninput = 1.0\r\noutput = 2.0\r\ndated = 2026-01-02\r\n\r\n[money]\r\n',
        "",
        "# nothing but a comment",
    ],
)
def test_every_way_to_write_the_table_is_understood(tmp_path: Path, text: str) -> None:
    place = tmp_path / "config.toml"
    place.write_bytes(text.encode())
    more = {**PRICES, "work/old": Price(input=7, output=8, dated=date(2026, 11, 2))}
    write_prices(place, more, replace=True)
    after, before = tomllib.loads(place.read_bytes().decode()), tomllib.loads(text)
    assert {key: Price(**price) for key, price in after.pop("prices").items()} == more
    assert after == {key: value for key, value in before.items() if key != "prices"}


keys = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,10}/[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,20}", fullmatch=True)
dollars = st.floats(0, 1_000_000, allow_nan=False)


@given(st.dictionaries(keys, st.builds(Price, input=dollars, output=dollars, dated=st.dates()), max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_is_read_back(tmp_path: Path, prices: dict[str, Price]) -> None:
    place = tmp_path / "config.toml"
    place.write_text(CONFIG)
    write_prices(place, prices, replace=True)
    after = tomllib.loads(place.read_text("utf-8"))
    assert {key: Price(**after["prices"][key]) for key in prices} == prices
    assert {**after, "prices": 0} == {**tomllib.loads(CONFIG), "prices": 0}
    assert tomlkit.parse(place.read_text("utf-8")).unwrap() == after
