"""Child processes: real ones, that misbehave in every way we know."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from agent import process
from agent.errors import Refused, TimeUp
from agent.limits import Limits
from tests.crew.support import alive
from tests.support import wait_for

ENV = {"PATH": os.environ["PATH"]}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def never() -> bool:
    return False


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., process.Finished]:
    """Run a piece of Python, or an argument list."""

    def run(
        code: str | list[str], stdin: bytes = b"", env: Mapping[str, str] = ENV, timeout: float = 30.0,
        stop: Callable[[], bool] = never, **limits: int,
    ) -> process.Finished:  # fmt: skip
        argv = [sys.executable, "-c", code] if isinstance(code, str) else code
        return process.run(
            argv, cwd=tmp_path, stdin=stdin, env=env, timeout=timeout, stop=stop, limits=Limits(**limits)
        )

    return run


Run = Callable[..., process.Finished]


def test_both_streams_the_exit_code_and_the_folder_are_those_of_the_command(run: Run, tmp_path: Path) -> None:
    done = run("import os, sys; print(os.getcwd()); sys.stderr.write('oh'); sys.exit(7)")
    assert (done.stdout, done.stderr, done.code, done.cut) == (f"{tmp_path}\n".encode(), b"oh", 7, False)
    assert done.seconds > 0


def test_a_long_input_and_a_long_output_do_not_wait_for_each_other(run: Run) -> None:
    data = os.urandom(900_000).hex().encode()
    code = "import sys\nwhile d := sys.stdin.buffer.read1(100): sys.stdout.buffer.write(d); sys.stdout.buffer.flush()"
    assert run(code, stdin=data, output=1 << 22).stdout == data


def test_a_command_that_reads_nothing_still_ends(run: Run) -> None:
    assert run(["/bin/sh", "-c", "echo fine"], stdin=b"x" * 1_000_000).stdout == b"fine\n"


def test_s26_a_child_has_only_the_environment_it_is_given_and_its_three_streams(run: Run, tmp_path: Path) -> None:
    secret = os.open(tmp_path / "secret", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(secret, True)
    code = (
        "import json, os; print(json.dumps([dict(os.environ), [f for f in range(3, 300) if os.path.exists("
        "f'/dev/fd/{f}') and os.path.realpath(f'/dev/fd/{f}') != f'/proc/{os.getpid()}/fd'], os.getsid(0)]))"
    )
    try:
        env, open_files, session = json.loads(run([sys.executable, "-I", "-c", code], env={"GIVEN": "1"}).stdout)
    finally:
        os.close(secret)
    env.pop("LC_CTYPE", None)  # the interpreter of this very test
    assert env.pop("GOFER_CHILD") and env == {"GIVEN": "1"}
    assert open_files == []
    assert session != os.getsid(0)


def test_a_shell_child_sees_no_locale_that_it_was_not_given(run: Run) -> None:
    said = run(["/usr/bin/env"], env={"A": "b"}).stdout.decode().splitlines()
    assert sorted(line.partition("=")[0] for line in said) == ["A", "GOFER_CHILD"]


def test_s28_output_without_end_is_cut_and_the_command_is_killed(run: Run) -> None:
    done = run("import os\nwhile True: os.write(1, b'y' * 4096)", output=10_000)
    assert done.cut and done.stdout == b"y" * 10_000


def test_errors_without_end_fill_no_memory_and_their_end_is_kept(run: Run) -> None:
    done = run("import sys; sys.stderr.write('a' * 3_000_000 + 'last words')")
    assert done.code == 0 and done.stderr.endswith(b"last words") and len(done.stderr) == process.ERRORS


def test_the_time_limit_ends_a_command_that_ignores_term_and_what_it_started(run: Run, tmp_path: Path) -> None:
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "for _ in range(3): os.fork()\n"
        "open(f'pid-{os.getpid()}', 'w').close()\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(TimeUp, match="did not end within 1 s"):
        run(code, timeout=1.0)
    pids = [int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")]
    assert len(pids) == 8
    wait_for(lambda: not any(alive(pid) for pid in pids), what="all eight are gone")


def test_a_command_that_ends_in_order_on_term_may_do_so(run: Run, tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (open('tidied', 'w').close(), sys.exit(0)))\n"
        "open('ready', 'w').close()\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(TimeUp):
        run(code, stop=(tmp_path / "ready").exists)
    assert (tmp_path / "tidied").exists()


def test_stop_ends_a_command_at_once(run: Run) -> None:
    flag = threading.Event()
    threading.Timer(0.2, flag.set).start()
    with pytest.raises(TimeUp, match="was stopped"):
        run("import time; time.sleep(600)", timeout=500, stop=flag.is_set)


def test_what_a_command_leaves_in_the_background_ends_with_it(run: Run, tmp_path: Path) -> None:
    run(["/bin/sh", "-c", "sleep 600 & echo $! > pid"])
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: not alive(pid), what="the background process is gone")


@LINUX
def test_what_left_for_a_session_of_its_own_ends_too(run: Run, tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "if os.fork(): time.sleep(0.5); os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "open('pid', 'w').write(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    assert run(code).code == 0
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: not alive(pid), what="the daemon is gone")


def test_a_command_that_closed_its_streams_is_waited_for(run: Run, tmp_path: Path) -> None:
    code = "import os, time\nfor f in range(3): os.close(f)\ntime.sleep(0.3); open('end', 'w').close(); os._exit(5)"
    assert run(code).code == 5 and (tmp_path / "end").exists()


@LINUX
def test_memory_is_bounded(run: Run) -> None:
    done = run("x = bytearray(1 << 29)\nprint(len(x))", memory=1 << 28)
    assert done.code == 1 and b"MemoryError" in done.stderr
    assert run("x = bytearray(1 << 20)\nprint(len(x))", memory=1 << 28).code == 0


def test_one_file_is_bounded_and_no_core_is_left(run: Run, tmp_path: Path) -> None:
    done = run("import os\nf = open('big', 'wb')\nf.write(b'x' * 100_000); f.flush()", file_size=5_000)
    assert done.code != 0 and (tmp_path / "big").stat().st_size <= 5_000
    said = run("import resource; print(resource.getrlimit(resource.RLIMIT_CORE))").stdout
    assert said == b"(0, 0)\n"


@LINUX
def test_s28_a_command_that_forks_without_end_is_killed_with_all_that_it_forked(run: Run, tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "for number in range(500):\n"
        "    if not os.fork(): open(f'pid-{os.getpid()}', 'w').close(); time.sleep(600)\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(TimeUp, match="more than 20 processes and was killed"):
        run(code, processes=20)
    pids = [int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")]
    assert len(pids) > 20
    wait_for(lambda: not any(alive(pid) for pid in pids), what="all are gone")


def test_s28_a_command_ends_before_the_disk_is_full(run: Run, tmp_path: Path) -> None:
    with pytest.raises(TimeUp, match="MiB are left on the disk") as caught:
        run("import time; print('on my way', flush=True); time.sleep(600)", free=1 << 60)
    assert caught.value.where == str(tmp_path)


def test_what_a_command_said_before_its_time_was_up_is_not_lost(run: Run, tmp_path: Path) -> None:
    code = "import sys, time\nprint('first', flush=True); print('second', file=sys.stderr, flush=True)\n"
    code += "open('said', 'w').close(); time.sleep(600)"
    with pytest.raises(TimeUp) as caught:
        run(code, stop=(tmp_path / "said").exists)
    assert (caught.value.stdout, caught.value.stderr) == (b"first\n", b"second\n")


def test_a_program_that_is_not_there_is_refused_with_the_fix(run: Run, tmp_path: Path) -> None:
    for name in ("gofer-no-such-program", str(tmp_path / "none"), "./tool"):
        with pytest.raises(Refused, match=r"is not there.*absolute path"):
            run([name])


def test_a_program_that_cannot_be_executed_is_refused_with_the_fix(run: Run, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    with pytest.raises(Refused, match="chmod"):
        run([str(tool)])


@pytest.mark.parametrize("first", ["#!/no/such/interpreter", "no script at all"])
def test_a_script_that_nothing_can_run_is_refused(run: Run, tmp_path: Path, first: str) -> None:
    tool = tmp_path / "tool"
    tool.write_text(f"{first}\n")
    tool.chmod(0o755)
    with pytest.raises(Refused, match="could not be started"):
        run([str(tool)])


def test_a_signal_is_a_negative_code(run: Run) -> None:
    assert run(["/bin/sh", "-c", "kill -9 $$"]).code == -9


def test_no_descriptor_and_no_child_is_left_behind(run: Run) -> None:
    run("pass")  # the keeper's pipe stays for all
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        run("pass")
        with pytest.raises(TimeUp):
            run("import time; time.sleep(600)", timeout=0.1)
    assert len(os.listdir("/dev/fd")) == before


@LINUX
def test_a_command_ends_with_us_even_if_we_are_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from agent import process\n"
        f"process.run(['/bin/sh', '-c', 'echo $$ > pid; sleep 600'], cwd=Path({str(tmp_path)!r}), stdin=b'',"
        f" env={{'PATH': {os.environ['PATH']!r}}}, timeout=500, stop=lambda: False)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[1]) as ours:
        said = tmp_path / "pid"
        wait_for(lambda: said.exists() and said.read_text().strip(), what="the command runs")
        pid = int(said.read_text())
        assert alive(pid)
        ours.kill()
    wait_for(lambda: not alive(pid), what="the command ended with us")
