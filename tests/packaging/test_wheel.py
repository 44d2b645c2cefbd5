"""The wheel: what is in it, and what it does outside the checkout without torch, and without a compiler."""

import json
import re
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from environments import ROOT, Installed

# The fixtures build and install; one worker process shall do that, not each.
pytestmark = pytest.mark.xdist_group("wheel")


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def sources(folder: str, pattern: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob(pattern) if path.is_file()}


def test_wheel_carries_package_data_and_kernel(wheel: Path) -> None:
    names = set(names_in(wheel))
    decks = {f"neurocircuit/{name}" for name in sources("netlists", "*.cir")}
    testbenches = sources("neurocircuit/studies/sweep/testbenches", "*.toml")
    templates = sources("neurocircuit/rendering", "*.jinja*") | sources("neurocircuit/rendering", "*.html*")
    shipped = {f"neurocircuit/{name}" for name in (*sources("netlists", "*.*"), *sources("training", "*.toml"))}
    for wanted in (decks, shipped, testbenches, templates, sources("neurocircuit", "*.py"), {"neurocircuit/py.typed"}):
        assert wanted
        assert wanted <= names
    assert any(re.fullmatch(r"neurocircuit/_kernel/_native\..*\.so", name) for name in names)


def test_wheel_carries_neither_sources_of_the_kernel_nor_tests(wheel: Path) -> None:
    unwanted = [name for name in names_in(wheel) if name.endswith((".cpp", ".hpp", "CMakeLists.txt", ".pyc"))]
    assert unwanted == []
    assert {name.split("/")[0] for name in names_in(wheel)} == {"neurocircuit", "neurocircuit-0.1.0.dist-info"}


def test_wheel_states_licence_paper_and_types_and_keeps_torch_an_extra(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in archive.namelist())
    assert metadata["License-Expression"] == "GPL-3.0-or-later"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert metadata["Project-URL"] == "Paper, https://doi.org/10.1609/aaai.v35i12.17329"
    torch = [line for line in metadata.get_all("Requires-Dist") if line.startswith("torch")]
    assert len(torch) == 1
    assert re.search(r"""extra == ['"]snn['"]""", torch[0])


def test_installed_package_comes_from_the_wheel_and_has_no_torch(installed: Installed) -> None:
    where = installed.run("python", "-c", "import neurocircuit; print(neurocircuit.__file__)").strip()
    assert Path(where).is_relative_to(installed.python.parents[1])
    for name in ("torch", "distributed"):
        script = f"import importlib.util; print(importlib.util.find_spec({name!r}))"
        assert installed.run("python", "-c", script).strip() == "None"


def test_sweep_and_report_without_torch(installed: Installed) -> None:
    sizes = ("--trials", "20", "--cross-trials", "2")
    installed.run("neurocircuit", "sweep", "--jitter", "1-9%", *sizes, "--no-report", "--out", "run")
    run = installed.work / "run"
    assert json.loads((run / "run.json").read_text())["status"] == "complete"
    assert "bsource" in json.loads((run / "request.json").read_text())["levels"]
    installed.run("neurocircuit", "report", "run")
    assert "<svg" in (run / "report.html").read_text() or "<img" in (run / "report.html").read_text()
    assert "bsource" in installed.run("neurocircuit", "table", "show", "run/table.nc")


SIMULATE = ("neurocircuit", "simulate", "--inputs", "0.16,0.16", "--weights", "0.8,0.8", "--json")


def test_simulate_without_torch(installed: Installed) -> None:
    printed = json.loads(installed.run(*SIMULATE, "--level", "ideal,averaged,edge,bsource"))["levels"]
    times = {level: record["fire_time_over_tau"] for level, record in printed.items()}
    assert times["bsource"] == pytest.approx(times["averaged"], abs=1e-3)
    assert times["edge"] == pytest.approx(times["averaged"], abs=2 / 15.3)


def test_doctor_without_torch(installed: Installed) -> None:
    checks = {check["name"]: check for check in json.loads(installed.run("neurocircuit", "doctor", "--json"))["checks"]}
    assert checks["torch"]["status"] == "absent"
    assert checks["torch"]["remedy"] == "pip install 'torch>=2.6'"
    assert checks["kernel"]["status"] == "ok"


def test_without_a_compiler_the_numpy_paths_serve_and_doctor_says_so(
    installed: Installed, installed_without_kernel: Installed, wheel_without_kernel: Path
) -> None:
    assert not any(name.endswith(".so") for name in names_in(wheel_without_kernel))
    doctor = json.loads(installed_without_kernel.run("neurocircuit", "doctor", "--json"))
    (kernel,) = (check for check in doctor["checks"] if check["name"] == "kernel")
    assert kernel["status"] == "absent"
    assert "compiler" in kernel["remedy"]
    slow, fast = (
        json.loads(place.run(*SIMULATE, "--level", "edge"))["levels"]["edge"]["fire_time_over_tau"]
        for place in (installed_without_kernel, installed)
    )
    assert slow == pytest.approx(fast, abs=1e-9)
