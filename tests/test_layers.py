"""The house's rules of dependency, one table: who may import whom, and which stdlib runs where."""

import ast
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"agent", "drivers", "hw", "models", "firmware_tools", "tests"}
ALLOWED_STDLIB = json.loads((ROOT / "tests" / "allowed_stdlib.json").read_text())
PORTABLE_STDLIB = {
    "array",
    "asyncio",
    "binascii",
    "collections",
    "errno",
    "gc",
    "hashlib",
    "heapq",
    "io",
    "json",
    "math",
    "os",
    "random",
    "re",
    "select",
    "socket",
    "ssl",
    "struct",
    "sys",
    "time",
}
PURE_CORE = PORTABLE_STDLIB - {"os", "random", "select", "socket", "ssl", "time", "io"}
ANYTHING = None

# folder or file: (what of ours it may import, which packages from outside, which stdlib)
RULES: dict[str, tuple[set[str] | None, set[str] | None, set[str] | None]] = {
    "drivers": ({"drivers"}, set(), PORTABLE_STDLIB),
    "hw": (set(), set(), PORTABLE_STDLIB),
    "hw/sim": ({"hw.sim"}, set(), PORTABLE_STDLIB),
    "hw/machines": ({"hw.machines", "hw.sim"}, {"numpy"}, set(ALLOWED_STDLIB)),
    "agent/core": ({"agent.core"}, set(), PURE_CORE),
    "agent/analysis": (
        {"agent.core", "agent.analysis"},
        {"numpy"},
        {"math", "json", "collections", "io", "struct", "binascii", "zlib", "re"},
    ),
    "agent/stages": (
        {"agent.core", "agent.analysis", "agent.ports", "agent.limits", "agent.stages"},
        set(),
        set(ALLOWED_STDLIB) - {"sqlite3", "socket", "ssl", "threading", "multiprocessing"},
    ),
    "agent/store": (
        {"agent.core", "agent.ports", "agent.limits", "agent.store"},
        set(),
        set(ALLOWED_STDLIB) - {"asyncio", "socket", "ssl", "threading", "multiprocessing"},
    ),
    "agent/page": (
        {"agent.core", "agent.ports", "agent.limits", "agent.page", "=agent"},
        {"microdot"},
        set(ALLOWED_STDLIB),
    ),
    "agent/adapters": (
        {
            "agent.core",
            "agent.ports",
            "agent.limits",
            "agent.worker",
            "agent.drain",
            "agent.batch_wire",
            "agent.dial",
            "agent.store",
            "=agent",
            "drivers",
            "hw",
        },
        ANYTHING,
        set(ALLOWED_STDLIB),
    ),
    "agent/simulated": (
        {
            "agent.core",
            "agent.analysis",
            "agent.limits",
            "agent.drain",
            "agent.chips",
            "agent.simulated",
            "hw",
        },
        {"numpy"},
        set(ALLOWED_STDLIB) - {"sqlite3", "socket", "ssl", "threading", "multiprocessing"},
    ),
    "agent/words": (
        {"agent", "-agent.adapters", "-agent.cli", "drivers"},
        {"numpy"},
        set(ALLOWED_STDLIB),
    ),
    "agent/cli.py": ({"=agent", "agent.words"}, set(), set(ALLOWED_STDLIB)),
    "agent/buses.py": (
        {"agent", "-agent.words", "-agent.cli", "-agent.app"},
        set(),
        set(ALLOWED_STDLIB),
    ),
    "agent/sampling.py": (
        {"agent", "-agent.words", "-agent.cli", "-agent.app"},
        set(),
        set(ALLOWED_STDLIB),
    ),
    "agent/app.py": ({"agent", "-agent.words", "-agent.cli"}, {"numpy"}, set(ALLOWED_STDLIB)),
    "agent": (
        {"agent", "-agent.adapters", "-agent.words", "drivers", "hw"},
        {"numpy"},
        set(ALLOWED_STDLIB),
    ),
    "models": ({"models", "agent.analysis", "agent.core", "hw.machines", "hw.sim"}, ANYTHING, None),
    "firmware_tools": (ANYTHING, ANYTHING, ANYTHING),
    "tests": (ANYTHING, ANYTHING, ANYTHING),
}
ADAPTERS_OUTSIDE_LIMIT = 1


def python_files() -> list[Path]:
    folders = sorted(OURS)
    return [p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]


def rule_of(path: Path) -> str:
    relative = path.relative_to(ROOT).as_posix()
    return max((name for name in RULES if f"{relative}/".startswith(name + "/")), key=len)


