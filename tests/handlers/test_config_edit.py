"""The `config` type: exactly one value of one file changes, or nothing does."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import frontmatter
from agent.errors import BadHeader, Doubt, Refused
from agent.handlers.config_edit import FORMATS, HANDLER
from agent.handlers.config_formats import Format, dotted, edit
from agent.handlers.config_request import read_wish
from agent.models.fake import FakeModel
from agent.models.ollama import Ollama
from tests.engine.standin import OllamaStandIn
from tests.handlers.model_place import ModelPlace

TOML_TEXT = '# the shop\n[server]\nport = 80  # http\ndebug = false\nname = "a"\n\n[limits]\nports = [1, 2]\n'
YAML_TEXT = "# the shop\nserver:\n  port: 80  # http\n  debug: no\n  name: 'a'\n  note:\nlimits:\n  - 1\n  - b: 2\n"
JSON_TEXT = '{\n    "server": {"port": 80, "debug": false,\n     "name": "a"},\n    "limits": [1, {"b": 2}]\n}\n'
NOTE = (
    "---\nstatus: open  # why\ncount: 3\ntags: [a, b]\n---\n# Plan\n\nPort: 80  \n- **Owner:** Ann\n* **Due**: soon\n"
)


def said(key: str, value: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "value": value, "known": True, "confidence": 0.9, **more}


@pytest.fixture
def place(tmp_path: Path) -> ModelPlace:
    made = ModelPlace(tmp_path, HANDLER)
    for name, text in (("a.toml", TOML_TEXT), ("a.yaml", YAML_TEXT), ("a.json", JSON_TEXT), ("a.md", NOTE)):
        made.write(f"conf/{name}", text)
    return made


@pytest.mark.parametrize(
    "name, key, value, old, new",
    [
        ("a.toml", "server.port", "8080", "port = 80  # http", "port = 8080  # http"),
        ("a.toml", "server.debug", "on", "debug = false", "debug = true"),
        ("a.toml", "server.name", 'b "c"', 'name = "a"', 'name = "b \\"c\\""'),
        ("a.toml", "limits.ports.1", "7", "[1, 2]", "[1, 7]"),
        ("a.yaml", "server.port", "8080", "port: 80  # http", "port: 8080  # http"),
        ("a.yaml", "server.debug", "true", "debug: no", "debug: yes"),
        ("a.yaml", "server.name", "it's", "name: 'a'", "name: 'it''s'"),
        ("a.yaml", "server.note", "x: y", "note:\n", 'note: "x: y"\n'),
        ("a.yaml", "limits.1.b", "3", "- b: 2", "- b: 3"),
        ("a.json", "server.port", "8080", '"port": 80,', '"port": 8080,'),
        ("a.json", "server.name", 'b"', '"name": "a"', '"name": "b\\""'),
        ("a.json", "limits.1.b", "2.5", '"b": 2', '"b": 2.5'),
        ("a.md", "status", "done", "status: open  # why", "status: done  # why"),
        ("a.md", "count", "4", "count: 3", "count: 4"),
        ("a.md", "Port", "8080", "Port: 80  \n", "Port: 8080  \n"),
        ("a.md", "Owner", "Bob", "**Owner:** Ann", "**Owner:** Bob"),
        ("a.md", "Due", "2027-01-01", "**Due**: soon", "**Due**: 2027-01-01"),
    ],
)
def test_one_value_changes_and_every_other_byte_stays(
    place: ModelPlace, name: str, key: str, value: str, old: str, new: str
) -> None:
    model = FakeModel()
    result = place.do(model, "x", path=f"conf/{name}", key=key, value=value)
    before = (place.root / "conf" / name).read_bytes()
    assert before.decode().count(old) == 1
    assert result.changes[0].after == before.decode().replace(old, new).encode()
    assert f"+++ b/conf/{name}" in result.raw and not model.history
    assert not result.usage and key in result.findings[0]


def test_line_ends_and_a_byte_order_mark_stay(place: ModelPlace) -> None:
    for name, text in (("w.toml", TOML_TEXT), ("w.yaml", YAML_TEXT), ("w.json", JSON_TEXT), ("w.md", NOTE)):
        place.write(name, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        result = place.do(FakeModel(), "x", path=name, key="count" if name == "w.md" else "server.port", value="9")
        after = result.changes[0].after or b""
        assert after.startswith(b"\xef\xbb\xbf") and after.count(b"\r\n") == after.count(b"\n") == text.count("\n")


@pytest.mark.parametrize("name", ["a.toml", "a.yaml", "a.json"])
@pytest.mark.parametrize(
    "key, value, why",
    [
        ("server.port", "many", "number"),
        ("server.debug", "maybe", "boolean"),
        ("server.prot", "1", "no 'server.prot'"),
        ("server", "1", "section"),
        ("limits", "1", "section"),
        ("server.name", "a\nb", "one line"),
    ],
)
def test_what_does_not_fit_is_refused(place: ModelPlace, name: str, key: str, value: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        place.do(FakeModel(), "x", path=f"conf/{name}", key=key, value=value)


def test_a_key_that_stands_elsewhere_is_suggested(place: ModelPlace) -> None:
    with pytest.raises(Refused, match=r"server\.port"):
        place.do(FakeModel(), "x", path="conf/a.toml", key="port", value="1")


@pytest.mark.parametrize("name", ["a.toml", "a.yaml", "a.json"])
def test_a_new_key_needs_create(place: ModelPlace, name: str) -> None:
    result = place.do(FakeModel(), "x", path=f"conf/{name}", key="server.new", value="5", create="true")
    after = (result.changes[0].after or b"").decode()
    read: Any = {"a.toml": tomllib.loads, "a.yaml": yaml.safe_load, "a.json": json.loads}[name](after)
    assert read["server"]["new"] == 5
    with pytest.raises(Refused, match="no section"):
        place.do(FakeModel(), "x", path=f"conf/{name}", key="nowhere.new", value="5", create="true")


def test_a_note_without_front_matter_gains_one(place: ModelPlace) -> None:
    place.write("plain.md", "# Plan\n")
    result = place.do(FakeModel(), "x", path="plain.md", key="status", value="open", create="true")
    assert result.changes[0].after == b"---\nstatus: open\n---\n# Plan\n"


def test_a_value_that_is_there_already_changes_nothing(place: ModelPlace) -> None:
    result = place.do(FakeModel(), "x", path="conf/a.toml", key="server.port", value="80")
    assert not result.changes and "already" in result.findings[0]


@pytest.mark.parametrize(
    "text", ["a: &x 1\nb: *x\n", "a: !!str 1\n", "a: 1\na: 2\n", "a: |\n  x\n  y\n", "- 1\n---\n- 2\n", "{"]
)
def test_yaml_in_which_one_change_may_be_two_is_refused(place: ModelPlace, text: str) -> None:
    place.write("odd.yaml", text)
    with pytest.raises(Refused):
        place.do(FakeModel(), "x", path="odd.yaml", key="a", value="3")


def test_json_with_a_key_twice_is_refused(place: ModelPlace) -> None:
    place.write("odd.json", '{"a": 1, "a": 2}')
    with pytest.raises(Refused, match="twice"):
        place.do(FakeModel(), "x", path="odd.json", key="a", value="3")


def test_a_line_that_is_there_twice_is_refused(place: ModelPlace) -> None:
    place.write("odd.md", "Port: 1\nPort: 2\n")
    with pytest.raises(Refused, match="no 'Port'"):
        place.do(FakeModel(), "x", path="odd.md", key="Port", value="3")


@pytest.mark.parametrize(
    "path", ["gofer.toml", "prompts/ask.md", "inbox/t.md", "package.json", "../a.toml", "notes.txt"]
)
def test_s10_what_tasks_may_not_write_is_refused(place: ModelPlace, path: str) -> None:
    place.write("gofer.toml", TOML_TEXT)
    place.write("notes.txt", "server.port: 80\n")
    with pytest.raises(Refused):
        place.do(FakeModel(), "x", path=path, key="server.port", value="1")


# Plain English


@pytest.mark.parametrize(
    "text, wish",
    [
        ("Set server.port to 8080 in conf/a.toml.", ("server.port", "8080", "conf/a.toml")),
        ('Please change `server.name` to "b c" in conf/a.json', ("server.name", "b c", "conf/a.json")),
        ("In conf/a.yaml, set server.debug to true", ("server.debug", "true", "conf/a.yaml")),
        ("Update server.port in conf/a.toml from 80 to 81", ("server.port", "81", "conf/a.toml")),
        ("disable server.debug in conf/a.yaml", ("server.debug", "false", "conf/a.yaml")),
        ("Set status to done in [[conf/a]]", ("status", "done", "conf/a.md")),
    ],
)  # fmt: skip
def test_a_plain_sentence_needs_no_model(place: ModelPlace, text: str, wish: tuple[str, str, str]) -> None:
    found = read_wish(text)
    assert found is not None and (found.key, found.value, found.path) == wish
    model = FakeModel()
    place.do(model, text)
    assert not model.history


@pytest.mark.parametrize(
    "text",
    [
        "Set the port to 8080 and debug to true in a.toml",
        "Set port to 8080 in a.toml if it is free",
        "Set port in a.toml",
    ],
)
def test_a_sentence_with_words_left_over_is_not_understood_by_code(text: str) -> None:
    assert read_wish(text) is None


# The model proposes


def test_the_model_names_key_and_value_as_data(place: ModelPlace) -> None:
    model = FakeModel(said("server.port", "8080"))
    result = place.do(model, "The shop's port should be 8080 in conf/a.toml")
    assert b"port = 8080  # http" in (result.changes[0].after or b"")
    assert '"enum":["server.port","server.debug","server.name","limits.ports.0"' in model.history[0].prompt
    assert result.confidence == 0.9 and result.usage


def test_a_sentence_with_a_short_key_goes_to_the_model(place: ModelPlace) -> None:
    result = place.do(FakeModel(said("server.port", "8080")), "Set port to 8080 in conf/a.toml")
    assert b"port = 8080  # http" in (result.changes[0].after or b"")


@pytest.mark.parametrize(
    "answer, reason",
    [
        (said("server.port", "9090"), "bad-answer"),
        (said("server.debug", "true"), "bad-answer"),
        (said("limits.ports.0", "8080"), "low-confidence"),
        (said("server.port", "8080", confidence=0.4), "low-confidence"),
        (said("server.port", "8080", known=False), "low-confidence"),
        (said("server.prot", "8080"), "bad-answer"),
    ],
)
def test_what_the_request_does_not_say_is_not_done(place: ModelPlace, answer: dict[str, Any], reason: str) -> None:
    if answer["key"].startswith("limits"):
        answer = {**answer, "confidence": 0.1}
    with pytest.raises(Doubt) as caught:
        place.do(FakeModel(answer, answer), "The shop's port should be 8080 in conf/a.toml")
    assert caught.value.reason == reason and caught.value.tried


def test_a_switch_is_set_by_its_word(place: ModelPlace) -> None:
    result = place.do(FakeModel(said("server.debug", "true")), "Please enable debug mode of the server in conf/a.json")
    assert b'"debug": true' in (result.changes[0].after or b"")
    with pytest.raises(Doubt):
        place.do(FakeModel(said("server.debug", "true")), "Please disable debug mode of the server in conf/a.json")


def test_opinions_that_differ_go_up(place: ModelPlace) -> None:
    model = FakeModel(said("server.port", "8080"), said("server.name", "8080"))
    with pytest.raises(Doubt, match="one mind"):
        place.do(model, "The shop's port should be 8080 in conf/a.toml", opinions=2)


def test_without_a_file_it_goes_up(place: ModelPlace) -> None:
    with pytest.raises(Doubt, match="which file"):
        place.do(FakeModel(), "Set the port to 8080")


@pytest.mark.parametrize("params", [{"key": "a"}, {"value": "a"}, {"create": "true"}, {"kye": "a"}])
def test_parameters_that_make_no_sense_are_told(place: ModelPlace, params: dict[str, str]) -> None:
    with pytest.raises(BadHeader):
        place.do(FakeModel(), "x", path="conf/a.toml", **params)


# Any document


NAMES = st.text("abcdeXYZ_-09 .é\"'#:", min_size=1, max_size=6)
TEXTS = st.text("abz 09:#-'\"\\{}[]&*!|>%@`,é\u00a0", max_size=12)
SCALARS = st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)
NEW = st.one_of(
    TEXTS, st.integers(-99, 99).map(str), st.sampled_from(["true", "false", "on", "1.5", "null", "x: y # z"])
)
WRITERS: dict[str, Any] = {
    ".json": lambda data: json.dumps(data, indent=2, ensure_ascii=False),
    ".toml": tomlkit.dumps,
    ".yaml": lambda data: yaml.safe_dump(data, allow_unicode=True, sort_keys=False),
}
READERS: dict[str, Any] = {".json": json.loads, ".toml": tomllib.loads, ".yaml": yaml.safe_load}


def flat(value: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return {place: leaf for name, part in pairs for place, leaf in flat(part, (*path, name)).items()}
    return {path: (type(value).__name__, repr(value))}


@pytest.mark.parametrize("suffix", [".json", ".toml", ".yaml"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_in_any_document_exactly_one_value_changes_or_it_is_refused(suffix: str, data: st.DataObject) -> None:
    document = data.draw(DOCUMENTS)
    text, read, format_ = WRITERS[suffix](document), READERS[suffix], FORMATS[suffix]
    path = data.draw(st.sampled_from(sorted(flat(read(text)), key=repr)))
    value, create = data.draw(NEW), data.draw(st.booleans())
    key = dotted(path) + data.draw(st.sampled_from(["", "", "", "x"]))
    changed = attempt(format_, text, key, value, create)
    before, after = flat(read(text)), flat(read(changed))
    if changed == text:
        return
    different = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
    different -= {place for place in different if place not in after and before[place][1] in ("{}", "[]")}
    assert {dotted(place) for place in different} == {key}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abcXY", min_size=1, max_size=4), TEXTS.map(str.strip), min_size=1, max_size=4), NEW)
def test_in_any_front_matter_exactly_one_value_changes_or_it_is_refused(values: dict[str, str], value: str) -> None:
    text = frontmatter.dump(values, "# Body\n\nKey: value\n")
    key = next(iter(values))
    changed = attempt(FORMATS[".md"], text, key, value, create=False)
    note, now = frontmatter.read(text), frontmatter.read(changed)
    assert now.body == note.body
    assert {name: one for name, one in now.values.items() if name != key} == {
        name: one for name, one in note.values.items() if name != key
    }


def attempt(format_: Format, text: str, key: str, value: str, create: bool) -> str:
    try:
        return edit(format_, text, key, value, create=create).text
    except Refused:
        return text


@pytest.mark.parametrize("format_", FORMATS.values(), ids=list(FORMATS))
@settings(max_examples=60, deadline=None)
@given(text=st.text("ab:=-[]{}\"'#\n ,0*|>&!\r\t", max_size=40), key=st.sampled_from(["a", "b", "a.b"]))
def test_no_text_breaks_a_format(format_: Format, text: str, key: str) -> None:
    for create in (False, True):
        attempt(format_, text, key, "7", create)


# The real engine


def test_a_model_that_knows_nothing_changes_nothing_that_was_not_said(
    place: ModelPlace, standin: OllamaStandIn
) -> None:
    place.context = 4096
    try:
        result = place.do(Ollama(standin.url), "The shop's port should be 8080 in conf/a.toml")
    except Doubt as doubt:
        assert doubt.reason in ("low-confidence", "bad-answer", "too-long") and doubt.tried
    else:
        assert result.changes[0].after == TOML_TEXT.replace("port = 80 ", "port = 8080 ").encode()
    assert standin.chats
