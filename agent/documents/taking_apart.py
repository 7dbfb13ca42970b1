"""The program of the child process: a document on standard input, its text and what it says of itself as JSON on
standard output. It imports nothing of Gofer's, and whatever goes wrong is one line on standard error."""

from __future__ import annotations

import json
import logging
import re
import sys
from io import BytesIO
from typing import Any

# What a browser would not show: text in there is for machines that read pages, not for people.
_HIDDEN = [
    "//*[@hidden or @aria-hidden='true']",
    *(
        f"//*[contains(translate(@style, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ ', 'abcdefghijklmnopqrstuvwxyz'), '{style}')]"
        for style in ("display:none", "visibility:hidden", "font-size:0", "opacity:0;")
    ),
    "//template | //noscript",
]
_META = re.compile(rb"<meta[^>]{1,200}charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_HEAD = 4096  # bytes in which a page says how it is written
_AS_BROWSERS = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
}
_SHORT = 300  # characters of a title or a name


class NotReadable(ValueError):
    """A document of which nothing can be read, in words for people."""


def html(data: bytes, _: int, charset: str) -> dict[str, Any]:
    """The main text of a page as Markdown, by trafilatura, which guesses the encoding where none is stated."""
    import trafilatura  # noqa: PLC0415  (a PDF does not need it)

    page = _decoded(data, charset)
    text = trafilatura.extract(
        page, output_format="markdown", include_comments=False, include_formatting=True, prune_xpath=_HIDDEN
    )
    # A thorough search takes any year on the page for its date, the copyright's too.
    about = trafilatura.extract_metadata(page, date_config={"extensive_search": False, "original_date": True})
    found = about.as_dict() if about else {}
    named = {name: found.get(name) or "" for name in ("title", "author", "date")}
    return {"text": text or "", **named}


def _decoded(data: bytes, charset: str) -> str | bytes:
    """A page as its server or its `meta` says it is written; as it came when neither says so, or it is not true. What
    can be read as UTF-8 is UTF-8, whatever is said (encoding sniffing of the HTML standard, 13.2.3, is less strict)."""
    said = _META.search(data[:_HEAD])
    named = (charset, said[1].decode("ascii") if said else "")
    unlike = b"\0" in data or b"\x1b" in data  # UTF-16 and ISO-2022 look like UTF-8
    for encoding in filter(None, (*named, "utf-8-sig") if unlike else ("utf-8-sig", *named)):
        try:
            return data.decode(_AS_BROWSERS.get(encoding.lower(), encoding))
        except (UnicodeError, LookupError):
            continue
    return data


def pdf(data: bytes, pages: int, _: str) -> dict[str, Any]:
    """The text of the first `pages` pages, by pypdf."""
    import pypdf  # noqa: PLC0415

    try:
        reader = pypdf.PdfReader(BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise NotReadable("it is encrypted, and needs a password")
        count = len(reader.pages)
    except pypdf.errors.PyPdfError as error:
        raise NotReadable(f"it is damaged or cut short ({error})") from None
    text = "\n\n".join(reader.pages[number].extract_text() for number in range(min(pages, count)))
    notes = [f"only the first {pages} of its {count} pages were read"] if count > pages else []
    text = re.sub(r"(?<=[^\W\d_])-\n(?=[^\W\d_])", "", text)  # a word that was divided at the end of a line
    about = reader.metadata
    made = about.creation_date if about else None
    return {
        "text": text,
        "title": (about and about.title) or "",
        "author": (about and about.author) or "",
        "date": made.date().isoformat() if made else "",
        "notes": notes,
    }


def text(data: bytes, _: int, charset: str) -> dict[str, Any]:
    """Text whose encoding is not known for sure: as its server says, else by charset-normalizer."""
    try:
        return {"text": data.decode(charset or "utf-8")}
    except (UnicodeError, LookupError):
        import charset_normalizer  # noqa: PLC0415

        best = charset_normalizer.from_bytes(data).best()
        if best is None:
            raise NotReadable("it is no text in any encoding that is known") from None
        return {"text": str(best)}


def main(kind: str, pages: str, limit: str, charset: str) -> int:
    logging.disable()  # what a parser thinks of a page is for nobody
    try:
        found = {"html": html, "pdf": pdf, "text": text}[kind](sys.stdin.buffer.read(), int(pages), charset)
    except MemoryError:
        return _gave_up("it needs more memory than is allowed")
    except RecursionError:
        return _gave_up("it is nested too deeply")
    except NotReadable as error:
        return _gave_up(str(error))
    except Exception as error:  # the process border: what a parser raises at a stranger's page is anything
        return _gave_up(" ".join(f"{type(error).__name__}: {error}".split()))
    whole = found["text"]
    notes = list(found.get("notes", ()))
    if len(whole) > int(limit):
        notes.append(f"only the first {int(limit):,} of its {len(whole):,} characters were read")
    shown = {name: str(found.get(name, ""))[:_SHORT] for name in ("title", "author", "date")}
    json.dump({"text": whole[: int(limit)], "notes": notes, **shown}, sys.stdout)
    return 0


def _gave_up(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
