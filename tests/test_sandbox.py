"""The sandbox: real bubblewrap, commands that look for what they must not find, and machines without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent import process, sandbox
from agent.errors import Refused, TimeUp
from agent.limits import Limits
from agent.sandbox import Box, Sandbox
from tests.crew.support import alive
from tests.support import BWRAP, wait_for

ROOT = Path(__file__).parents[1]
WORKS = sandbox.find(os.environ)
REAL = pytest.mark.skipif(WORKS.path is None, reason=f"no sandbox can be made here: {WORKS.trouble}")
BASE = {"PATH": os.environ["PATH"]}

Run = Callable[..., process.Finished]


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """An executable Python script of the machine's own Python, in a folder of the person's."""

    def script(code: str) -> Path:
        path = tmp_path / "bin" / "check"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable}\nimport json, os, socket, sys, time\n{code}\n")
        path.chmod(0o755)
        return path

    return script


@pytest.fixture
def run(tmp_path: Path, script: Callable[[str], Path]) -> Run:
    """Run a piece of Python inside; keywords are those of its box."""
    folder = tmp_path / "run"
    folder.mkdir()

    def run(
        code: str, timeout: float = 30.0, stop: Callable[[], bool] = lambda: False, limits: Limits | None = None,
        env: dict[str, str] | None = None, **box: Any,
    ) -> process.Finished:  # fmt: skip
        ready = Sandbox("restricted", os.environ).ready(
            [str(script(code))], env or BASE, Box(folder, box.pop("cwd", folder), **box), where="[checks.x]",
            wanted=True, must=True,
        )  # fmt: skip
        assert ready.inside
        return process.run(
            ready.argv, cwd=folder, stdin=b"", env=ready.env, timeout=timeout, stop=stop, limits=limits or Limits()
        )

    return run


@pytest.fixture
def loopback() -> Iterator[int]:
    """The port of a server of this machine's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


# -- inside ----------------------------------------------------------------------------------------------------------


