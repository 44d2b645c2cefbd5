"""Tests stand where the code stands that they test."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(
    str(init.parent.relative_to(ROOT / "neurocircuit")) for init in (ROOT / "neurocircuit").rglob("*/__init__.py")
)
ELSEWHERE = {"_kernel"}  # each loop is tested beside its numpy or torch twin
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
