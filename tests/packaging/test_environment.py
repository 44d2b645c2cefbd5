"""What set-up promises: a compiled kernel, one version everywhere, and pins for all that we name."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import neurocircuit
from neurocircuit._kernel import native

ROOT = Path(__file__).parents[2]


def test_kernel_is_compiled() -> None:
    assert native is not None, "the kernel is not built: run .ci/setup with a C++ compiler installed"


def test_version_is_the_same_everywhere() -> None:
    command = [Path(sys.executable).with_name("neurocircuit"), "--version"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.split()[-1] == version("neurocircuit") == neurocircuit.__version__
    assert f"## {neurocircuit.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_direct_dependency_is_pinned_within_its_bounds() -> None:
    lines = (ROOT / ".ci/constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pins = {canonicalize_name(name): pin for name, pin in pins.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    named += [text for extra in project["project"]["optional-dependencies"].values() for text in extra]
    for requirement in map(Requirement, named):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement
    assert pins["torch"] == "2.13.0"
    # Installed by set-up alone, for its model cards: no extra of ours names it.
    assert pins["c4m-pdk-freepdk45"] == version("c4m-pdk-freepdk45")


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert re.search(r"^    make test$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "exec make test"
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
