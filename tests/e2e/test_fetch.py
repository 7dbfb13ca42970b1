"""Fetching end to end: a file is dropped, a server on loopback answers what the real API answered, and a commit holds
the report and the history."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support import QUICK, House, eventually
from tests.support import clone, git, make_vault
from tests.web.server import Server, json_say, say, serving

RECORDED = Path(__file__).parent.parent / "data" / "dexscreener"
SUI = "0x51e883ba7c0b566a26cbc8a94cd33eb0abd418a77cc1e60ad22fd9b1f29cd2ab"
ASKED = f"type: fetch\nsource: dexscreener-pairs\nchain: sui\npair: '{SUI}'"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        body = (RECORDED / "pairs-sui.json").read_bytes()
        running.on(f"/latest/dex/pairs/sui/{SUI}", say(body, "application/json; charset=utf-8"))
        yield running


def _here(root: Path, server: Server) -> None:
    """The shipped source as the person of this vault keeps it: with the address of their own server."""
    path = root / "prompts/sources/dexscreener-pairs.md"
    path.write_text(path.read_text("utf-8").replace("https://api.dexscreener.com", server.url), "utf-8")


def _open(house: House, server: Server) -> None:
    house.config.write_text(QUICK + server.config, "utf-8")
    _here(house.root, server)


def test_a_pair_of_dexscreener_from_the_dropped_file_to_the_commit(house: House, server: Server) -> None:
    _open(house, server)
    before = int(house.git("rev-list", "--count", "HEAD"))
    with house.worker():
        house.drop("sui.md", f"---\nstatus: open\n{ASKED}\nalert: price > 1\n---\nThe price of USDC in SUI's pool.\n")
        eventually(lambda: not house.inbox(), what="the task left the inbox")
    report = house.report("sui") or ""
    header = house.header("sui")
    assert (header["status"], header["role"], header["tier"]) == ("done", "data", "trivial")
    assert "threshold: dexscreener-pairs USDC/SUI 0x51e8…d2ab: price" in report
    assert "price is 1.0015 USD, alert price" in report
    assert "| USDC/SUI | cetus |" in report
    assert '"liquidity":"1039196.25"' in report
    assert "- [ ] Lead to look at threshold" in report
    (csv,) = (house.root / "memory/qwen-worker/data-reports/dexscreener-pairs").glob("*.csv")
    assert csv.read_text("utf-8").splitlines()[0].startswith("time,key,price (USD),change_24h (%)")
    assert int(house.git("rev-list", "--count", "HEAD")) == before + 1
    changed = house.git("show", "--name-only", "--format=", "HEAD").split("\n")
    assert str(csv.relative_to(house.root)) in changed
    assert [path.parent.parent.name for path in house.memory("qwen-worker")] == ["data-reports"]
    assert "?? memory" not in house.git("status", "--porcelain")


def test_thresholds_over_two_runs_and_a_chart_of_the_history(house: House, server: Server) -> None:
    house.config.write_text(QUICK + server.config, "utf-8")
    server.on("/coin", json_say({"price": "0.00001234"}), json_say({"price": "0.00001111"}))
    header = (
        f"status: open\ntype: fetch\nurl: {server.url}/coin\nfields: [price = price]\nunits: [price = USD]\n"
        'alert: ["price falls > 5%"]'
    )
    house.drop("first.md", f"---\n{header}\n---\nOnce.\n")
    house.once()
    house.drop("second.md", f"---\n{header}\n---\nTwice.\n")
    house.once()
    first, second = house.report("first") or "", house.report("second") or ""
    assert "threshold" not in first and "mermaid" not in first
    assert "price is 0.00001111 USD, alert price falls \\> 5% (before: 0.00001234 USD, -9.97 %" in second
    assert "```mermaid\nxychart-beta\n" in second and "line [0.00001234, 0.00001111]" in second


def test_a_server_that_is_down_is_a_failed_run_that_says_what_was_last(house: House, server: Server) -> None:
    _open(house, server)
    house.drop("one.md", f"---\nstatus: open\n{ASKED}\n---\nOne.\n")
    house.once()
    server.on(f"/latest/dex/pairs/sui/{SUI}", say("busy", status=500))
    house.drop("two.md", f"---\nstatus: open\n{ASKED}\n---\nTwo.\n")
    house.once(code=1)
    assert house.header("two")["status"] == "failed"
    report = house.report("two") or ""
    assert "it answered HTTP 500 (4 tries)" in report and "price (USD) 1.0015" in report
    assert "## Raw Data\n```text\n(none)" in report


def test_s25_a_server_that_echoes_a_secret_keeps_no_history_out_of_git(house: House, server: Server) -> None:
    _open(house, server)
    secret = "5ecret-of-this-machine"
    server.on("/x", json_say({"price": 12, "echo": f"hello {secret}"}))
    house.env["HOUSE_TOKEN"] = secret
    house.drop(
        "e.md", f"---\nstatus: open\ntype: fetch\nurl: {server.url}/x\nfields: [price = price, echo = echo]\n---\n"
    )
    assert [record.status for record in house.drain()] == ["done"]
    (path,) = (house.root / "memory/qwen-worker/data-reports").rglob("*.csv")
    assert "12,hello [redacted:known-value]" in path.read_text()
    assert path.name in house.git("ls-files")
    assert secret.encode() not in house.objects()


def test_a_request_in_plain_english_finds_its_address(house: House, server: Server) -> None:
    house.config.write_text(QUICK + server.config, "utf-8")
    server.on("/api/v2/status.json", json_say({"page": {"id": "x"}, "status": {"indicator": "none"}}))
    house.drop("ask.md", f"---\nstatus: open\n---\nFetch {server.url}/api/v2/status.json and tell me the indicator\n")
    house.once()
    assert "indicator none" in (house.report("ask") or "")


def test_another_clone_compares_with_what_this_one_recorded(tmp_path: Path, server: Server) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    hub = tmp_path / "hub.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(hub))
    first = make_vault(tmp_path / "one", config=server.config, remote=str(hub))
    server.on("/coin", json_say({"price": 80}), json_say({"price": 100}))
    first.write("prompts/sources/coin.md", f"---\nurl: {server.url}/coin\nfields: [price = price]\n---\n")
    first.commit()
    first.drop("a.md", "---\nstatus: open\ntype: fetch\nsource: coin\n---\nA\n")
    first.run_once(ok=(0,))
    second = clone(first, tmp_path / "two")
    second.git("remote", "set-url", "origin", str(hub))
    second.drop("b.md", "---\nstatus: open\ntype: fetch\nsource: coin\n---\nB\n")
    second.run_once(ok=(0,))
    (report,) = [text for name, text in second.reports().items() if name.startswith("b-")]
    assert "coin: price 100 (+25.00 %)" in report
    assert "line [80, 100]" in report
    names = [Path(path).name.split("-")[0] for path in second.tracked("memory/qwen-worker/data-reports/coin")]
    assert names == ["w1", "w2"]


def test_every_process_of_a_clone_writes_a_history_of_its_own(house: House, server: Server) -> None:
    house.config.write_text(QUICK + server.config, "utf-8")
    count = itertools.count()
    server.on("/coin", lambda _: json_say({"price": next(count)}, delay=0.2))
    with house.worker("--workers", "3"):
        for number in range(9):
            header = f"status: open\ntype: fetch\nurl: {server.url}/coin\nfields: [price = price]"
            house.drop(f"t{number}.md", f"---\n{header}\n---\nNumber {number}.\n")
        eventually(lambda: not house.inbox(), 40, what="the tasks left the inbox")
    files = list((house.root / "memory/qwen-worker/data-reports").rglob("*.csv"))
    values = sorted(line.split(",")[2] for file in files for line in file.read_text("utf-8").splitlines()[1:])
    assert values == [str(number) for number in range(9)]
    assert len(server.requests) == 9  # no run was in another's way, and none had to be repeated
    assert {house.header(name)["worker"] for name in house.reports()} == {file.name.rsplit("-", 3)[0] for file in files}