@REAL
def test_a_check_inside_sees_its_own_folder_and_no_other_file_of_the_persons(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    code = f"""
open("mine", "w").write("x")
print(json.dumps([os.getcwd(), sorted(os.listdir({str(tmp_path)!r})), os.path.exists({str(Path.home() / ".ssh")!r}),
                  os.environ["HOME"], os.environ["TMPDIR"], os.path.exists("/etc/shadow"), os.path.exists("/var")]))
"""
    done = run(code)
    assert done.code == 0, done.stderr
    folder, seen, keys, home, temporary, shadow, var = json.loads(done.stdout)
    assert folder == f"{tmp_path}/run" and seen == ["bin", "run"]
    assert (home, temporary) == ("/tmp", "/tmp")
    assert not (keys or shadow or var)
    assert (tmp_path / "run/mine").read_text() == "x"


@REAL
@pytest.mark.parametrize("shell", ["/bin/sh", "/usr/bin/sh", "/usr/bin/env"])
def test_a_program_of_the_systems_brings_nothing_of_the_machine_with_it(tmp_path: Path, shell: str) -> None:
    argv = [shell, *(["sh"] if shell.endswith("env") else []), "-c", "ls -A / && echo > /dev/null"]
    box = Box(tmp_path, tmp_path)
    ready = Sandbox("auto", os.environ).ready(argv, BASE, box, where="x", wanted=True, must=True)
    done = process.run(ready.argv, cwd=tmp_path, stdin=b"", env=ready.env, timeout=30, stop=lambda: False)
    seen = set(done.stdout.decode().split())
    assert seen <= {*(name[1:] for name in sandbox._SYSTEM), "dev", "etc", "proc", "tmp"}, seen
    assert done.code == 0, done.stderr


@REAL
def test_a_virtual_environment_is_seen_with_the_python_that_made_it(tmp_path: Path) -> None:
    """Its programs name the Python in it, which is a link out of it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    tool = tmp_path / "venv/bin/tool"
    tool.write_text(f"#!{tmp_path}/venv/bin/python\nimport json, sys; print(sys.prefix)\n")
    tool.chmod(0o755)
    (tmp_path / "run").mkdir()
    box = Box(tmp_path / "run", tmp_path / "run")
    ready = Sandbox("auto", os.environ).ready([str(tool)], BASE, box, where="x", wanted=True, must=True)
    done = process.run(ready.argv, cwd=box.folder, stdin=b"", env=ready.env, timeout=30, stop=lambda: False)
    assert done.stdout.decode() == f"{tmp_path}/venv\n", done.stderr


@REAL
def test_the_system_and_the_readable_folders_are_read_only_and_the_writable_ones_are_not(
    run: Run, tmp_path: Path
) -> None:
    for name in ("read", "write", "write/kept"):
        (tmp_path / name).mkdir()
    code = f"""
def tries(path):
    try: open(path, "w").write("x")
    except OSError as error: return error.strerror
    return "written"
print(json.dumps([tries(path) for path in ("/usr/x", "/etc/x", {f"{tmp_path}/read/x"!r}, {f"{tmp_path}/write/x"!r},
                  {f"{tmp_path}/write/kept/x"!r}, "/tmp/x")]))
"""
    done = run(code, readable=(tmp_path / "read",), writable=(tmp_path / "write",))
    refused = "Read-only file system"
    assert json.loads(done.stdout) == [refused, "written", refused, "written", "written", "written"]
    assert (tmp_path / "write/x").exists() and not (tmp_path / "read/x").exists()
    assert not Path("/etc/x").exists(), "its /etc was its own"


@REAL
def test_s29_what_is_hidden_stays_so_inside_a_listed_folder_unless_it_is_listed_itself(
    run: Run, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/id").write_text("key")
    (home / "config.toml").write_text("key")
    (home / "vault/inbox").mkdir(parents=True)
    (home / "vault/inbox/note").write_text("private")
    hidden = (home / ".ssh", home / "config.toml", home / "vault", home / "nothing")
    code = f"""
h = {str(home)!r}
try: config = open(h + "/config.toml").read()
except PermissionError: config = ""
print(json.dumps([os.listdir(h + "/.ssh"), config, os.listdir(h + "/vault")]))
"""
    assert json.loads(run(code, readable=(home,), hidden=hidden).stdout) == [[], "", []]
    listed = run(code, readable=(home, home / "vault/inbox"), hidden=hidden)
    assert json.loads(listed.stdout) == [[], "", ["inbox"]]
    assert json.loads(run(code, readable=(home / ".ssh", home), hidden=hidden).stdout)[0] == ["id"]


@REAL
def test_there_is_no_network_inside_unless_the_check_may_have_it(run: Run, loopback: int) -> None:
    code = f"""
try: socket.create_connection(("127.0.0.1", {loopback}), 3); print("reached")
except OSError as error: print(type(error).__name__)
"""
    assert run(code).stdout == b"ConnectionRefusedError\n"
    assert run(code, network=True).stdout == b"reached\n"


@REAL
def test_s26_inside_it_is_alone_with_the_environment_that_it_was_given(run: Run, tmp_path: Path) -> None:
    leaked = os.open(tmp_path / "leak", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(leaked, True)
    code = """
print(json.dumps([sorted(set(os.environ) - {"PWD", "LC_CTYPE"}), [p for p in os.listdir("/proc") if p.isdigit()],
    [f for f in range(3, 100) if os.path.exists(at := f"/proc/self/fd/{f}") and "/proc" not in os.readlink(at)],
    [line for line in open("/proc/self/status") if line.startswith("CapEff")][0].split()[1]]))
"""
    try:
        done = run(code, env={"GIVEN": "1"})
    finally:
        os.close(leaked)
    names, processes, files, capabilities = json.loads(done.stdout)
    assert names == ["GIVEN", "GOFER_CHILD", "HOME", "TMPDIR"]
    assert len(processes) <= 3, "itself and what bubblewrap needs"
    assert files == [] and int(capabilities, 16) == 0


@REAL
def test_s28_a_daemon_that_left_everything_behind_ends_with_its_check(run: Run, tmp_path: Path) -> None:
    code = """
if os.fork():
    while not os.path.exists("up"): time.sleep(0.01)
    sys.exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.execve("/bin/sh", ["sh", "-c", "while :; do : > up; sleep 0.05; done"], {"PATH": "/bin"})
"""
    assert run(code).code == 0
    assert not find_processes(f"{tmp_path}/run"), "though it took the mark off"


@REAL
def test_s28_a_fork_bomb_inside_is_killed_whole(run: Run, tmp_path: Path) -> None:
    code = "for _ in range(200):\n    if not os.fork(): os.setsid(); time.sleep(600)\ntime.sleep(600)"
    with pytest.raises(TimeUp, match="more than 30 processes"):
        run(code, limits=Limits(processes=30))
    wait_for(lambda: not find_processes(f"{tmp_path}/run"), what="all are gone")


@REAL
def test_s28_memory_files_output_and_time_are_bounded_inside_as_well(run: Run, tmp_path: Path) -> None:
    done = run("bytearray(1 << 29)", limits=Limits(memory=1 << 28))
    assert done.code == 1 and b"MemoryError" in done.stderr
    done = run("f = open('big', 'wb'); f.write(b'x' * 100_000); f.flush()", limits=Limits(file_size=5000))
    assert done.code != 0 and (tmp_path / "run/big").stat().st_size <= 5000
    assert run("while True: os.write(1, b'y' * 4096)", limits=Limits(output=10_000)).cut
    code = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen('up', 'w').close()\ntime.sleep(600)"
    with pytest.raises(TimeUp):
        run(code, stop=(tmp_path / "run/up").exists)
    wait_for(lambda: not find_processes(f"{tmp_path}/run"), what="it is gone")


@REAL
def test_s28_what_runs_inside_ends_with_us_even_if_we_are_killed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    script = f"""
import os
from pathlib import Path
from agent import process
from agent.sandbox import Box, Sandbox
folder = Path({str(tmp_path / "run")!r})
argv = ["/bin/sh", "-c", ": > up; sleep 600 & sleep 600"]
ready = Sandbox("auto", os.environ).ready(argv, {{}}, Box(folder, folder), where="x", wanted=True, must=True)
process.run(ready.argv, cwd=folder, stdin=b"", env=ready.env, timeout=500, stop=lambda: False)
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT) as ours:
        wait_for((tmp_path / "run/up").exists, what="the command runs")
        assert find_processes(f"{tmp_path}/run")
        ours.send_signal(signal.SIGKILL)
    wait_for(lambda: not find_processes(f"{tmp_path}/run"), what="all ended with us")


