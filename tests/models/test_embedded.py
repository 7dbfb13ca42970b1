"""The embedded backend: llama.cpp in this process, on a real Qwen3 file that knows nothing."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from agent.errors import Doubt, ModelAway, TimeUp
from agent.models.base import Model, Request
from agent.models.embedded import Embedded
from tests.engine import tiny_qwen3 as tiny

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"label": {"enum": ["simple", "hard"]}, "ok": {"type": "boolean"}},
    "required": ["label", "ok"],
    "additionalProperties": False,
}
REQUEST = Request(
    system="Answer questions.", prompt="Please answer this question", model="tiny", max_tokens=200, context=4096
)
ASKED = replace(REQUEST, schema=SCHEMA)
# Two thousand numbers in a row: seconds of work for any engine, and no end before that.
ENDLESS = replace(
    REQUEST,
    max_tokens=3800,
    schema={"type": "array", "items": {"enum": ["yes"]}, "minItems": 2000},
)


@pytest.fixture(scope="module")
def embedded(tiny_qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    backend = Embedded(tiny_qwen3, context=4096, threads=1, state=tmp_path_factory.mktemp("state"))
    yield backend
    backend.close()


@pytest.fixture
def making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Embedded]]:
    """Makes a backend whose model has the chat template given."""
    made: list[Embedded] = []

    def make(template: str) -> Embedded:
        monkeypatch.setattr(tiny, "CHAT_TEMPLATE", template)
        made.append(Embedded(tiny.write_tiny_qwen3(tmp_path / "tiny.gguf"), threads=1))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


# The contract


def test_it_is_a_model(embedded: Embedded) -> None:
    backend: Model = embedded
    assert (backend.provider, embedded.name) == ("embedded", "tiny")


def test_a_question_with_a_schema_gets_data_of_that_schema(embedded: Embedded, tiny_qwen3: Path) -> None:
    answer = embedded.ask(ASKED)
    assert answer.data.keys() == {"label", "ok"}
    assert (answer.usage.model, answer.usage.provider) == ("tiny", "embedded")
    assert answer.usage.digest == sha256(tiny_qwen3.read_bytes()).hexdigest()
    assert answer.usage.input_tokens > 20
    assert 0 < answer.usage.output_tokens <= 200


def test_a_question_without_a_schema_gets_text_and_the_same_again(embedded: Embedded) -> None:
    answer = embedded.ask(REQUEST)
    assert answer.text and answer.data is None
    assert embedded.ask(REQUEST).text == answer.text


def test_another_seed_is_another_sample(embedded: Embedded) -> None:
    texts = {embedded.ask(replace(REQUEST, seed=seed)).text for seed in range(1, 13)}
    assert len(texts) > 1
    assert embedded.ask(replace(REQUEST, seed=5)).text == embedded.ask(replace(REQUEST, seed=5)).text


@pytest.mark.parametrize("schema", [None, SCHEMA])
@pytest.mark.parametrize("level", ["off", "low", "medium"])
def test_l08_no_thinking_is_in_the_answer_at_any_level(embedded: Embedded, level: str, schema: Any) -> None:
    answer = embedded.ask(replace(REQUEST, thinking=level, schema=schema))
    assert "think>" not in answer.text and "this person" not in answer.text
    assert answer.usage.thinking == ("off" if level == "off" else "on")
    assert bool(answer.notes) == (level != "off")


def test_l04_high_thinking_does_not_fit_a_model_of_4096_tokens_whatever_the_settings_say(embedded: Embedded) -> None:
    with pytest.raises(Doubt) as caught:
        embedded.ask(replace(REQUEST, thinking="high", context=8192))
    assert caught.value.reason == "too-long"
    assert "holds 4096" in caught.value.why


def test_l12_another_name_is_refused_and_told_what_is_here(embedded: Embedded) -> None:
    with pytest.raises(ModelAway, match="the model 'qwen3:8b' is not there") as caught:
        embedded.ask(replace(REQUEST, model="qwen3:8b"))
    assert "'tiny'" in caught.value.fix
    health = embedded.health("qwen3:8b")
    assert (health.ok, health.models) == (False, ("tiny",))


def test_l04_a_prompt_that_is_too_long_is_doubted_and_not_cut(embedded: Embedded) -> None:
    with pytest.raises(Doubt) as caught:
        embedded.ask(replace(REQUEST, prompt="word " * 4000))
    assert caught.value.reason == "too-long"


def test_l04_a_prompt_that_only_the_engine_knows_to_be_too_long_is_not_cut_either(embedded: Embedded) -> None:
    with pytest.raises(Doubt) as caught:  # words that the tiny model has no tokens for: the estimate lets them pass
        embedded.ask(replace(REQUEST, prompt="xyzzyxyzzy " * 600, max_tokens=100))
    assert caught.value.reason == "too-long"
    assert "exceeds" in caught.value.why


def test_l06_an_answer_cut_by_its_bound_is_never_final(embedded: Embedded) -> None:
    with pytest.raises(Doubt) as caught:
        embedded.ask(replace(REQUEST, max_tokens=2))
    assert "longer than its limit" in caught.value.tried
    assert [one.output_tokens for one in caught.value.usage] == [2, 4]


def test_l07_an_empty_answer_fails_after_one_changed_retry(making: Callable[[str], Embedded]) -> None:
    with pytest.raises(Doubt) as caught:
        making("{% for message in messages %}{{ message.content }}{% endfor %}<|im_start|>").ask(REQUEST)
    assert "the answer was empty; then" in caught.value.tried


def test_l08_a_template_that_cannot_tell_thinking_apart_never_publishes_it(making: Callable[[str], Embedded]) -> None:
    plain = "{% for message in messages %}{{ message.content }}{% endfor %}<|im_start|>assistant\n"
    backend = making(plain)
    try:
        assert "this person" not in backend.ask(REQUEST).text
    except Doubt as doubt:
        assert doubt.reason == "bad-answer"


def test_l09_a_schema_that_cannot_constrain_is_doubted(embedded: Embedded) -> None:
    with pytest.raises(Doubt) as caught:
        embedded.ask(replace(REQUEST, schema={"type": "bogus"}))
    assert caught.value.reason == "failed"
    assert embedded.ask(ASKED).data


# Stop, limits, threads


def test_a_stopped_run_ends_in_the_middle_and_the_engine_is_free_again(embedded: Embedded) -> None:
    embedded.preload()
    looks = iter([False] * 4)
    with pytest.raises(TimeUp):
        embedded.ask(ENDLESS, stop=lambda: next(looks, True))
    assert embedded.ask(ASKED).data


def test_a_run_that_is_stopped_from_the_start_does_not_load(tiny_qwen3: Path) -> None:
    backend = Embedded(tiny_qwen3)
    with pytest.raises(TimeUp, match="loading"):
        backend.ask(REQUEST, stop=lambda: True)


def test_l03_an_answer_that_takes_too_long_is_doubted_once_it_has_begun(embedded: Embedded) -> None:
    embedded.preload()
    with pytest.raises(Doubt, match=r"longer than 1\.5 s") as caught:
        embedded.ask(replace(ENDLESS, timeout=1.5))
    assert caught.value.reason == "failed"


def test_l03_an_answer_that_does_not_begin_in_time_means_try_later(embedded: Embedded) -> None:
    long = "first of all " + "Please answer this question " * 400
    with pytest.raises(ModelAway, match="longer than 0 s"):
        embedded.ask(replace(REQUEST, prompt=long, timeout=0))
    assert embedded.ask(ASKED).data


def test_l03_loading_has_a_limit_of_its_own(tiny_qwen3: Path) -> None:
    with pytest.raises(ModelAway, match="was not loaded"):
        Embedded(tiny_qwen3, load_timeout=0).ask(REQUEST)


def test_two_threads_ask_one_after_the_other(embedded: Embedded) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(embedded.ask, [ASKED, REQUEST, ASKED, REQUEST]))
    assert [answer.data is None for answer in answers] == [False, True, False, True]


def test_a_question_that_waits_for_its_turn_can_be_stopped(embedded: Embedded) -> None:
    embedded.preload()
    working, enough = threading.Event(), threading.Event()

    def look() -> bool:
        working.set()
        return enough.is_set()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(embedded.ask, ENDLESS, stop=look)
        assert working.wait(10)
        with pytest.raises(TimeUp, match="another question"):
            embedded.ask(REQUEST, stop=lambda: True)
        enough.set()
        assert isinstance(first.exception(), TimeUp)


def test_another_context_loads_anew(embedded: Embedded) -> None:
    embedded.ask(REQUEST)
    before = embedded._loaded
    embedded.ask(ASKED)
    assert embedded._loaded is before
    embedded.ask(replace(REQUEST, context=2048))
    assert embedded._loaded and embedded._loaded is not before
    assert embedded._loaded.engine.window == 2048


def test_l12_a_file_that_was_replaced_is_loaded_anew_with_its_own_digest(tmp_path: Path, tiny_qwen3: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(tiny_qwen3.read_bytes())
    backend, asked = Embedded(path, threads=1, state=tmp_path / "state"), replace(REQUEST, model="model")
    first = backend.ask(asked).usage.digest
    tiny.write_tiny_qwen3(tmp_path / "other.gguf", seed=1).replace(path)
    second = backend.ask(asked).usage.digest
    backend.close()
    assert first == sha256(tiny_qwen3.read_bytes()).hexdigest()
    assert second == sha256(path.read_bytes()).hexdigest() != first


def test_close_unloads_and_a_later_question_loads_again(tiny_qwen3: Path) -> None:
    backend = Embedded(tiny_qwen3, threads=1)
    backend.preload()
    assert backend._loaded
    folder = Path(backend._loaded.engine._socket).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    backend.close()
    assert backend._loaded is None and not folder.exists()
    assert backend.ask(replace(REQUEST, context=8192)).text
    backend.close()


def test_the_digest_is_computed_once_and_kept(tmp_path: Path, tiny_qwen3: Path) -> None:
    state = tmp_path / "state"
    Embedded(tiny_qwen3, threads=1, state=state).preload()
    kept = (state / "digests.json").read_text()
    assert sha256(tiny_qwen3.read_bytes()).hexdigest() in kept
    (state / "digests.json").write_text(kept.replace(sha256(tiny_qwen3.read_bytes()).hexdigest(), "0" * 64))
    backend = Embedded(tiny_qwen3, threads=1, state=state)
    assert backend.ask(replace(REQUEST, context=8192)).usage.digest == "0" * 64
    (state / "digests.json").write_text("[torn")
    backend = Embedded(tiny_qwen3, threads=1, state=state)
    assert backend.ask(REQUEST).usage.digest == sha256(tiny_qwen3.read_bytes()).hexdigest()


# What is not there, or not right


def test_health_of_what_is_ready(embedded: Embedded) -> None:
    health = embedded.health("tiny")
    assert (health.ok, health.fix, health.models) == (True, "", ("tiny",))


@pytest.mark.parametrize(
    "name, fix", [("Qwen3-4B-Q4_K_M", "qwen3-4b"), ("qwen3-0.6b", "qwen3-0.6b"), ("mine", "qwen3-8b")]
)
def test_a_file_that_is_not_there_is_named_with_the_command(tmp_path: Path, name: str, fix: str) -> None:
    backend = Embedded(tmp_path / f"{name}.gguf")
    health = backend.health(name)
    assert (health.ok, health.fix) == (False, f"gofer model download {fix}")
    with pytest.raises(ModelAway) as caught:
        backend.ask(replace(REQUEST, model=name))
    assert caught.value.fix == health.fix


def run(code: str, *args: object, memory: int = 0) -> subprocess.CompletedProcess[str]:
    """A process of its own, for what could kill it."""

    def bound() -> None:
        if memory:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))

    head = (
        "import sys\nfrom dataclasses import replace\nfrom pathlib import Path\n"
        "from agent.errors import *\nfrom agent.models.base import Request\n"
    )
    return subprocess.run(
        [sys.executable, "-c", head + code, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=bound,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


LOAD = """
from agent.models.embedded import Embedded
backend = Embedded(Path(sys.argv[1]), threads=1)
try:
    print(backend.ask(Request("Answer.", "Please answer", backend.name, context=int(sys.argv[2]))).text)
