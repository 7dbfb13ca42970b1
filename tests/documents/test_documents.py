"""Taking documents apart: real parsers in a real child process, and documents that want to do harm to them."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from agent import documents
from agent.documents import DocumentReader
from agent.errors import Refused, TimeUp
from agent.sandbox import Sandbox
from tests.documents import page, pdf
from tests.support import processes_of
from tests.web.server import serving

BOX = Sandbox("auto", os.environ)
READER = DocumentReader(lambda: None, BOX)
WORDS = "The library opens at nine o'clock on every day but Sunday, when it is closed for everybody."


def test_a_page_is_its_article_with_headings_and_tables_and_without_its_menu() -> None:
    table = "<h2>Plans</h2><table><tr><th>Plan</th><th>Price</th></tr><tr><td>Pro</td><td>49 EUR</td></tr></table>"
    found = READER.read("html", page("Opening hours", WORDS, WORDS, date="2026-01-05", raw=table), "https://x.example")
    assert WORDS in found.text and "## Plans" in found.text and "| Pro | 49 EUR |" in found.text
    assert "Log in" not in found.text and "rights reserved" not in found.text
    assert (found.title, found.date) == ("Opening hours", "2026-01-05")


@pytest.mark.parametrize(
    "hidden",
    [
        '<p style="display: none">SECRET ORDER to whoever reads this page by machine</p>',
        '<p style="VISIBILITY:HIDDEN">SECRET ORDER to whoever reads this page by machine</p>',
        "<div hidden><p>SECRET ORDER to whoever reads this page by machine</p></div>",
        '<div aria-hidden="true"><p>SECRET ORDER to whoever reads this page by machine</p></div>',
        "<!-- SECRET ORDER to whoever reads this page by machine -->",
        '<img src="https://evil.example/x.png" alt="SECRET ORDER to whoever reads this">',
        '<script type="application/ld+json">{"articleBody": "SECRET ORDER to whoever reads this"}</script>',
        "<template><p>SECRET ORDER to whoever reads this page by machine</p></template>",
    ],
)
def test_what_a_browser_does_not_show_is_not_read(hidden: str) -> None:
    found = READER.read("html", page("Hours", WORDS, WORDS, raw=hidden), "https://x.example")
    assert WORDS in found.text and "SECRET" not in found.text and "evil" not in found.text


def test_a_year_somewhere_on_a_page_is_not_taken_for_its_date() -> None:
    assert READER.read("html", page("Opening hours", WORDS, WORDS), "https://x.example").date == ""


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16", "windows-1251"])
def test_the_encoding_of_a_page_is_found_out(encoding: str) -> None:
    text = (
        "Библиотека открыта с девяти часов утра каждый день, кроме воскресенья."
        if "1251" in encoding
        else ("Die Bücherei öffnet täglich außer sonntags um neun Uhr für alle Gäste.")
    )
    raw = page("Zeiten", text, text).decode().replace('charset="utf-8"', f'charset="{encoding}"').replace("©", "")
    assert text in READER.read("html", raw.encode(encoding), "https://x.example").text


TURKISH, PRICE = "Fiyat beş lira, ödeme peşin olmalıdır.", "Der Preis beträgt fünf Euro, zahlbar überall."
JAPANESE = "価格は五ユーロです。"


@pytest.mark.parametrize(
    ("words", "encoding", "header", "meta"),
    [
        (TURKISH, "iso-8859-9", "iso-8859-9", ""),
        (TURKISH, "iso-8859-9", "", "iso-8859-9"),
        (TURKISH, "iso-8859-9", "nosuch", "windows-1254"),
        (TURKISH, "iso-8859-9", "iso-8859-9", "utf-8"),  # the meta is not true
        (TURKISH, "utf-8", "iso-8859-1", "iso-8859-1"),  # neither is
        (TURKISH, "utf-8-sig", "", ""),
        (TURKISH, "utf-16", "utf-16", ""),
        (TURKISH, "utf-16-le", "utf-16le", ""),
        (PRICE + " „5 €“", "cp1252", "iso-8859-1", ""),  # what browsers make of that name
        (JAPANESE, "iso-2022-jp", "iso-2022-jp", ""),
        (JAPANESE, "gb18030", "", "gb2312"),
    ],
)
def test_a_short_page_is_written_as_it_says_and_utf_8_is_utf_8(
    words: str, encoding: str, header: str, meta: str
) -> None:
    head = f'<meta http-equiv="Content-Type" content="text/html; charset={meta}">' if meta else ""
    text = f"<html><head>{head}<title>T</title></head><body><article><h1>T</h1><p>{words}</p></article></body></html>"
    assert words in READER.read("html", text.encode(encoding), "https://x.example", header).text


def test_an_xhtml_page_with_its_own_declaration_is_read() -> None:
    declared = b'<?xml version="1.0" encoding="iso-8859-9"?>\n' + page("T", "x").replace(
        b"<p>x</p>", f"<p>{TURKISH}</p>".encode("iso-8859-9")
    ).replace(b'<meta charset="utf-8">', b"")
    assert TURKISH in READER.read("html", declared, "https://x.example", "iso-8859-9").text


@pytest.mark.parametrize("cut", [40, 400, -60])
def test_a_pdf_that_is_cut_short_is_told_as_such(cut: int) -> None:
    with pytest.raises(Refused, match=r"because it is damaged or cut short \("):
        READER.read("pdf", pdf(WORDS, WORDS)[:cut], "https://x.example")


def test_a_pdf_is_the_text_of_its_pages_and_a_word_divided_at_the_end_of_a_line_is_whole_again() -> None:
    found = READER.read(
        "pdf", pdf("The first page speaks of infor-\nmation.", "The second\nof cats.", title="Two"), "a.pdf"
    )
    assert found.text.split() == [
        "The",
        "first",
        "page",
        "speaks",
        "of",
        "information.",
        "The",
        "second",
        "of",
        "cats.",
    ]
    assert (found.title, found.date, found.notes) == ("Two", "2026-03-12", [])


def test_a_pdf_of_too_many_pages_is_read_in_part_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_PAGES", 2)
    found = READER.read("pdf", pdf("one", "two", "three"), "a.pdf")
    assert found.text.split() == ["one", "two"] and list(found.notes) == ["only the first 2 of its 3 pages were read"]


def test_what_is_too_long_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_TEXT", 100)
    found = READER.read("text", ("ä" * 500).encode("latin-1"), "a.txt", "latin-1")
    assert found.text == "ä" * 100 and list(found.notes) == ["only the first 100 of its 500 characters were read"]


@pytest.mark.parametrize("kind", ["pdf", "html", "text"])
@pytest.mark.parametrize("data", [b"", b"\x00" * 4096, b"%PDF-1.7\nnonsense", bytes(range(256)) * 64])
def test_garbage_is_refused_or_empty_and_never_a_defect(kind: str, data: bytes) -> None:
    try:
        found = READER.read(kind, data, "https://x.example/a")
    except Refused as error:
        assert error.why and "Traceback" not in str(error)
    else:
        assert isinstance(found.text, str)


def test_s18_a_pdf_that_unpacks_to_more_than_memory_ends_its_own_process_only() -> None:
    bomb = zlib.compress(b"0 0 m " * (400 << 18), 9)
    raw = pdf("x").replace(b"/Length", b"/Filter /FlateDecode /Length", 1)
    start = raw.index(b"stream\n") + 7
    raw = raw[:start] + bomb + raw[raw.index(b"\nendstream") :]
    try:
        found = READER.read("pdf", raw, "bomb.pdf")
    except Refused as error:
        assert error.why
    else:
        assert len(found.text) <= documents.MAX_TEXT


def test_s28_a_parser_that_hangs_is_ended_at_its_time_limit_and_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hangs = tmp_path / "hangs.py"
    hangs.write_text("import subprocess, sys\nsubprocess.Popen(['sleep', '99'])\nwhile True: pass\n")
    monkeypatch.setattr(documents, "_PROGRAM", hangs)
    monkeypatch.setattr(documents, "SECONDS", 0.5)
    with pytest.raises(Refused, match=r"more than 0\.5 s"):
        READER.read("html", b"<p>x", "https://x.example")
    assert processes_of(tmp_path) == []


def test_s28_a_parser_that_wants_all_memory_is_told_no(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    eats = tmp_path / "eats.py"
    eats.write_text('x = bytearray(3 << 30)\nprint(\'{"text": "ate"}\')\n')
    monkeypatch.setattr(documents, "_PROGRAM", eats)
    with pytest.raises(Refused, match="MemoryError"):
        READER.read("html", b"<p>x", "https://x.example")


def test_a_run_that_is_cancelled_ends_the_parser_and_is_not_told_as_a_bad_document(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def over() -> None:
        raise TimeUp("the run was cancelled")

    hangs = tmp_path / "hangs.py"
    hangs.write_text("while True: pass\n")
    monkeypatch.setattr(documents, "_PROGRAM", hangs)
    with pytest.raises(TimeUp, match="cancelled"):
        DocumentReader(over, BOX).read("html", b"<p>x", "https://x.example")


def test_s26_the_parser_sees_nothing_of_the_workers_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "correct-horse")
    tells = tmp_path / "tells.py"
    tells.write_text("import json, os\nprint(json.dumps({'text': ' '.join(sorted(os.environ))}))\n")
    monkeypatch.setattr(documents, "_PROGRAM", tells)
    assert "DEPLOY_TOKEN" not in READER.read("html", b"<p>x", "https://x.example").text


@pytest.mark.skipif(BOX.found.path is None, reason=f"no sandbox here: {BOX.found.trouble}")
def test_s29_a_parser_that_was_taken_over_reaches_no_server_and_no_file_of_the_persons(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret of the house")
    taken = tmp_path / "code" / "taken.py"
    taken.parent.mkdir()
    monkeypatch.setattr(documents, "_PROGRAM", taken)
    with serving() as canary:
        taken.write_text(
            "import json, socket\n"
            "said = []\n"
            f"for deed in (lambda: open({str(secret)!r}).read(), lambda: open('/etc/shadow').read(),\n"
            f"             lambda: socket.create_connection(('127.0.0.1', {canary.port}), 2)):\n"
            "    try:\n        said.append(str(deed()))\n"
            "    except OSError as error:\n        said.append(type(error).__name__)\n"
            "print(json.dumps({'text': ' '.join(said)}))\n"
        )
        assert READER.read("html", b"<p>x", "https://x.example").text.split() == [
            "FileNotFoundError", "FileNotFoundError", "ConnectionRefusedError",
        ]  # fmt: skip
        assert canary.connections == 0
        full = DocumentReader(lambda: None, Sandbox("full", os.environ)).read("html", b"<p>x", "https://x.example")
        assert "the secret of the house" in full.text and canary.connections == 1, "the test can fail"


def test_s29_where_only_a_sandbox_will_do_nothing_is_read_without_one(tmp_path: Path) -> None:
    nowhere = Sandbox("restricted", {"PATH": str(tmp_path)})
    with pytest.raises(Refused, match="only in a sandbox"):
        DocumentReader(lambda: None, nowhere).read("html", b"<p>x", "https://x.example")


def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refused, match=r"pip install -e '\.\[web\]'"):
        READER.read("html", b"<p>x", "https://x.example")
