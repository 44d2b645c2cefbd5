"""Tests stand where the code stands that they test, names say what they hold, files that texts name are there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(
    str(init.parent.relative_to(ROOT / "neurocircuit")) for init in (ROOT / "neurocircuit").rglob("*/__init__.py")
)
ELSEWHERE = {"_kernel"}  # each loop is tested beside its numpy or torch twin
# Words of grammar, or older words for what docs/glossary.md names otherwise.
AVOIDED = {
    *(
        "found",
        "own",
        "seen",
        "looked",
        "said",
        "told",
        "asked",
        "wanted",
        "given",
        "dealt",
        "place",
        "places",
        "sheet",
        "shelf",
    ),
    *("armory", "passages", "crowding", "recovered", "readings"),
}
FURTHER = {"benchmarks", "packaging", "tools"}  # folders of tests of what is not in the package


@pytest.mark.parametrize("package", [name for name in PACKAGES if name not in ELSEWHERE])
def test_each_package_has_tests_in_its_place(package: str) -> None:
    """A folder of the same name with tests, or a file of its name in the folder of the package above."""
    folder = ROOT / "tests" / package
    files = [*folder.glob("test_*.py"), *folder.parent.glob(f"test_{folder.name}*.py")]
    assert files, f"tests of neurocircuit/{package} belong into tests/{package}/"


def test_each_folder_of_tests_has_a_package() -> None:
    folders = {str(path.parent.relative_to(ROOT / "tests")) for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders - FURTHER - {"."} <= set(PACKAGES)


def bound_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of each variable, parameter, function, class and import that the source binds."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((node.lineno, alias.asname or alias.name.rpartition(".")[2]) for alias in aliases)


def avoided_names(source: str) -> list[tuple[int, str]]:
    return [(line, name) for line, name in bound_names(source) if name.strip("_").lower() in AVOIDED]


def test_names_say_what_they_hold() -> None:
    files = sorted((ROOT / "neurocircuit").rglob("*.py"))
    assert files
    avoided = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in files
        for line, name in avoided_names(path.read_text("utf-8"))
    ]
    assert not avoided, "\n".join(avoided)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("found = 1", "found"),
        ("first, (own, *seen) = pair", "own"),
        ("first, (_, *seen) = pair", "seen"),
        ("total: int = sum(told for told in values)", "told"),
        ("def read(looked): ...", "looked"),
        ("def read(*, said=None): ...", "said"),
        ("last = lambda sheet: sheet", "sheet"),
        ("def _places(): ...", "_places"),
        ("async def recovered(): ...", "recovered"),
        ("class Armory: ...", "Armory"),
        ("READINGS = ()", "READINGS"),
        ("from package import passages", "passages"),
        ("import package as crowding", "crowding"),
        ("with opened() as found_: ...", "found_"),
        ("if found := search(): ...", "found"),
        ("try: ...\nexcept OSError as seen: ...", "seen"),
    ],
)
def test_an_avoided_name_is_reported(source: str, name: str) -> None:
    assert name in [reported for _, reported in avoided_names(source)]


def test_other_names_and_attributes_are_not_reported() -> None:
    assert not avoided_names("result.found = text('own')\nnot_found, shown, first_passages = result.seen, 1, 2")


# A user's files, which no text can name otherwise.
OF_A_USER = {"mine/process.toml", "out/spec.toml", "designs/ROLE/circuit.toml"}
NAMED_FILE = re.compile(r"(?<![\w/])(?:\w+/)+[\w.]+\.(?:py|cpp|hpp|cir)\b")


def missing_files(text: str, beside: Path) -> list[str]:
    """Files that a text names by a path and that stand neither in the repository, the package nor near it."""
    roots = (ROOT, ROOT / "neurocircuit", ROOT / "netlists", beside.parent, beside.parent.parent)
    named = (match.group(0) for match in NAMED_FILE.finditer(text))
    return [
        name
        for name in named
        if "KIND" not in name and name not in OF_A_USER and not any((r / name).exists() for r in roots)
    ]


def test_files_that_sources_and_texts_name_are_there() -> None:
    texts = [*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "netlists/README.md", ROOT / "training/README.md"]
    texts += [*ROOT.glob("neurocircuit/**/*.py"), *ROOT.glob("neurocircuit/_kernel/*.[ch]pp")]
    missing = [
        f"{path.relative_to(ROOT)}: {name}" for path in texts for name in missing_files(path.read_text("utf-8"), path)
    ]
    assert not missing, "\n".join(missing)


def test_a_file_that_is_gone_is_noticed() -> None:
    assert missing_files("as in spice/states.py, and neuron/edge.py", ROOT / "neurocircuit/x.py") == ["spice/states.py"]
