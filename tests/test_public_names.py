"""`import neurocircuit as nc`: what it offers, what it does not load, and its examples."""

import ast
import doctest
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import neurocircuit
from neurocircuit import PUBLIC

HEAVY = ("torch", "matplotlib", "numpy", "scipy", "xarray", "pydantic", "click", "rich", "jinja2", "sklearn", "optuna")


def test_import_loads_nothing_heavy() -> None:
    script = f"import neurocircuit, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_is_there_with_a_docstring(name: str) -> None:
    value = getattr(neurocircuit, name)
    assert inspect.getdoc(value)
    assert name in dir(neurocircuit)


def examples(value: object) -> list[doctest.DocTest]:
    """Return the examples in the docstrings of a public name; of a module, in those that it defines."""
    module = value if inspect.ismodule(value) else sys.modules[value.__module__]
    found = doctest.DocTestFinder(exclude_empty=True).find(value, getattr(value, "__name__", ""), module)
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", ["", *PUBLIC])
def test_the_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = getattr(neurocircuit, name) if name else neurocircuit
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in examples(value):
        out: list[str] = []
        runner.run(test, out=out.append)
        assert runner.failures == 0, "".join(out)


def test_type_checkers_see_the_names_that_are_there() -> None:
    tree = ast.parse(Path(neurocircuit.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            imported[alias.asname or alias.name] = (node.module, alias.name)
    for name, where in PUBLIC.items():
        module, _, attribute = where.partition(":")
        assert imported.pop(name) == ((module, attribute) if attribute else tuple(module.rsplit(".", 1)))
    assert imported == {}
    assert sorted(neurocircuit.__all__) == sorted(PUBLIC)


def test_no_package_takes_the_name_of_a_function() -> None:
    packages = {module.name for module in pkgutil.iter_modules(neurocircuit.__path__)}
    assert packages & PUBLIC.keys() == {"snn"}
    assert PUBLIC["snn"] == "neurocircuit.snn"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"neurocircuit.*no attribute 'sweeep'"):
        neurocircuit.sweeep  # noqa: B018
