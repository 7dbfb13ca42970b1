"""The shelf: where downloaded models lie, which ones can be named, and which file is in use."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.errors import Usage

ENDPOINT = "https://huggingface.co"  # HF_ENDPOINT names a mirror, as for Hugging Face's own tools
_FOLDER = "GOFER_MODELS_DIR"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Known:
    """A model that can be downloaded by name: its repository and file on Hugging Face, and its size in bytes, which
    is only told, never relied on."""

    repo: str
    file: str
    size: int


# Qwen's own files, in the smallest form they publish that is still good. Checksums come from the server, see fetch.py.
KNOWN: Mapping[str, Known] = {
    "qwen3-0.6b": Known("Qwen/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0.gguf", 639_446_688),
    "qwen3-1.7b": Known("Qwen/Qwen3-1.7B-GGUF", "Qwen3-1.7B-Q8_0.gguf", 1_834_426_016),
    "qwen3-4b": Known("Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q4_K_M.gguf", 2_497_280_256),
    "qwen3-8b": Known("Qwen/Qwen3-8B-GGUF", "Qwen3-8B-Q4_K_M.gguf", 5_027_783_488),
}


def models_dir(env: Mapping[str, str]) -> Path:
    """The folder of downloaded models; it need not exist."""
    if named := env.get(_FOLDER):
        return Path(named).expanduser().absolute()
    import platformdirs  # noqa: PLC0415

    return platformdirs.user_data_path("gofer", appauthor=False) / "models"


def on_shelf(env: Mapping[str, str]) -> tuple[Path, ...]:
    """The GGUF files of the shelf, the newest first."""
    found: list[tuple[int, Path]] = []
    try:
        with os.scandir(models_dir(env)) as entries:
            for entry in entries:
                if entry.name.lower().endswith(".gguf") and not entry.name.startswith(".") and entry.is_file():
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
    if (found := KNOWN.get(name.lower().replace(":", "-"))) is None:
        fix = f"one of {', '.join(KNOWN)}; or give the file's address: gofer model download {_safe(name)} --url URL"
        raise Usage(f"there is no model '{name}' to download by name", fix=fix)
    return found


def address(model: Known, env: Mapping[str, str]) -> str:
    """Where the file is, before any redirect."""
    base = (env.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    return f"{base}/{model.repo}/resolve/main/{model.file}"


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