def runtime_imports(tree: ast.AST) -> set[str]:
    """Every module named by an import that runs (not under `if TYPE_CHECKING`)."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            found |= runtime_imports(ast.Module(node.orelse, []))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import at line {node.lineno}"
            found |= {_deepest(node.module or "", alias.name) for alias in node.names}
        else:
            found |= runtime_imports(node)
    return found


def _deepest(module: str, name: str) -> str:
    """`from agent import ports` is an import of agent.ports when that is a module."""
    inside = ROOT / module.replace(".", "/") / name
    is_module = inside.with_suffix(".py").exists() or inside.is_dir()
    return f"{module}.{name}" if is_module else module


def is_stdlib(module: str) -> bool:
    return module.split(".")[0] in sys.stdlib_module_names


def within(module: str, allowed: set[str]) -> bool:
    """`a.b` allows a.b and what is in it, `=a` allows only a itself, `-a.b` takes a.b out again."""
    if any(n[0] == "-" and _inside(module, n[1:]) for n in allowed):
        return False
    return any(module == n[1:] if n[0] == "=" else _inside(module, n) for n in allowed)


def _inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def broken_rules(path: Path, source: str) -> list[str]:
    rule = rule_of(path)
    ours, outside, stdlib = RULES[rule]
    broken = []
    for module in sorted(runtime_imports(ast.parse(source))):
        top = module.split(".")[0]
        if top in OURS:
            bad = ours is not None and not within(module, ours)
        elif is_stdlib(module):
            bad = stdlib is not None and module not in stdlib and top not in stdlib
        else:
            bad = outside is not None and top not in outside
        if bad:
            broken.append(f"{path.relative_to(ROOT)} imports {module}")
    return broken


@pytest.mark.parametrize("path", python_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_keep_the_layers(path: Path) -> None:
    assert broken_rules(path, path.read_text()) == []


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("drivers", "import time as t, dataclasses"),
        ("drivers", "from hw.sim import bus"),
        ("hw/sim", "from drivers import device"),
        ("hw/sim", "import numpy"),
        ("agent/core", "import time"),
        ("agent/core", "from agent import ports"),
        ("agent/analysis", "import scipy"),
        ("agent/stages", "from agent.adapters import clock_os"),
        ("agent/stages", "import sqlite3"),
        ("agent/adapters", "from agent.stages import record"),
        ("agent/page", "from agent.stages import record"),
        ("agent", "import typing"),
        ("agent", "from agent.adapters import clock_os"),
        ("agent", "from agent.words import start"),
        ("agent/words", "from agent.adapters import clock_os"),
        ("agent/words", "from agent import cli"),
        ("agent/simulated", "from agent.stages import record"),
        ("agent/simulated", "import socket"),
        ("agent", "from models import train"),
        ("models", "from agent.stages import analyse"),
    ],
)
def test_a_broken_rule_is_noticed(folder: str, line: str) -> None:
    assert broken_rules(ROOT / folder / "new_file.py", line) != []


def test_an_adapter_touches_one_outside_thing() -> None:
    for path in sorted((ROOT / "agent" / "adapters").glob("*.py")):
        modules = runtime_imports(ast.parse(path.read_text()))
        outside = {m.split(".")[0] for m in modules if not is_stdlib(m)} - {"agent"}
        outside = {name for name in outside if name != "numpy"}
        families = {frozenset(NAMES_OF_ONE_THING.get(name, {name})) for name in outside}
        assert len(families) <= ADAPTERS_OUTSIDE_LIMIT, f"{path.name} touches {sorted(outside)}"


NAMES_OF_ONE_THING = {
    "tflite_runtime": {"tflite_runtime", "ai_edge_litert"},
    "ai_edge_litert": {"tflite_runtime", "ai_edge_litert"},
    "aiomqtt": {"aiomqtt", "paho"},
    "paho": {"aiomqtt", "paho"},
    "board": {"board", "busio", "digitalio"},
    "busio": {"board", "busio", "digitalio"},
    "digitalio": {"board", "busio", "digitalio"},
}


def test_adapters_do_not_import_one_another() -> None:
    for path in sorted((ROOT / "agent" / "adapters").glob("*.py")):
        modules = runtime_imports(ast.parse(path.read_text()))
        assert not [m for m in modules if m.startswith("agent.adapters")], path.name


def test_nothing_imports_models_at_run_time() -> None:
    for folder in ("agent", "drivers", "hw", "firmware_tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            modules = runtime_imports(ast.parse(path.read_text()))
            assert not [m for m in modules if m.split(".")[0] == "models"], path


def test_the_top_level_holds_only_what_was_agreed() -> None:
    agreed = OURS | {"pyproject.toml", "README.md", "LICENSE", "Makefile"}
    passing = {"build", "dist", "latido.egg-info"}
    found = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")} - passing
    assert found <= agreed, sorted(found - agreed)


def test_every_exception_is_caught_by_the_supervisor_alone() -> None:
    catches = []
    for folder in ("agent", "drivers", "hw", "firmware_tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ExceptHandler):
                    name = node.type.id if isinstance(node.type, ast.Name) else None
                    if node.type is None or name in ("Exception", "BaseException"):
                        catches.append(path.relative_to(ROOT).as_posix())
    # The worker only carries an error from its thread to whoever awaits it.
    assert catches == ["agent/supervisor.py", "agent/worker.py"]
