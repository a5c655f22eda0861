"""Rooms import downwards only, foreign packages stay in their rooms, and code stays small."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "defectflow"

#: Low to high; rooms on one level do not know each other.
LEVELS = (
    {"errors"},
    {"units", "paths", "words"},
    {"structures", "analysis"},
    {"documents"},
    {"engines", "reference"},
    {"flows"},
    {"recipes"},
    {"settings"},
    {"store"},
    {"launch"},
    {"report"},
    {"cli"},
)
RANK = {room: rank for rank, rooms in enumerate(LEVELS) for room in rooms}

#: Foreign packages that only some rooms may know; the longest name that fits decides.
FENCES = {
    "torch": {"engines"},
    "chgnet": {"engines"},
    "sevenn": {"engines"},
    "dftd3": {"engines"},
    "ase": {"engines"},
    "ase.data": {"engines", "structures"},  # tables of radii and masses
    "atomate2": {"engines", "flows"},
    "maggma": {"store"},
    "pymongo": {"store", "launch"},  # a launchpad lies in the database of the store
    "mongomock_ng": {"store"},
    "sqlite3": {"store"},
    "fireworks": {"launch"},
    "click": {"cli"},
    "jobflow": {"engines", "flows", "recipes", "store", "launch", "cli"},
}
VAGUE = {"util", "common", "helper", "core", "manager", "misc", "tool", "base_utils"}

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_METHODS = 15


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imported(module: ast.Module) -> list[tuple[int, str]]:
    """Every imported dotted name with its line: lazy ones, typing ones and import_module too."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            if base == "defectflow":
                found += [(node.lineno, f"defectflow.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, base))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            literals = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            found += [(node.lineno, str(name)) for name in literals]
    return found


def arrows_back(path: Path, module: ast.Module) -> list[str]:
    room = room_of(path)
    wrong = []
    for line, name in imported(module):
        parts = name.split(".")
        if parts[0] == "":
            wrong.append(f"{name_of(path)}:{line} relative import {name}")
        elif parts[0] == "defectflow":
            target = parts[1] if len(parts) > 1 else "the whole package"
            below = RANK.get(target, len(LEVELS)) < RANK[room]
            if target != room and not below:
                wrong.append(f"{name_of(path)}:{line} {room} imports {target}")
    return wrong


def may_know(room: str, name: str) -> bool:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        rooms = FENCES.get(".".join(parts[:length]))
        if rooms is not None:
            return room in rooms
    return True


def is_method(node: ast.stmt) -> bool:
    """Whether a statement of a class is a method: properties and special methods do not count."""
    if not isinstance(node, ast.FunctionDef) or node.name.startswith("__"):
        return False
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    return not decorators & {"property", "cached_property", "functools.cached_property"}


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef, source: list[str]) -> int:
    """Lines of a function without its docstring, comments and blank lines."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if not body:
        return 1
    header = range(node.lineno, node.body[0].lineno)
    lines = [*header, *range(body[0].lineno, (node.end_lineno or node.lineno) + 1)]
    texts = [source[number - 1].strip() for number in sorted(set(lines))]
    return sum(1 for text in texts if text and not text.startswith("#"))


def test_every_module_belongs_to_a_room():
    rooms = {room_of(path) for path in modules()} - {"__init__"}
    assert rooms <= set(RANK), f"not in LEVELS: {sorted(rooms - set(RANK))}"


def test_no_import_points_back():
    wrong = [
        text
        for path in modules()
        if room_of(path) != "__init__"
        for text in arrows_back(path, tree(path))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "code", "count"),
    [
        ("structures/x.py", "from defectflow.engines import engine", 1),
        ("structures/x.py", "def f():\n    import defectflow.flows.migration", 1),
        ("structures/x.py", "from defectflow import store", 1),
        ("structures/x.py", "from defectflow import run", 1),
        ("structures/x.py", "from defectflow.analysis import barriers", 1),
        ("structures/x.py", "from . import hosts", 1),
        ("structures/x.py", "import importlib\nimportlib.import_module('defectflow.cli')", 1),
        ("store/x.py", "from defectflow.launch import run_flow", 1),
        ("launch/x.py", "from defectflow.store import open_store", 0),
        ("structures/x.py", "from defectflow.errors import StructureError", 0),
        ("structures/x.py", "from defectflow.structures import hosts", 0),
        ("cli/x.py", "from defectflow.recipes import load", 0),
    ],
)
def test_the_walk_sees_arrows(path, code, count):
    assert len(arrows_back(SOURCE / path, ast.parse(code))) == count


def test_foreign_packages_stay_in_their_rooms():
    wrong = [
        f"{name_of(path)}:{line} {name}"
        for path in modules()
        for line, name in imported(tree(path))
        if not may_know(room_of(path), name)
    ]
    assert wrong == []


def test_the_longest_name_decides_who_may_know_a_package():
    assert may_know("structures", "ase.data")
    assert not may_know("structures", "ase.io")
    assert may_know("engines", "ase.calculators.emt")
    assert may_know("structures", "numpy.linalg")


def test_no_module_has_a_vague_name():
    for path in modules():
        for part in path.relative_to(SOURCE).with_suffix("").parts:
            assert part.rstrip("s") not in VAGUE, f"{name_of(path)}: say what it is about"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_files_functions_and_classes_are_small(path):
    source = path.read_text("utf-8").splitlines()
    large = []
    if len(source) > MAX_FILE_LINES:
        large.append(f"{name_of(path)} has {len(source)} lines")
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = code_lines(node, source)
            if count > MAX_FUNCTION_LINES:
                large.append(f"{node.name} (line {node.lineno}) has {count} code lines")
        elif isinstance(node, ast.ClassDef):
            methods = [n for n in node.body if is_method(n)]
            if len(methods) > MAX_METHODS:
                large.append(f"{node.name} (line {node.lineno}) has {len(methods)} methods")
    assert large == []


def test_code_lines_leave_out_docstring_comments_and_blanks():
    code = 'def f(a,\n      b):\n    """Text.\n\n    More.\n    """\n    # why\n\n    return a\n'
    function = ast.parse(code).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert code_lines(function, code.splitlines()) == 3
