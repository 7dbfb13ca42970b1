"""The house from roof to cellar: who may import whom, and that the road stays on one screen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAX_ROAD = 45  # lines

# From top to bottom. A module imports from the rows below its own only; modules of one row do not know each other.
# A package is one room, unless a longer name puts a part of it elsewhere; inside a room there are no circles.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("smoke", "capability"),
    ("worker", "checkup", "throwaway", "smoke_checks", "sample_server"),
    ("confining",),
    ("road", "crew.program"),
    ("desk", "survey", "neighbours", "doctoring"),
    ("selfview",),
    ("outlet", "border"),
    ("intake", "workbench", "opening", "rehearsing"),
    ("holding", "meeting"),
    ("bench", "exchange"),
    ("pusher",),
    ("drafting", "quarantine", "sights", "landing"),
    ("persons", "notes"),
    ("records",),
    ("approving",),
    ("leading", "checks", "alerts"),
    ("pleading", "documents"),
    (
        "publish",
        "asking",
        "repos",
        "past",
        "admission",
        "identity",
        "schedules",
        "tray",
        "newvault",
        "stopping",
        "crew",
    ),
    ("commanding",),
    ("executors",),
    ("sandbox",),
    ("runner", "facts", "remotes", "process", "paying", "swapping", "measuring"),
    ("ground",),
    ("sync", "presence"),
    ("lookout", "remembered"),
    ("inbox", "board", "requests", "claims", "runs", "journal", "plans", "watch", "patience", "budget", "courtesy"),
    ("route",),
    ("correspondents",),
    ("web",),
    ("handlers",),
    ("models",),
    ("money",),
    ("stats",),
    ("vault",),
    ("git",),
    ("files",),
    ("gate",),
    ("config", "frontmatter", "redact", "schema", "defaults"),
    ("vault.values",),
    ("limits",),
    ("clock", "crash", "marked", "text", "turns", "hostnames"),
    ("errors",),
)
# Inside a function, because what they pull in is slow to import and most commands never need it.
LAZY = {("models.backends", f"models.{name}") for name in ("ollama", "openai", "embedded", "shelf")} | {
    ("web.door", "web.exchange")
}


def modules() -> dict[str, ast.Module]:
    """Every module of the package by its name below `agent.`; the package itself is ""."""
    found = {}
    for path in sorted((ROOT / "agent").rglob("*.py")):
        parts = path.relative_to(ROOT / "agent").with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text("utf-8"), str(path))
    return found


MODULES = modules()


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules of our own that are imported anywhere below a node."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import in line {node.lineno}"
            named = []
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                named.append(full if full.removeprefix("agent.") in MODULES else str(node.module))
        else:
            continue
        for name in named:
            if name.startswith("agent.") and name.removeprefix("agent.") in MODULES:
                yield name.removeprefix("agent.")


def room(module: str) -> str:
    """The longest name in LAYERS that holds a module."""
    rooms = [name for layer in LAYERS for name in layer if module == name or module.startswith(f"{name}.")]
    return max(rooms, key=len, default="")


LEVEL = {name: level for level, layer in enumerate(LAYERS) for name in layer}


def test_every_module_has_its_room() -> None:
    assert [module for module in MODULES if module and not room(module)] == []


def test_every_room_exists() -> None:
    assert [name for name in LEVEL if name not in MODULES] == []


def test_modules_import_only_downward() -> None:
    upward = [
        f"{module} imports {other}"
        for module, tree in MODULES.items()
        for other in imports(tree)
        if module and room(other) != room(module) and LEVEL[room(other)] <= LEVEL[room(module)]
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: {o for o in imports(tree) if o != module} for module, tree in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError and names them


def test_own_modules_are_imported_at_the_top_of_a_file() -> None:
    inside = {
        (module, other)
        for module, tree in MODULES.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for other in imports(function)
    }
    assert inside == LAZY


def test_only_one_room_speaks_git() -> None:
    speakers = {
        module
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any(
            name.split(".")[0] == "git"
            for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [str(node.module)])
        )
    }
    assert speakers == {"git.command"}


def test_the_road_is_on_one_screen() -> None:
    road = next(n for n in MODULES["road"].body if isinstance(n, ast.FunctionDef) and n.name == "road")
    assert road.end_lineno is not None
    assert road.end_lineno - road.lineno + 1 < MAX_ROAD