@REAL
def test_a_program_that_the_sandbox_hides_is_told_from_a_check_that_fails(run: Run, tmp_path: Path) -> None:
    done = run("sys.exit(1)")
    assert sandbox.failed_to_start(done.code, done.stderr) == ""
    argv = [str(tmp_path / "hidden")]
    Path(argv[0]).write_text(f"#!{tmp_path}/interpreter\n")
    Path(argv[0]).chmod(0o755)
    box = Box(tmp_path / "run", tmp_path / "run")
    ready = Sandbox("auto", os.environ).ready(argv, {}, box, where="x", wanted=True, must=True)
    done = process.run(ready.argv, cwd=box.folder, stdin=b"", env={}, timeout=30, stop=lambda: False)
    assert "No such file" in sandbox.failed_to_start(done.code, done.stderr)


# -- whether there is one --------------------------------------------------------------------------------------------


def bare(tmp_path: Path, bwrap: str = "") -> dict[str, str]:
    """The environment of a machine without bubblewrap, or with another one."""
    folder = tmp_path / "programs"
    folder.mkdir()
    if bwrap:
        (folder / "bwrap").write_text(bwrap)
        (folder / "bwrap").chmod(0o755)
    return {"PATH": str(folder)}


def asked(level: sandbox.Level, env: dict[str, str], tmp_path: Path, *, must: bool) -> sandbox.Ready:
    box = Box(tmp_path, tmp_path)
    return Sandbox(level, env).ready(["/bin/true"], {}, box, where="[checks.x]", wanted=level != "full", must=must)


@pytest.mark.parametrize("bwrap", ["", "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n"])
def test_s29_without_a_working_sandbox_what_must_be_inside_is_refused_and_the_rest_says_so(
    tmp_path: Path, bwrap: str
) -> None:
    env = bare(tmp_path, bwrap)
    found = sandbox.find(env)
    assert found.path is None and found.trouble in sandbox.Sandbox("auto", env).words()
    with pytest.raises(Refused, match="only in a sandbox") as caught:
        asked("auto", env, tmp_path, must=True)
    assert caught.value.why == found.trouble and 'level = "full"' in caught.value.fix
    ready = asked("auto", env, tmp_path, must=False)
    assert (ready.inside, ready.argv) == (False, ("/bin/true",))
    assert ready.words == f"none: {found.trouble}"
    assert "do not run" in Sandbox("restricted", env).words()


def test_full_never_looks_for_one_and_says_so(tmp_path: Path) -> None:
    ready = asked("full", bare(tmp_path, "#!/bin/sh\necho called >> called\n"), tmp_path, must=False)
    assert not ready.inside and ready.words == "none, as the settings say"
    assert not (tmp_path / "called").exists()


def test_what_says_that_it_must_be_inside_is_so_even_at_full(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="only in a sandbox"):
        asked("full", bare(tmp_path), tmp_path, must=True)


@REAL
def test_s29_a_machine_that_forbids_namespaces_is_recognised_by_trying(tmp_path: Path) -> None:
    """Really so: in a sandbox that lets nobody make another one."""
    outer = [
        str(BWRAP), "--unshare-user", "--disable-userns", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev",
        "--proc", "/proc", "--bind", str(tmp_path), str(tmp_path), "--chdir", str(ROOT), "--",
    ]  # fmt: skip
    if subprocess.run([*outer, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this bubblewrap is older than 0.8 and cannot forbid namespaces")
    code = "import os; from agent.sandbox import find; f = find(os.environ); print(f.path, f.trouble, f.fix, sep='|')"
    said = subprocess.run([*outer, sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    path, trouble, fix = said.strip().split("|")
    assert path == "None" and trouble.startswith("bubblewrap does not work here (bwrap: ")
    assert "user namespaces" in fix


def find_processes(word: str) -> list[int]:
    """The processes that work in that folder now."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "cwd") == word and alive(int(folder.name)):
                found.append(int(folder.name))
        except OSError:
            continue
    return found
