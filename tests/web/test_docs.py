"""What `docs/errands/web.md` says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.config import load_settings

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/errands/web.md").read_text("utf-8")


@pytest.mark.parametrize("number", range(PAGE.count("```toml")))
def test_every_example_is_a_setting_that_is_understood(tmp_path: Path, number: int) -> None:
    example = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[number]
    (tmp_path / "config.toml").write_text(example, "utf-8")
    settings = load_settings(tmp_path, {"GOFER_CONFIG": str(tmp_path / "config.toml")})
    assert settings.findings == ()
    assert settings.network.model_fields_set


def test_every_message_that_is_explained_exists() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "agent/web").glob("*.py"))
    told = re.findall(r"^\| (`.*?) \|", PAGE.partition("## What goes wrong")[2], re.M)
    words = [quoted for row in told for quoted in re.findall(r"`([^`]+)`", row)]
    assert len(words) > 10
    assert [text for text in words if not all(part in code for part in text.split("…"))] == []
