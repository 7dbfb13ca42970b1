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
_SHORT = 300  # characters of a title or a name


def html(data: bytes, _: int, charset: str) -> dict[str, Any]:
    """The main text of a page as Markdown, by trafilatura, which also finds out its encoding."""
    import trafilatura  # noqa: PLC0415  (a PDF does not need it)

    text = trafilatura.extract(
        data, output_format="markdown", include_comments=False, include_formatting=True, prune_xpath=_HIDDEN
    )
    # A thorough search takes any year on the page for its date, the copyright's too.
    about = trafilatura.extract_metadata(data, date_config={"extensive_search": False, "original_date": True})
    found = about.as_dict() if about else {}
    named = {name: found.get(name) or "" for name in ("title", "author", "date")}
    return {"text": text or "", **named}


def pdf(data: bytes, pages: int, _: str) -> dict[str, Any]:
    """The text of the first `pages` pages, by pypdf."""
    import pypdf  # noqa: PLC0415

    reader = pypdf.PdfReader(BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise ValueError("it is encrypted, and needs a password")
    count = len(reader.pages)
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
    except (UnicodeDecodeError, LookupError):
        import charset_normalizer  # noqa: PLC0415

        best = charset_normalizer.from_bytes(data).best()
        if best is None:
            raise ValueError("it is no text in any encoding that is known") from None
        return {"text": str(best)}


def main(kind: str, pages: str, limit: str, charset: str) -> int:
    logging.disable()  # what a parser thinks of a page is for nobody
    try:
        found = {"html": html, "pdf": pdf, "text": text}[kind](sys.stdin.buffer.read(), int(pages), charset)
    except MemoryError:
        return _gave_up("it needs more memory than is allowed")
    except RecursionError:
        return _gave_up("it is nested too deeply")
    except Exception as error:
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
