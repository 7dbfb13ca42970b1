"""The shelf: where downloaded models lie, which ones can be named, and which file is in use."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.errors import Usage

ENDPOINT = "https://huggingface.co"  # HF_ENDPOINT names a mirror, as for Hugging Face's own tools
_FOLDER = "GOFER_MODELS_DIR"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Known:
    """A model that can be downloaded by name: repository, revision and file on Hugging Face, the file's sha256, and
    its size in bytes, which is only told, never relied on."""

    repo: str
    revision: str
    file: str
    sha256: str
    size: int


# Qwen's own files. A revision never changes, so its checksum can stand here, and a mirror that lies is found out.
KNOWN: Mapping[str, Known] = {
    "qwen3-0.6b": Known(
        "Qwen/Qwen3-0.6B-GGUF",
        "23749fefcc72300e3a2ad315e1317431b06b590a",
        "Qwen3-0.6B-Q8_0.gguf",
        "9465e63a22add5354d9bb4b99e90117043c7124007664907259bd16d043bb031",
        639_446_688,
    ),
    "qwen3-1.7b": Known(
        "Qwen/Qwen3-1.7B-GGUF",
        "90862c4b9d2787eaed51d12237eafdfe7c5f6077",
        "Qwen3-1.7B-Q8_0.gguf",
        "061b54daade076b5d3362dac252678d17da8c68f07560be70818cace6590cb1a",
        1_834_426_016,
    ),
    "qwen3-4b": Known(
        "Qwen/Qwen3-4B-GGUF",
        "bc640142c66e1fdd12af0bd68f40445458f3869b",
        "Qwen3-4B-Q4_K_M.gguf",
        "7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5",
        2_497_280_256,
    ),
    "qwen3-8b": Known(
        "Qwen/Qwen3-8B-GGUF",
        "7c41481f57cb95916b40956ab2f0b139b296d974",
        "Qwen3-8B-Q4_K_M.gguf",
        "d98cdcbd03e17ce47681435b5150e34c1417f50b5c0019dd560e4882c5745785",
        5_027_783_488,
    ),
}


def models_dir(env: Mapping[str, str]) -> Path:
    """The folder of downloaded models; it need not exist."""
    if named := env.get(_FOLDER):
        path = Path(named)
        with suppress(RuntimeError):  # the home folder of nobody
            path = path.expanduser()
        return path.absolute()
    import platformdirs  # noqa: PLC0415

    return platformdirs.user_data_path("gofer", appauthor=False) / "models"


def on_shelf(env: Mapping[str, str]) -> tuple[Path, ...]:
    """The GGUF files of the shelf, the newest first."""
    found: list[tuple[int, Path]] = []
    try:
        with os.scandir(models_dir(env)) as entries:
            for entry in entries:
                named = entry.name.lower().endswith(".gguf") and not entry.name.startswith(".")
                if named and entry.name.isprintable() and entry.is_file():  # the name goes into reports as it is
                    found.append((entry.stat().st_mtime_ns, Path(entry.path)))
    except OSError:
        return ()
    return tuple(path for _, path in sorted(found, reverse=True))


def find_model(configured: str, env: Mapping[str, str]) -> Path | None:
    """The model's file: as configured, whether it is there or not; else the newest of the shelf; else None."""
    if configured:
        return Path(configured).expanduser()
    return next(iter(on_shelf(env)), None)


def known(name: str) -> Known:
    """The model of that name. Raises Usage, which lists the known ones."""
    if (found := KNOWN.get(short(name))) is None:
        fix = f"one of {', '.join(KNOWN)}; or give the file's address: gofer model download {_safe(name)} --url URL"
        raise Usage(f"there is no model '{name}' to download by name", fix=fix)
    return found


def short(name: str) -> str:
    """The name as the table spells it; `qwen3:8b`, as Ollama calls it, is `qwen3-8b`."""
    return name.lower().replace(":", "-")


def address(model: Known, env: Mapping[str, str]) -> str:
    """Where the file is, before any redirect."""
    base = (env.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    return f"{base}/{model.repo}/resolve/{model.revision}/{model.file}"


def file_name(name: str) -> str:
    """The file that a model of the person's own naming gets on the shelf. Raises Usage when it is no plain name."""
    if not _NAME.fullmatch(name):
        raise Usage(f"'{name}' cannot be the name of a file", fix="use letters, digits, '.', '-' and '_'")
    return name if name.lower().endswith(".gguf") else f"{name}.gguf"


def download_command(stem: str) -> str:
    """The command that brings the model whose file is called so."""
    stem = stem.lower()
    named = next((name for name, one in KNOWN.items() if stem in (name, one.file.lower().removesuffix(".gguf"))), None)
    return f"gofer model download {named or 'qwen3-8b'}"


def _safe(name: str) -> str:
    return name if _NAME.fullmatch(name) else "NAME"
