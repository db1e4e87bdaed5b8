"""Folder = layer: imports go downwards only, heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "workbench"

EVERYTHING = frozenset(path.name.removesuffix(".py") for path in PACKAGE.iterdir())
MAY_IMPORT: dict[str, frozenset[str]] = {
    layer: frozenset(lower.split())
    for layer, lower in {
        "errors": "",
        "markup": "",
        "config": "errors",
        "entities": "errors markup",
        "database": "errors",
        "store": "errors markup entities database",
        "history": "errors markup entities database",
        "frames": "errors markup entities database store history transfer",
        "transfer": "errors markup entities database store history",
        "widgets": "errors entities",
        "editing": "errors entities database store widgets transfer",
        "collection": "errors entities database store frames transfer editing progress",
        "files": "errors entities database store frames transfer progress",
        "workspace": "errors entities database store history frames transfer collection files",
        "dashboard": "errors entities store history transfer widgets editing workspace",
        "auth": "errors entities database",
        "server": "errors config database auth",
        "demo": "",
        "progress": "",
    }.items()
} | dict.fromkeys(("__init__", "__main__", "wiring", "commands", "cli", "serving"), EVERYTHING)

ONLY_IN: dict[str, frozenset[str]] = {
    library: frozenset(layers.split())
    for library, layers in {
        "sqlalchemy": "entities database store history transfer editing auth",
        "alembic": "database",
        "asyncpg": "database transfer",
        "adbc_driver_manager": "database",
        "adbc_driver_postgresql": "database",
        "psutil": "database",
        "pandas": "frames collection files workspace history",
        "pyarrow": "database frames transfer",
        "numpy": "frames transfer",
        "PIL": "demo transfer",
        "charset_normalizer": "transfer",
        "ipywidgets": "widgets dashboard",
        "anywidget": "widgets",
        "traitlets": "widgets dashboard server",
        "tornado": "server",
        "jupyter_server": "server",
        "jupyter_client": "server",
        "nbformat": "server",
        "voila": "server",
        "authlib": "auth",
        "joserfc": "auth",
        "httpx2": "auth",
        "typer": "commands cli",
        "rich": "progress",
        "pydantic_settings": "config",
        "platformdirs": "config",
    }.items()
}
ONLY_FOR_TYPES = {
    ("collection", "pandas"),
    ("files", "pandas"),
    ("workspace", "pandas"),
    ("history", "pandas"),
    ("database", "pyarrow"),
}
"""Named in annotations, so loaded by type checkers alone."""


def modules() -> list[Path]:
    return sorted(
        p for p in PACKAGE.rglob("*.py") if "frontend" not in p.relative_to(PACKAGE).parts
    )


def layer_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every module that is imported: at the top, in functions, and for types."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "workbench":
                yield from ((node.lineno, f"workbench.{name.name}") for name in node.names)
            else:
                yield node.lineno, node.module or ""


def imports() -> Iterator[tuple[Path, int, str]]:
    for module in modules():
        for line, name in imported(ast.parse(module.read_text(encoding="utf-8"))):
            yield module, line, name


def test_every_part_of_the_package_has_its_layer():
    assert {layer_of(module) for module in modules()} - set(MAY_IMPORT) == set()


def test_the_table_itself_goes_downwards_only():
    """No two layers may import each other, however far around."""
    layers = {layer: lower for layer, lower in MAY_IMPORT.items() if lower is not EVERYTHING}
    while layers:
        lowest = {layer for layer, lower in layers.items() if not lower & set(layers)}
        assert lowest, f"a circle: {sorted(layers)}"
        layers = {layer: lower for layer, lower in layers.items() if layer not in lowest}


def test_imports_go_downwards_only():
    wrong = [
        f"{module.relative_to(PACKAGE)}:{line} imports {name}"
        for module, line, name in imports()
        if name.split(".")[0] == "workbench"
        and (name.split(".")[1:2] or ["__init__"])[0]
        not in MAY_IMPORT[layer_of(module)] | {layer_of(module)}
    ]
    assert wrong == []


def test_heavy_libraries_are_used_where_they_belong_only():
    wrong = [
        f"{module.relative_to(PACKAGE)}:{line} imports {name}"
        for module, line, name in imports()
        if (library := name.split(".")[0]) in ONLY_IN and layer_of(module) not in ONLY_IN[library]
    ]
    assert wrong == []


def test_no_library_is_allowed_where_nobody_uses_it():
    """The table stays as small as it can be."""
    used = {(name.split(".")[0], layer_of(module)) for module, _, name in imports()}
    allowed = {(lib, layer) for lib in ONLY_IN for layer in ONLY_IN[lib]}
    assert {pair for pair in allowed - used if (PACKAGE / pair[1]).exists()} <= {
        ("PIL", "transfer"),  # scaled pictures are a later step's
        ("PIL", "demo"),
    }


@pytest.mark.parametrize(("layer", "library"), sorted(ONLY_FOR_TYPES))
def test_names_for_types_are_not_loaded(layer: str, library: str):
    for module in modules():
        if layer_of(module) != layer:
            continue
        tree = ast.parse(module.read_text(encoding="utf-8"))
        guarded = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Import) and node not in guarded:
                assert library not in {name.name.split(".")[0] for name in node.names}, module


def in_fresh_interpreter(script: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.splitlines()


def test_importing_workbench_loads_nothing_heavy():
    loaded = in_fresh_interpreter("import sys, workbench; print(*sys.modules, sep='\\n')")
    assert "workbench" in loaded
    heavy = {*ONLY_IN, "pydantic", "asyncio"} & {name.split(".")[0] for name in loaded}
    assert heavy == set()


def test_connecting_loads_neither_frames_nor_widgets_nor_servers():
    loaded = in_fresh_interpreter("import sys, workbench.wiring; print(*sys.modules, sep='\\n')")
    heavy = {"pandas", "pyarrow", "numpy", "ipywidgets", "anywidget", "voila", "tornado", "alembic"}
    assert heavy & {name.split(".")[0] for name in loaded} == set()


WATCHED_IMPORT = r"""
import importlib, os, sys, sysconfig

package, *names = sys.argv[1:]
standard = (sysconfig.get_path("stdlib"), "<frozen", "<string>")
site = sysconfig.get_path("purelib")
watched = ("open", "os.", "socket.", "subprocess.", "shutil.", "tempfile.", "sqlite3.", "signal.")
busy = False

def actor():
    "The file that does it: the nearest frame that is not the standard library's."
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return None
        if name.startswith(site) or not name.startswith(standard):
            return name
        frame = frame.f_back

def report(what):
    global busy
    if busy:
        return
    busy = True
    try:
        name = actor()
        if name and name.startswith(package):
            print(os.path.relpath(name, package), what)
    finally:
        busy = False

def hook(event, arguments):
    if event.startswith(watched) and event != "os.putenv":
        report(f"{event} {arguments[:1]}")

get = os._Environ.__getitem__
def looked(self, key):
    report(f"reads the variable {key}")
    return get(self, key)

os._Environ.__getitem__ = looked
sys.addaudithook(hook)
for name in names:
    importlib.import_module(name)
print("done")
"""


def test_nothing_happens_at_import():
    """No module opens, makes, starts, connects or reads the environment as it is imported."""
    names = [
        ".".join(("workbench", *module.relative_to(PACKAGE).with_suffix("").parts))
        for module in modules()
        if module.stem != "__main__"
    ]
    names = [name.removesuffix(".__init__") for name in names]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED_IMPORT, str(PACKAGE), *names],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines() == ["done"], done.stderr
