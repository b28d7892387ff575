"""Who may import whom: read from the syntax trees, so that no import order or lazy trick can hide a step upward."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

LETTER = Path(__file__).resolve().parents[1] / "letter"
GROUND, CONFIG, MODELS, RULES, MIDDLE, EDGE, TOP = range(7)
FLOORS = {
    **dict.fromkeys(("letter", "clock", "errors", "text", "names", "tokens", "sealing", "formats"), GROUND),
    **dict.fromkeys(("negotiation", "shelf"), GROUND),
    **{"config": CONFIG, "columns": MODELS, "models": MODELS, "migrations": RULES},
    **dict.fromkeys(
        ("db", "turns", "links", "revision", "upgrade", "mail", "pages", "moving", "backup", "pgdump", "postgres"),
        MIDDLE,
    ),
    **dict.fromkeys(("web", "commands"), EDGE),
    **dict.fromkeys(("app", "cli", "__main__"), TOP),
}
FURNITURE = {f"letter.web.{word}" for word in ("guards", "forms", "errors", "headers", "filters", "request")}
HIGHEST_THAT_MAY_NOT_KNOW = {
    **dict.fromkeys(("flask", "flask_wtf", "wtforms", "werkzeug", "jinja2", "granian", "click", "rich"), RULES),
    **dict.fromkeys(("sqlalchemy", "alembic", "sqlite3", "pysqlite3", "psycopg"), CONFIG),
}
DRAWERS = {"util", "helper", "common", "core", "service", "manager"}
LAZY = {"__import__", "import_module"}
OTHER_STATES = {"letters": "letter", "outbox": "row"}  # a letter and a mail have a state too, and a file that moves it


@dataclass(frozen=True)
class Module:
    name: str  # letter.web.forms
    tree: ast.Module
    is_package: bool

    @property
    def shelf(self) -> str:
        return (*self.name.split("."), "letter")[1]

    @property
    def floor(self) -> int:
        return FLOORS.get(self.shelf, RULES)

    @property
    def is_page(self) -> bool:
        return self.name.startswith("letter.web.") and self.name not in FURNITURE


def faults(folder: Path) -> list[str]:
    """Every fault of the package in `folder`, as sentences."""
    modules = {module.name: module for module in _modules(folder)}
    imports = {name: _imports(module, modules) for name, module in modules.items()}
    found = [fault for module in modules.values() for fault in _within(module)]
    found += [fault for name, targets in imports.items() for fault in _between(modules[name], targets, modules)]
    try:
        TopologicalSorter({name: targets & modules.keys() for name, targets in imports.items()}).prepare()
    except CycleError as error:
        found.append(f"a cycle: {', '.join(sorted(set(error.args[1])))}")
    return sorted(found)


def _modules(folder: Path) -> Iterator[Module]:
    for path in sorted(folder.rglob("*.py")):
        parts = ["letter", *path.relative_to(folder).with_suffix("").parts]
        is_package = parts[-1] == "__init__"
        yield Module(".".join(parts[:-1] if is_package else parts), ast.parse(path.read_text("utf-8")), is_package)


def _imports(module: Module, modules: dict[str, Module]) -> set[str]:
    found = set[str]()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(module, node)
            found |= {inner if (inner := f"{source}.{a.name}") in modules else source for a in node.names}
    return found


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    parts = parts[: len(parts) + module.is_package - node.level]
    return ".".join([*parts, node.module] if node.module else parts)


def _between(module: Module, targets: set[str], modules: dict[str, Module]) -> Iterator[str]:
    for target in targets:
        distribution = target.split(".")[0]
        if other := modules.get(target):
            if other.floor > module.floor:
                yield f"{module.name} imports {target} above it"
            if {module.shelf, other.shelf} == {"web", "commands"}:
                yield f"{module.name} imports {target} beside it"
            if module.shelf == "web" and other.is_page:
                yield f"{module.name} imports the page {target}"
        elif module.floor <= HIGHEST_THAT_MAY_NOT_KNOW.get(distribution, -1):
            yield f"{module.name} knows {distribution}"


def _within(module: Module) -> Iterator[str]:
    for word in module.name.split("."):
        if word.removesuffix("s") in DRAWERS:
            yield f"{module.name} is named after a drawer"
    if module.name.count(".") > 1 and module.shelf not in FLOORS:
        yield f"{module.name} is in a folder without a floor"
    for node in ast.walk(module.tree):
        where = f"{module.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if any(isinstance(inner, ast.Import | ast.ImportFrom) for inner in ast.walk(node)):
                yield f"{where} imports inside {node.name}"
        elif isinstance(node, ast.Call) and _last_name(node.func) in LAZY and module.floor < TOP:
            yield f"{where} imports by a call"
        elif isinstance(node, ast.Call) and _last_name(node.func) == "commit" and module.floor <= RULES:
            yield f"{where} commits"
        elif _sets_a_state(node) and not _may_set(module, node):
            yield f"{where} sets a state"


def _last_name(node: ast.expr) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def _sets_a_state(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "state" and isinstance(node.ctx, ast.Store)
    if not isinstance(node, ast.Call):
        return False
    if _last_name(node.func) == "setattr":
        return any(isinstance(word, ast.Constant) and word.value == "state" for word in node.args)
    if _last_name(node.func) != "values":
        return False
    values = [keyword.value for keyword in node.keywords if keyword.arg == "state"]
    return any(isinstance(value, ast.Attribute) and _last_name(value.value) == "State" for value in values)


def _may_set(module: Module, node: ast.AST) -> bool:
    owner = OTHER_STATES.get(module.shelf)
    return module.name == "letter.signatures" or (
        isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == owner
    )


def test_the_house_has_no_fault():
    assert faults(LETTER) == []


SOUND = {
    "__init__.py": '__version__ = "1"',
    "clock.py": "",
    "config.py": "import os\n\nfrom letter import __version__, clock",
    "models.py": "import sqlalchemy\n\nfrom letter.config import x",
    "signatures.py": "from letter import models\n\ndef move(signature, to):\n    signature.state = to",
    "letters.py": "from letter import clock\n\ndef move(letter, to):\n    letter.state = to",
    "db.py": "import sqlalchemy",
    "mail/__init__.py": "",
    "mail/worker.py": "from letter import db, signatures\n\ndef work(session):\n    session.commit()",
    "web/__init__.py": "",
    "web/forms.py": "import flask",
    "web/letters.py": "from letter import letters\nfrom letter.web import forms",
    "web/signatures.py": "from letter.web.forms import Form",
    "commands/__init__.py": "",
    "commands/setup.py": "import click\n\nfrom letter import signatures",
    "commands/demo.py": "from letter.commands import setup",
    "app.py": "from letter.web import letters",
}


def build(folder: Path, **more: str) -> Path:
    for name, source in {**SOUND, **more}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return folder


def test_a_small_sound_house_has_no_fault(tmp_path: Path):
    assert faults(build(tmp_path)) == []


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("clock.py", "from letter import config", "letter.clock imports letter.config above it"),
        ("clock.py", "import letter.db", "letter.clock imports letter.db above it"),
        ("formats/csv.py", "from ..models import Letter", "letter.formats.csv imports letter.models above it"),
        ("config.py", "from letter.models import Letter", "letter.config imports letter.models above it"),
        ("models.py", "from letter import letters", "letter.models imports letter.letters above it"),
        ("letters.py", "from . import db", "letter.letters imports letter.db above it"),
        ("letters.py", "from letter.mail.worker import work", "letter.letters imports letter.mail.worker above it"),
        ("mail/worker.py", "from ..web import forms", "letter.mail.worker imports letter.web.forms above it"),
        ("db.py", "from letter.commands import setup", "letter.db imports letter.commands.setup above it"),
        ("web/letters.py", "import letter.app", "letter.web.letters imports letter.app above it"),
        ("web/forms.py", "import letter.commands.setup", "letter.web.forms imports letter.commands.setup beside it"),
        ("commands/demo.py", "import letter.web.forms", "letter.commands.demo imports letter.web.forms beside it"),
        ("web/letters.py", "from . import signatures", "letter.web.letters imports the page letter.web.signatures"),
        ("web/forms.py", "from letter.web import letters", "letter.web.forms imports the page letter.web.letters"),
        ("clock.py", "import sqlalchemy.orm", "letter.clock knows sqlalchemy"),
        ("letters.py", "from flask import g", "letter.letters knows flask"),
        ("letters.py", "import granian", "letter.letters knows granian"),
        ("letters.py", "if x:\n    import click", "letter.letters knows click"),
        ("letters.py", "def f():\n    import re", "letter.letters:1 imports inside f"),
        ("web/letters.py", "def f():\n    if 1:\n        from re import X", "letter.web.letters:1 imports inside f"),
        ("db.py", "async def f():\n    import re", "letter.db:1 imports inside f"),
        ("db.py", "x = importlib.import_module('letter.app')", "letter.db:1 imports by a call"),
        ("letters.py", "def f(session):\n    session.commit()", "letter.letters:2 commits"),
        ("letters.py", "def f(s):\n    s.state = 1", "letter.letters:2 sets a state"),
        ("audit.py", "def f(signature):\n    signature.state, x = 1, 2", "letter.audit:2 sets a state"),
        ("audit.py", "update(Signature).values(state=State.HELD)", "letter.audit:1 sets a state"),
        ("audit.py", "setattr(signature, 'state', 1)", "letter.audit:1 sets a state"),
        ("web/letters.py", "letter().state = 1", "letter.web.letters:1 sets a state"),
        ("commands/setup.py", "row.letter.state += 1", "letter.commands.setup:1 sets a state"),
        ("helpers.py", "", "letter.helpers is named after a drawer"),
        ("web/utils.py", "", "letter.web.utils is named after a drawer"),
        ("core/clock.py", "", "letter.core.clock is named after a drawer"),
        ("delivery/mail.py", "", "letter.delivery.mail is in a folder without a floor"),
    ],
)
def test_each_fault_is_found(tmp_path: Path, path: str, source: str, fault: str):
    assert fault in faults(build(tmp_path, **{path: source}))


def test_a_cycle_is_found_on_one_floor_too(tmp_path: Path):
    house = build(tmp_path, **{"letters.py": "from letter import audit", "audit.py": "from letter.letters import move"})
    assert faults(house) == ["a cycle: letter.audit, letter.letters"]
