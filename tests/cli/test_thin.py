"""The command line computes nothing: every command turns options into one call of the package and delivers its result.

Read from the source of each command: no arithmetic, no loop, no comprehension, no lambda, no comparison but with None,
no import of a package that computes, one call of the API, few statements.
"""

import ast
import re
from pathlib import Path

import pytest

import neurocircuit.cli

FOLDER = Path(neurocircuit.cli.__file__).parent
FRAME = {"__init__.py", "common.py", "lazy.py", "readers.py"}  # no commands: options, their readers, the end of each
MODULES = [
    pytest.param(path, id=path.relative_to(FOLDER).as_posix())
    for path in sorted(FOLDER.rglob("*.py"))
    if path.name not in FRAME
]
COMPUTES = {"numpy", "torch", "scipy", "xarray", "csv", "math", "time", "json"}
FORBIDDEN = (
    ast.For,
    ast.While,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Lambda,
    ast.BinOp,
    ast.AugAssign,
    ast.Try,
)
# What may stand beside the one call: parts of the frame, and what only reads a file that an option names.
BESIDE = {
    "deliver",
    "progress",
    "shown",
    "echo_json",
    "load",
    "check_output",
    "check_options",
    "picture_path",
    "NeuronSpec",
    "annotated_toml",
    "reason_table",
}
OF_THE_API = re.compile(r"neurocircuit\.(?!cli|errors)")
STATEMENTS = 12


def faults(source: str) -> list[str]:
    """Return what makes a module of commands more than options and one call."""
    found = []
    tree = ast.parse(source)
    api = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [f"imports {name}" for name in names if name.split(".")[0] in COMPUTES]
            if isinstance(node, ast.ImportFrom) and OF_THE_API.match(node.module or ""):
                api |= {alias.asname or alias.name for alias in node.names}
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        name = function.name
        if not function.decorator_list:
            found.append(f"{name} is a function that is no command")
        body = [node for statement in function.body for node in ast.walk(statement)]
        found += [f"{name} has {type(node).__name__}" for node in body if isinstance(node, FORBIDDEN)]
        for node in body:
            if isinstance(node, ast.Compare) and not all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
                found.append(f"{name} compares")
        calls = [
            node.func.id
            for node in body
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in api - BESIDE
        ]
        if len(calls) > 1:
            found.append(f"{name} calls {', '.join(calls)}")
        if sum(isinstance(node, ast.stmt) for node in body) > STATEMENTS:
            found.append(f"{name} has more than {STATEMENTS} statements")
    return found


@pytest.mark.parametrize("path", MODULES)
def test_a_command_computes_nothing(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


GOOD = '''
import click
from neurocircuit.cli.common import deliver
@click.command("x")
def command(a, as_json):
    """Words."""
    from neurocircuit.studies.x import study
    result = study(a)
    deliver(result, as_json)
'''


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("study(a)", "study(2 * a)", "command has BinOp"),
        ("study(a)", "study([b for b in a])", "command has ListComp"),
        ("study(a)", "study(a) if a > 3 else None", "command compares"),
        ("result = study(a)", "result = study(a)\n    again = study(a)", "command calls study, study"),
        ("import click", "import click\nimport numpy as np", "imports numpy"),
        ("    deliver(", "    for _ in a:\n        pass\n    deliver(", "command has For"),
        ("@click.command", "def helper(a):\n    return a\n@click.command", "helper is a function that is no command"),
        ("    deliver(", "    a.b()\n" * 12 + "    deliver(", "command has more than 12 statements"),
    ],
)
def test_a_command_that_computes_is_found(old: str, new: str, fault: str) -> None:
    assert faults(GOOD) == []
    assert fault in faults(GOOD.replace(old, new, 1))
