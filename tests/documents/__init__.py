"""Documents that tests are made of: pages as sites write them, and PDFs."""

from __future__ import annotations

PAGE = """\
<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="author" content="{author}"><meta property="article:published_time" content="{date}">
</head><body><nav><a href="/">Home</a> <a href="/login">Log in</a></nav>
<main><article><h1>{title}</h1>
{body}
</article></main><footer>© Example 2026. All rights reserved.</footer></body></html>
"""


def page(title: str, *paragraphs: str, author: str = "", date: str = "", raw: str = "") -> bytes:
    """A page with a menu, an article and a footer. `raw` is HTML at the end of the article."""
    body = "\n".join(f"<p>{text}</p>" for text in paragraphs)
    return PAGE.format(title=title, author=author, date=date, body=f"{body}\n{raw}").encode()


def pdf(*pages: str, title: str = "") -> bytes:
    """A PDF of one text a page, its lines below each other (ISO 32000-1: the smallest that a reader takes)."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        lines = "".join(f"({_escaped(line)}) Tj T* " for line in text.split("\n"))
        stream = f"BT /F1 12 Tf 14 TL 72 720 Td {lines}ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    objects.append(f"<< /Title ({_escaped(title)}) /CreationDate (D:20260312101500Z) >>")
    out, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    end += (
        f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    )
    return out + end.encode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