except ModelAway as error:
    print("ModelAway", error.fix)
"""


def _whole(raw: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "half": raw[: len(raw) // 2],
        "short of its last bytes": raw[:-10],
        "header alone": raw[:24],
        "a web page": b"<!doctype html>" + raw[15:],
        "zeros": raw[:4] + bytes(len(raw) - 4),
        "damaged keys": raw[:200] + bytes(800) + raw[1000:],
        "an old version": raw[:4] + b"\x01" + raw[5:],
        "too many tensors": raw[:8] + b"\xff" * 8 + raw[16:],
    }


@pytest.mark.parametrize("damage", list(_whole(bytes(2000))))
def test_a_damaged_file_is_said_so_and_kills_nobody(tmp_path: Path, tiny_qwen3: Path, damage: str) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(_whole(tiny_qwen3.read_bytes())[damage])
    done = run(LOAD, path, 4096)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ModelAway gofer model download")
    assert done.stderr == ""


def test_a_model_loads_within_the_memory_of_a_worker_process_and_says_nothing(tiny_qwen3: Path) -> None:
    done = run(LOAD, tiny_qwen3, 8192, memory=4 << 30)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() and "ModelAway" not in done.stdout


def test_the_package_is_not_imported_before_a_question_is_asked(tiny_qwen3: Path) -> None:
    code = """
