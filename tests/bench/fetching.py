"""The row on `fetch`: many sources at once in a running worker, from servers on several hosts, one of them slow.

The naive way beside it asks the same addresses one after the other. The slowest host is what nobody can be faster than;
the rates of the hosts are kept throughout: no host is asked more often in a minute than this machine's settings say.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.bench import workers
from tests.bench.place import Place, Vault, until
from tests.bench.rows import Row, Size
from tests.web.server import Server, json_say, serving

SOURCES = 50
HOSTS = 10
USUAL, SLOW = 0.2, 2.0  # seconds until a host answers
RATE = 60  # requests a minute to one host, the default
TARGET = 1.5  # times the slowest host


def fifty(place: Place, size: Size) -> Iterator[Row]:
    """Seconds of the run as the ledger says, which has no settling and no commit in it."""
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(host=f"127.0.0.{number}")) for number in range(1, HOSTS + 1)]
        took, most, naive = [], 0, 0.0
        for _ in range(size.rounds):
            for server in servers:
                server.requests.clear()
            urls = _scripted(servers)
            began = time.perf_counter()
            for url in urls:
                urllib.request.urlopen(url, timeout=30).read()
            naive = time.perf_counter() - began
            for server in servers:
                server.requests.clear()
            took.append(_run(place, servers, urls))
            most = max(most, *(len(server.requests) for server in servers))
    seconds = median(took)
    kept = most <= RATE
    yield Row(
        f"{SOURCES} sources on {HOSTS} hosts ({USUAL:g} s each, one {SLOW:g} s), one task; at most {most} requests to "
        f"a host, {RATE} a minute allowed",
        f"{seconds:.2f} s", f"{naive:.1f} s", f"{seconds / SLOW:.2f} of the slowest", f"≤ {TARGET:g} of it",
        kept and seconds <= TARGET * SLOW,
    )  # fmt: skip


def _scripted(servers: list[Server]) -> list[str]:
    urls = []
    for number in range(SOURCES):
        server = servers[number % HOSTS]
        delay = SLOW if number % HOSTS == 0 else USUAL
        server.on(f"/{number}", json_say({"price": f"{number}.5"}, delay=delay))
        urls.append(f"{server.url}/{number}")
    return urls


def _run(place: Place, servers: list[Server], urls: list[str]) -> float:
    vault = place.vault(100)
    config = place.root / f"fetch-{time.monotonic_ns()}.toml"
    hosts = json.dumps([server.address for server in servers])
    config.write_text(f'[worker]\nname = "bench"\n[network]\nallowed_hosts = {hosts}\n', "utf-8")
    folder = vault.path / "prompts" / "sources"
    for number, url in enumerate(urls):
        text = f"---\nurl: {url}\nfields: [price:number = price]\nunits: [price = USD]\n---\n"
        (folder / f"bench-{number:02}.md").write_text(text, "utf-8")
    with workers.gofer(vault, place.env(GOFER_CONFIG=str(config))):
        text = "---\nstatus: open\ntype: fetch\nsource: 'bench-*'\n---\nAll of them.\n"
        (vault.path / "inbox" / "all.md").write_text(text, "utf-8")
        until(lambda: bool(_lines(vault)), 60, "the report", every=0.01)
    (line,) = _lines(vault)
    if line["status"] != "done":
        raise RuntimeError(f"the run ended {line['status']}")
    rows = Counter(path.parent.name for path in (vault.path / "memory/qwen-worker/data-reports").rglob("*.csv"))
    if len(rows) != SOURCES:
        raise RuntimeError(f"{len(rows)} sources were recorded, not {SOURCES}")
    return float(line["duration_s"])


def _lines(vault: Vault) -> list[dict[str, object]]:
    files = sorted((vault.path / "memory" / "ledger").glob("*.jsonl"))
    lines = [json.loads(line) for file in files for line in Path(file).read_text("utf-8").splitlines()]
    return [line for line in lines if line["type"] == "fetch"]
