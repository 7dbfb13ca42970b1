"""I7: whatever a task asks for, no connection is made to where none may be made. The interpreter itself keeps count."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import GoferError
from tests.web.conftest import Opener
from tests.web.server import Server, redirect

ROOT = Path(__file__).parent.parent.parent
# Every connection and every datagram's destination of the process, by an audit hook (PEP 578), which cannot be taken
# off again: so this is a process of its own. A datagram socket only chooses a route: nothing leaves by it.
PROBE = """
import json, socket, sys
made = []
def hook(event, args):
    if event == "socket.connect" and args[0].type == socket.SOCK_STREAM:
        made.append(list(args[1][:2]))
    if event in ("socket.sendto", "socket.sendmsg"):
        made.append([event])
sys.addaudithook(hook)
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from agent.config.tables import Network
from agent.errors import GoferError
from agent.web import Door
said = json.load(sys.stdin)
names = said["names"]
network = Network(allowed_hosts=said["allowed"])
door = Door(network, {}, Path(said["rates"]), resolve=lambda host, _: names.get(host, []))
web = door.opened(lambda: None)
outcomes = []
for url in said["urls"]:
    for ask in (web.get, lambda url: web.post(url, b"x")):
        try:
            outcomes.append(ask(url).status)
        except GoferError as error:
            outcomes.append(type(error).__name__)
print(json.dumps({"made": made, "outcomes": outcomes}))
"""


def test_i7_no_connection_is_made_but_to_the_host_that_is_allowed(server: Server, tmp_path: Path) -> None:
    names = {
        "one.example": ["10.0.0.1"], "two.example": ["93.184.215.14", "127.0.0.1"], "meta.example": ["169.254.169.254"],
        "six.example": ["::1"], "mapped.example": ["::ffff:127.0.0.1"], "link.example": ["fe80::1%lo"],
        "localhost": ["127.0.0.1", "::1"], "nat.example": ["64:ff9b::7f00:1"],
    }  # fmt: skip
    hosts = [
        *names, "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]",
        "[::]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "169.254.169.254", "10.0.0.1", "192.168.0.1", "100.64.0.1",
        "user@127.0.0.1", "127.0.0.1.", "１２７.0.0.1", "127.0.0.2", "nowhere.example", "[fd00:ec2::254]",
    ]  # fmt: skip
    urls = [f"{scheme}://{host}{port}/" for scheme in ("http", "https") for host in hosts for port in ("", ":11434")]
    server.on("/go", redirect("http://127.0.0.1:11434/"))
    server.on("/meta", redirect("http://meta.example/"))
    urls += [f"{server.url}/go", f"{server.url}/meta"]
    asked = {"urls": urls, "names": names, "allowed": [server.address], "rates": str(tmp_path / "rates")}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(ROOT)], input=json.dumps(asked), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["outcomes"]) <= {"Refused", "ServerAway"}
    assert found["made"] == [["127.0.0.1", server.port]] * 2  # the two that passed on, and nothing else
    assert len(server.requests) == 2


def test_a_setting_that_cannot_be_read_grants_nothing_and_is_told_when_it_is_used(opener: Opener) -> None:
    web = opener().granted("https://user@bad.example/", "ftp://x/", "")
    assert web.policy.granted == frozenset()
    with pytest.raises(GoferError, match="is not fetched"):
        web.post("https://user@bad.example/", b"x")
