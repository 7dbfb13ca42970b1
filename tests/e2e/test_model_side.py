"""Which model answers, what it may cost, and who says so: whole tasks on real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.support import House, closed_port
from tests.engine.faults import Say
from tests.engine.fixtures import MODEL
from tests.engine.openai_faults import Says, Scripted
from tests.engine.standin import OllamaStandIn
from tests.engine.tiny_qwen3 import write_tiny_qwen3

FAST = "[watch]\nsettle_seconds = 0.1\nsettle_open_seconds = 0.01\npoll_seconds = 0.1\n"
QUESTION = "---\nstatus: open\n---\nWhat is the capital of Peru? "
LIMA = json.dumps({"answer": "Lima.", "known": True, "confidence": 0.97})
ANSWER = Says(LIMA, usage={"prompt_tokens": 1000, "completion_tokens": 100})
COST = (1000 * 2.0 + 100 * 10.0) / 1e6  # of ANSWER at PRICE
PRICE = '[prices."shop/qwen3:8b"]\ninput = 2.0\noutput = 10.0\ndated = 2026-11-01\n'


@pytest.fixture
def shop() -> Iterator[Scripted]:
    """A paid server that has `qwen3:8b`."""
    with Scripted([MODEL]) as server:
        yield server


def house(folder: Path, settings: str = "", ollama: str = "") -> House:
    return House(folder, settings=FAST + settings, ollama=ollama)


def paid(shop: Scripted, caps: str, price: str = PRICE) -> str:
    return f'[money]\n{caps}\n[providers.shop]\nurl = "{shop.url}"\nlocal = false\n{price}'


# The model that is named is the model that answers


def test_model_coder_on_an_openai_compatible_server_from_drop_to_report(tmp_path: Path, llama_server: str) -> None:
    """A real llama.cpp server with a model that knows nothing: whatever it says passes the gate or goes to the lead."""
    settings = f'[aliases]\ncoder = "lab/{MODEL}"\n[providers.lab]\nurl = "{llama_server}"\n'
    place = house(tmp_path, settings)
    place.drop("peru.md", QUESTION + "[model:coder]\n")
    (record,) = place.drain()
    assert record.status in ("done", "handed-off")
    (line,) = place.ledger()
    assert (line["provider"], line["model"], line["cost_usd"]) == ("lab", MODEL, 0)
    assert line["input_tokens"] > 0 and "→ coder" in line["route"]


def test_an_answer_of_that_server_becomes_the_report(tmp_path: Path, shop: Scripted) -> None:
    settings = f'[aliases]\ncoder = "lab/{MODEL}"\n[providers.lab]\nurl = "{shop.url}"\n'
    place = house(tmp_path, settings)
    shop.script.append(ANSWER)
    place.drop("peru.md", QUESTION + "[model:coder]\n")
    (record,) = place.drain()
    assert record.status == "done"
    assert "\n## Result\nLima.\n" in (place.report("peru") or "")
    assert place.header("peru")["cost_usd"] == "0.00"


@pytest.mark.parametrize(
    ("tag", "thinks"), [("", True), ("[thinking:off]", False), ("[thinking:high]", True)], ids=["alias", "off", "high"]
)
def test_an_alias_says_how_hard_to_think_and_the_task_says_it_better(
    tmp_path: Path, shop: Scripted, tag: str, thinks: bool
) -> None:
    alias = f'[aliases]\nresearch = {{ model = "lab/{MODEL}", thinking = "medium" }}\n'
    place = house(tmp_path, f'{alias}[providers.lab]\nurl = "{shop.url}"\n')
    shop.script.append(ANSWER)
    place.drop("peru.md", f"{QUESTION}[model:research] {tag}\n")
    assert [record.status for record in place.drain()] == ["done"]
    assert shop.chats[0]["chat_template_kwargs"]["enable_thinking"] is thinks


@pytest.mark.parametrize("name", ["coder", "shop/other", "ollama/qwen3:4b", "nowhere/model"])
def test_a_named_model_that_is_not_there_is_waited_for_and_no_other_answers(
    tmp_path: Path, standin: OllamaStandIn, shop: Scripted, name: str
) -> None:
    place = house(tmp_path, paid(shop, "per_task_usd = 1\nper_day_usd = 1\nper_month_usd = 1"), standin.url)
    place.drop("peru.md", f"{QUESTION}[model:{name}]\n")
    shown = place.once(code=3)
    assert shown["waiting"] == 1 and not standin.chats and not shop.chats
    (task,) = shown["tasks"]
    assert name.rpartition("/")[2] in task["reason"]


def test_the_order_of_choice_is_the_machines_and_doctor_says_who_answers_and_why(
    tmp_path: Path, standin: OllamaStandIn, shop: Scripted
) -> None:
    lab = f'[backends]\norder = ["lab", "ollama", "embedded"]\n[providers.lab]\nurl = "{shop.url}"\nmodel = "{MODEL}"\n'
    place = house(tmp_path, lab, standin.url)
    told = [check["detail"] for check in place.data("doctor", code=None)["checks"] if check["name"] == "model"]
    assert told[0].startswith("lab: ") and "answers for `local`" in told[0]
    assert told[1].startswith("ollama: ") and "lab comes first" in told[1]
    assert told[2].startswith("embedded: there is no model file")
    shop.script.append(ANSWER)
    place.drop("peru.md", QUESTION)
    place.drain()
    assert [line["provider"] for line in place.ledger()] == ["lab"]
    shop.listing = {"object": "list", "data": [{"id": "something-else"}]}
    standin.faults.append(Say(LIMA))
    place.drop("chile.md", QUESTION + "And of Chile?\n")
    place.drain()
    assert [line["provider"] for line in place.ledger()] == ["lab", "ollama"]


def test_without_a_server_the_embedded_model_answers_from_a_file_given_by_path(
    tmp_path: Path, tiny_qwen3: Path
) -> None:
    place = house(tmp_path, f'[embedded]\npath = "{tiny_qwen3}"\n')
    place.drop("peru.md", QUESTION)
    shown = json.loads(place.process("run", "--once", "--workers", "2", "--json").stdout)["data"]
    assert shown["done"] + shown["handed-off"] == 1
    (line,) = place.ledger()
    assert (line["provider"], line["model"], line["cost_usd"]) == ("embedded", "tiny", 0)
    assert line["input_tokens"] > 0
    place.drop("beat.md", "---\nstatus: open\ntype: heartbeat\n---\n")
    place.drain()
    assert "away" not in (place.report("beat") or "")  # nobody misses the server


def test_the_demo_runs_its_model_tasks_on_an_embedded_model_given_by_path(tmp_path: Path) -> None:
    model = write_tiny_qwen3(tmp_path / "tiny.gguf", context=8192)
    place = house(tmp_path, f'[embedded]\npath = "{model}"\n')
    tasks = json.loads(place.process("demo", "--json").stdout)["data"]["tasks"]
    asked = [task for task in tasks if task["type"] in ("ask", "summarize") or task["input_tokens"]]
    assert len(asked) == 2 and all(task["model"] == "tiny" and task["input_tokens"] for task in asked)
    assert all(task["status"] in ("done", "handed-off") for task in asked)


def test_without_a_worker_list_and_status_say_who_would_answer_and_why_a_task_waits(
    tmp_path: Path, tiny_qwen3: Path
) -> None:
    place = house(tmp_path)
    place.drop("peru.md", QUESTION + "[model:coder]\n")
    (waiting,) = place.data("list")
    assert waiting["state"] == "waiting" and "alias 'coder' is not defined" in waiting["reason"]
    (model,) = place.data("status", code=None)["models"]
    assert (model["provider"], model["ok"]) == ("ollama", False)
    place.config.write_text(f'{FAST}[embedded]\npath = "{tiny_qwen3}"\n', "utf-8")
    (model,) = place.data("status", code=None)["models"]
    assert (model["provider"], model["name"], model["ok"]) == ("embedded", "tiny", True)


def test_with_nobody_to_answer_the_task_waits_and_is_never_sent_to_a_paid_model(tmp_path: Path, shop: Scripted) -> None:
    settings = paid(shop, "per_task_usd = 1\nper_day_usd = 1\nper_month_usd = 1")
    order = '[backends]\norder = ["shop", "ollama"]\n'
    place = house(tmp_path, order + settings, f"http://127.0.0.1:{closed_port()}")
    place.drop("peru.md", QUESTION)
    assert place.once(code=3)["waiting"] == 1
    assert not shop.chats


def test_samples_that_disagree_go_to_the_lead(tmp_path: Path, standin: OllamaStandIn) -> None:
    place = house(tmp_path, "[model]\nopinions = 3\n", standin.url)
    for answer in ("Lima.", "Lima", "Cusco."):
        standin.faults.append(Say(json.dumps({"answer": answer, "known": True, "confidence": 0.97})))
    place.drop("peru.md", QUESTION)
    (record,) = place.drain()
    assert record.status == "handed-off"
    tried = next((place.root / "outbox/handoffs").glob("*.md")).read_text("utf-8")
    assert "Lima" in tried and "Cusco" in tried
    temperatures = [body["options"]["temperature"] for body in standin.chats]
    assert temperatures[0] == 0 and min(temperatures[1:]) > 0 and len(standin.chats) == 3


# Money


def test_doctor_says_what_may_be_spent_what_was_and_what_has_no_price(tmp_path: Path, shop: Scripted) -> None:
    aliases = f'[aliases]\ncoder = "shop/{MODEL}"\ncheap = "shop/nobody"\nold = "gone/x"\n'
    place = house(tmp_path, paid(shop, "per_task_usd = 1\nper_day_usd = 2\nper_month_usd = 3") + aliases)
    shop.script.append(ANSWER)
    place.drop("peru.md", f"{QUESTION}[model:coder]\n")
    place.drain()
    told = {check["detail"].split(": ")[0]: check for check in place.data("doctor", code=1)["checks"]}
    money = next(check for check in told.values() if check["name"] == "money")
    assert f"${COST:.4f} of $2 today" in money["detail"] and money["ok"]
    assert told[f"shop/{MODEL}"]["ok"] and "2026-11-01" in told[f"shop/{MODEL}"]["detail"]
    assert not told["shop/nobody"]["ok"] and "never asked" in told["shop/nobody"]["detail"]
    assert not told["cheap"]["ok"] and not told["old"]["ok"] and "[providers.gone]" in told["old"]["fix"]


def test_a_paid_answer_is_priced_to_the_cent_and_counts(tmp_path: Path, shop: Scripted) -> None:
    place = house(tmp_path, paid(shop, "per_task_usd = 1\nper_day_usd = 1\nper_month_usd = 1"))
    shop.script.append(ANSWER)
    place.drop("peru.md", f"{QUESTION}[model:shop/{MODEL}]\n")
    (record,) = place.drain()
    assert record.status == "done"
    (line,) = place.ledger()
    assert line["cost_usd"] == pytest.approx(COST) and line["price_date"] == "2026-11-01"
    stats = place.data("stats")
    assert stats["total"]["cost_usd"] == pytest.approx(COST)


@pytest.mark.parametrize(
    ("caps", "price", "header"),
    [
        ("", PRICE, ""),
        ("per_task_usd = 1\nper_day_usd = 0.000001\nper_month_usd = 1", PRICE, ""),
        ("per_task_usd = 1\nper_day_usd = 1\nper_month_usd = 0.000001", PRICE, ""),
        ("per_task_usd = 0.000001\nper_day_usd = 1\nper_month_usd = 1", PRICE, ""),
        ("per_task_usd = 1\nper_day_usd = 1\nper_month_usd = 1", PRICE, "budget_usd: 0\n"),
        ("per_task_usd = 1\nper_day_usd = 1\nper_month_usd = 1", "", ""),
    ],
    ids=["no cap set", "day", "month", "task", "its own budget", "unknown price"],
)
def test_nothing_is_sent_beyond_a_cap_or_without_a_price(
    tmp_path: Path, shop: Scripted, caps: str, price: str, header: str
) -> None:
    place = house(tmp_path, paid(shop, caps, price))
    place.drop("peru.md", QUESTION.replace("---\nstatus", f"---\n{header}status", 1) + f"[model:shop/{MODEL}]\n")
    (record,) = place.drain()
    assert record.status == "handed-off" and not shop.chats
    handoff = next((place.root / "outbox/handoffs").glob("*.md")).read_text("utf-8")
    assert "reason: budget" in handoff


def test_a_private_text_never_goes_to_a_paid_model(tmp_path: Path, shop: Scripted) -> None:
    place = house(tmp_path, paid(shop, "per_task_usd = 1\nper_day_usd = 1\nper_month_usd = 1"))
    place.drop("peru.md", QUESTION.replace("status", "private: true\nstatus", 1) + f"[model:shop/{MODEL}]\n")
    (record,) = place.drain()
    assert record.status == "failed" and not shop.chats
    assert "private" in (place.report("peru") or "")


@pytest.mark.parametrize("private", [True, False])
def test_a_private_note_never_goes_to_a_paid_model_through_a_task_that_names_it(
    tmp_path: Path, shop: Scripted, private: bool
) -> None:
    place = house(tmp_path, paid(shop, "per_task_usd = 1\nper_day_usd = 1\nper_month_usd = 1"))
    header = "---\nprivate: true\n---\n" if private else ""
    (place.root / "memory/diary.md").write_text(f"{header}Ada met Ben. They will marry in May.\n", "utf-8")
    summary = json.dumps({"summary": "A wedding.", "points": ["May"], "confidence": 0.9})
    shop.script.append(Says(summary, usage={"prompt_tokens": 1000, "completion_tokens": 20}))
    place.drop(
        "sum.md", f"---\nstatus: open\ntype: summarize\npath: memory/diary.md\nmodel: shop/{MODEL}\n---\nShort.\n"
    )
    (record,) = place.drain()
    assert record.status == ("failed" if private else "done")
    assert bool(shop.chats) is not private
    if private:
        assert "may not leave this machine" in (place.report("sum") or "")


@pytest.mark.slow
def test_eight_workers_at_once_cannot_overspend_together(tmp_path: Path, shop: Scripted) -> None:
    """Each call may cost up to about 0.04 and costs 0.003: under a cap of 0.2 a few run side by side, and in the end
    what was really spent is under it, however they met."""
    cap = 0.2
    place = house(tmp_path, paid(shop, f"per_task_usd = 1\nper_day_usd = {cap}\nper_month_usd = 5"))
    dear = Says(LIMA, usage={"prompt_tokens": 1000, "completion_tokens": 1500})
    shop.script.extend([dear] * 64)
    for number in range(48):
        place.drop(f"peru-{number}.md", f"{QUESTION}[model:shop/{MODEL}] Number {number}.\n")
    shown = json.loads(place.process("run", "--once", "--workers", "8", "--json").stdout)["data"]
    assert shown["done"] + shown["handed-off"] == 48
    spent = sum(line["cost_usd"] for line in place.ledger())
    assert 0 < spent <= cap
    assert len(shop.chats) == shown["done"] and shown["handed-off"] > 0


def test_l15_tasks_for_two_models_of_one_server_swap_them_once(tmp_path: Path, tiny_qwen3: Path) -> None:
    with OllamaStandIn({MODEL: tiny_qwen3, "qwen3:4b": tiny_qwen3}) as server:
        place = house(tmp_path, "", server.url)
        for number in range(8):
            name = (MODEL, "qwen3:4b")[number % 2]
            place.drop(f"peru-{number}.md", f"{QUESTION}[model:ollama/{name}] Number {number}.\n")
            server.faults.append(Say(LIMA))
        assert [record.status for record in place.drain()] == ["done"] * 8
        asked = [body["model"] for body in server.chats]
    assert sum(one != other for one, other in pairwise(asked)) == 1
    assert sorted(asked) == ["qwen3:4b"] * 4 + [MODEL] * 4