from agent.models.embedded import Embedded
print(Embedded(Path(sys.argv[1])).health("tiny").ok)
sys.exit("xllamacpp" in sys.modules)
"""
    done = run(code, tiny_qwen3)
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr


def test_without_the_package_it_says_how_to_install_it(tiny_qwen3: Path) -> None:
    code = """
from importlib.machinery import PathFinder
original = PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda cls, name, *a: None if name == "xllamacpp" else original(name, *a))
from agent.models.embedded import Embedded
backend = Embedded(Path(sys.argv[1]))
health = backend.health("tiny")
print(health.ok, health.detail, health.fix, sep="|")
try:
    backend.ask(Request("", "Please", "tiny"))
except ModelAway as error:
    print(error.fix)
"""
    done = run(code, tiny_qwen3)
    ok, detail, fix = done.stdout.splitlines()[0].split("|")
    assert (ok, fix) == ("False", "pip install -e '.[embedded]' in the checkout of Gofer")
    assert "xllamacpp" in detail
    assert done.stdout.splitlines()[1] == fix


def test_an_engine_that_is_closed_as_soon_as_it_is_loaded_ends(tiny_qwen3: Path) -> None:
    # llama.cpp's loop misses the word to end when that comes before it runs; whoever waits for it holds Python's lock.
    code = """
from agent.models.embedded import Embedded
for _ in range(20):
    backend = Embedded(Path(sys.argv[1]), threads=1)
    backend.preload()
    backend.close()
Embedded(Path(sys.argv[1]), threads=1).preload()
print("ended")
"""
    done = run(code, tiny_qwen3)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "ended", "")
