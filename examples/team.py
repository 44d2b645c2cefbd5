"""From circuit to accuracy and back: one loop, a change of the circuit, and what the network can bear.

The tutorial docs/tutorials/team.md explains each step. `python examples/team.py --quick` takes tiny sizes.
"""

import argparse
import re
from pathlib import Path

import neurocircuit as nc

TINY = {"trials": "50", "images": "10", "chips": "4", "points": "40", "tables": "0", "epochs": "1"}


def make_tiny(project: Path) -> None:
    """Cut the sizes in a project's files: see it run, not what it gives."""
    for file in project.glob("*.toml"):
        text = file.read_text("utf-8")
        for name, value in TINY.items():
            text = re.sub(rf"^{name} = \d+", f"{name} = {value}", text, flags=re.MULTILINE)
        file.write_text(text, "utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Run the tutorial and leave its projects in --out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: see it run, not what it gives")
    parser.add_argument("--out", type=Path, default=Path("team"))
    given = parser.parse_args(arguments)
    quiet = nc.NeuronSpec()
    noisy = quiet.replace(name="noisy", phase_noise=(1e5, 1e5, 1e5, 1e5))  # rad²/s of each VCO, assumed

    # 1. Two projects that differ in the circuit alone. From here on each is `neurocircuit run PROJECT/loop.toml`.
    for name, spec in (("noisy", noisy),) if given.quick else (("quiet", quiet), ("noisy", noisy)):
        project = given.out / name
        nc.new_project(project, spec)
        if given.quick:
            make_tiny(project)
        result = nc.run(project / "loop.toml")
        print(f"{name}: {result.sentence()}")

    # 2. Back: how much phase noise may the circuit have? Each point is mapped and calibrated anew.
    values = [1e5] if given.quick else [1e4, 3e4, 1e5, 3e5]
    curves = nc.circuit_curves(
        clean=[given.out / "noisy/run/train/weights.pt"],
        aware=[given.out / "noisy/run/aware-train/weights.pt"],
        out=given.out / "curves",
        quantity={"phase_noise": values},
        method="table",
        images=10 if given.quick else 360,
        map_images=10 if given.quick else 50,
        chips=2 if given.quick else 5,
    )
    curves.save(given.out / "curves")
    print(curves)
    print(f"report: {nc.report(given.out / 'curves')}")


if __name__ == "__main__":
    main()
