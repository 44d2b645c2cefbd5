import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from neurocircuit.cli.report import command
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.process.measurements.noise_law import cases, fitted
from neurocircuit.rendering import style, write_report
from neurocircuit.rendering.read import characterisation as reading
from neurocircuit.rendering.renderers import characterisation as datasheet
from neurocircuit.results.measurement import Quantity
from neurocircuit.results.phase_noise import VCOS
from neurocircuit.spec import Condition
from tests.process.planted import BIAS_A, planted_ring

CONDITIONS = [
    Condition(corner=corner, temperature_C=temperature, supply_V=1.0)
    for corner, temperature in (("tt", 27.0), ("ss", 27.0), ("tt", 85.0))
]
TIME = np.linspace(0.0, 40e-9, 30).tolist()
BLOCKS = ("pll", "membrane", "synapse", "logic")


def measurement(
    values: dict[str, tuple[float | None, str]],
    curves: dict[str, Any],
    remarks: tuple[str, ...] = (),
    details: dict[str, Any] | None = None,
) -> str:
    quantities = [{"key": key, "label": f"label of {key}", "value": v, "unit": u} for key, (v, u) in values.items()]
    return json.dumps(
        {
            "schema": 1,
            "quantities": quantities,
            "curves": curves,
            "remarks": remarks,
            "details": details or {},
            "cpu_s": 2.0,
        }
    )


def contents(k: int) -> dict[str, str]:
    """Files of condition k, with numbers that tell the conditions apart."""
    up = [float(v) for v in np.linspace(0, 1, 30)]
    codes = [float(code) for code in range(1, 16)]
    kernel = {"time_s": TIME, "membrane_rad": up, "fitted_rad": up, "error_rad": up}
    level = {"first_s": [1e-9] * 3, "transistor_s": [2e-8, 3e-8, None], "predicted_s": [2.1e-8, 2.9e-8, None]}
    return {
        "trim": measurement(
            {
                "vco1": (10e-6 + k * 1e-6, "A"),
                "lag_residual": (1e-3 * (k - 1), "rad"),
                "drift": (1e5, "rad/s"),
                "runs": (6.0, ""),
            },
            {},
        ),
        "cco": measurement(
            {"gain": (45e12 - k * 1e12, "Hz/A")},
            {
                "f_of_i": {
                    "current_A": [5e-6, 1e-5, 1.5e-5],
                    "frequency_Hz": [4e8, 7.5e8, 9e8],
                    "tangent_Hz": [5e8, 7.5e8, 1e9],
                    "power_W": [1e-5] * 3,
                }
            },
        ),
        "phase_noise": measurement(
            {
                f"{key}_{vco}": (value, unit)
                for vco in VCOS
                for key, value, unit in (
                    ("f0", 7.5e8, "Hz"),
                    ("white", 2e5, "rad²/s"),
                    ("low", 1.9e5, "rad²/s"),
                    ("high", 2.1e5, "rad²/s"),
                    ("flicker", 1.7e-8, ""),
                    ("corner", 9.4e5, "Hz"),
                    ("offset", 7e-4, ""),
                )
            }
            | {"gain_ratio_vco1": (1.01, "")},
            {
                f"{what}_{vco}": curve
                for vco in VCOS
                for what, curve in (
                    ("budget", {"white_rad2_per_s": [1.5e5, 0.5e5], "flicker": [1.6e-8, 0.1e-8]}),
                    (
                        "spectrum",
                        {
                            "frequency_Hz": [1e3, 1e6, 1e9],
                            "white_per_Hz": [1.8e-14] * 3,
                            "flicker_per_Hz": [1.7e-11, 1.7e-14, 1.7e-17],
                        },
                    ),
                )
            },
            details={"devices": {vco: ["xdiode", "r.xup.r4" if vco == "vco4" else "x1.xps"] for vco in VCOS}},
        ),
        "assumed_noise": measurement(
            {"ratio": (1.02, "")}, {"walk": {"time_s": TIME, "measured_rad": up, "drawn_rad": up, "theory_rad": up}}
        ),
        "detector": measurement(
            {"linear_low": (0.2, "rad"), "linear_high": (2.9, "rad")},
            {"transfer": {"phase_rad": np.linspace(0, 6.2, 30).tolist(), "up": up, "line": up}},
        ),
        "lock": measurement(
            {"lock_time": (5e-8, "s")},
            {f"loop_{offset}": {"time_s": TIME, "error_rad": up} for offset in ("0", "-0.8", "1.2")},
        ),
        "flipflop": measurement(
            {"edge": (2e-11, "s")},
            {"delay": {"data_before_clock_s": [-1e-11, 2e-11, 1e-10], "clock_to_q_s": [None, 2e-10, 1e-10]}},
        ),
        "synapse": measurement(
            {"excitatory_inl": (0.3, "LSB")},
            {
                "jumps": {
                    "code": codes,
                    **{
                        f"{sign}_{what}": codes
                        for sign in ("excitatory", "inhibitory")
                        for what in ("rad", "inl", "dnl")
                    },
                },
                "course": {"time_s": TIME, "excitatory_rad": up, "inhibitory_rad": up},
            },
        ),
        "kernel": measurement({"tau": (18e-9, "s")}, {"code_6": kernel, "code_-6": kernel}),
        "prediction": measurement(
            {
                "edge_bias": (0.001, ""),
                "edge_std": (0.015, ""),
                "edge_worst": (0.03, ""),
                "edge_count": (30.0, ""),
                "edge_right": (1.0, ""),
            },
            {"edge": level, "crossing": level, "averaged": level},
        ),
        "energy": measurement(
            {
                "spike": (3e-12, "J"),
                "with_lock": (4e-12, "J"),
                **{f"spike_{block}": (0.75e-12, "J") for block in BLOCKS},
            },
            {},
            ("a remark",),
        ),
        "fan_in": measurement(
            {"limit": (70.0, ""), "reference": (6.0, "")},
            {
                "fan_in": {
                    "synapses": [6.0, 70.0, 90.0],
                    "code_15_loss": [0.0, 0.09, 0.14],
                    "frequency_loss": [0.0, 1e-4, 2e-4],
                }
            },
        ),
        "power": measurement(
            {
                "current": (1e-5, "A"),
                "frequency": (7.5e8, "Hz"),
                "scaled": (1.6e-4, "W"),
                "slope": (-1e-5, "W"),
                "fixed": (1e-6, "W"),
                "residual": (0.012, ""),
            },
            {
                "power": {
                    "scale": [1.0, 0.5, 1.0],
                    "current_A": [1e-5, 5e-6, 6e-6],
                    "frequency_Hz": [7.5e8, 7.5e8, 5.2e8],
                    "power_W": [1.6e-4, 8e-5, 1e-4],
                    "fitted_W": [1.6e-4, 8.1e-5, 1e-4],
                }
            },
        ),
        "noise_law": json.dumps(
            fitted([planted_ring(case) for case in cases(1.25)], BIAS_A, (5e-12, 1e-12), 1.0).to_dict()
        ),
    }


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    names = list(contents(0))
    request = {
        "process": "planted",
        "conditions": [c.to_dict() for c in CONDITIONS],
        "measurements": names,
        "resolution": 1e-4,
        "cases": 3,
        "seed": 1,
    }
    failed = [{"condition": "ss_27C_1V", "measurement": "energy", "reason": "silent"}]
    (tmp_path / "request.json").write_text(json.dumps(request))
    (tmp_path / "run.json").write_text(json.dumps({"failed": failed, "ngspice": "39", "run": {"command": "c"}}))
    for k, condition in enumerate(CONDITIONS):
        folder = tmp_path / "conditions" / reading.slug(condition)
        folder.mkdir(parents=True)
        for name, text in contents(k).items():
            if (name, k) != ("energy", 1):
                (folder / f"{name}.json").write_text(text)
    return tmp_path


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are placed once and not painted."""

    def lay_out(figure: Any, kind: str) -> bytes:
        if kind == "svg":
            figure.draw_without_rendering()
        return b"x"

    monkeypatch.setattr(style, "render", lay_out)


@pytest.mark.usefixtures("laid_out")
def test_datasheet_of_a_planted_run(run_dir: Path) -> None:
    done = CliRunner().invoke(command, [str(run_dir)])
    assert done.exit_code == 0, done.output
    html, markdown = ((run_dir / f"report.{kind}").read_text() for kind in ("html", "md"))
    titles = [
        "Conditions",
        *(datasheet.TITLES[name] for name in contents(0)),
        "Spec for the fast levels",
        "Versions, seed, command",
        "Failed measurements",
    ]
    assert re.findall(r"<h2>(.*)</h2>", html) == titles
    assert re.findall(r"^## (.*)$", markdown, re.MULTILINE) == titles
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "| label of vco1 | 10 | 10 | 12 | µA |" in markdown
    assert "| label of gain | 43 | 45 | 45 | MHz/µA |" in markdown
    assert "ss_27C_1V, energy: silent" in markdown
    assert "+0.10 ± 1.50 %" in markdown
    assert "| label of residual | 1.2 | 1.2 | 1.2 | % |" in markdown
    assert (run_dir / "figures" / "synapse_tail.png").exists()
    with (run_dir / "datasheet.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["value"]) for row in rows if row["quantity"] == "tau"] == [18e-9] * 3


def test_every_figure_is_drawn_for_a_single_condition(run_dir: Path) -> None:
    request = json.loads((run_dir / "request.json").read_text())
    (run_dir / "request.json").write_text(json.dumps({**request, "conditions": request["conditions"][:1]}))
    run = reading.read_characterisation(run_dir)
    for name, pictures in datasheet.PICTURES.items():
        for key, _ in pictures:
            assert len(datasheet.figures.DRAW[key](run).axes) >= 1, name
    assert datasheet.table(run, "trim").header == ("", "value", "unit")


def test_values_are_shown_in_one_prefix() -> None:
    assert datasheet.shown_with_unit([1.2e-11, 9e-10], "s") == ("12", "900", "ps")
    assert datasheet.shown_with_unit([0.012, -0.303], "%") == ("1.2", "−30.3", "%")
    assert datasheet.shown_with_unit([0.012, -0.003], "") == ("0.012", "−0.003", "")
    assert datasheet.shown_with_unit([float("nan")], "V") == ("–", "V")
    assert datasheet.show(7.4942e8, "Hz") == "749.42 MHz"
    assert datasheet.show(6.7e4, "rad/s") == "0.067 mrad/ns"


def test_a_unit_does_not_depend_on_the_value() -> None:
    """One row of frequency errors below 10 % and one above it: both in percent."""
    small, large = (Quantity(f"error{k}", "e", value, "") for k, value in ((1, 0.01), (2, 0.2)))
    assert [datasheet.unit_of("untrimmed", q) for q in (small, large)] == ["%", "%"]
    assert datasheet.unit_of("cco", Quantity("amplitude", "a", 0.09, "")) == ""


def test_damaged_files_are_named(run_dir: Path) -> None:
    path = run_dir / "conditions" / "tt_27C_1V" / "trim.json"
    path.write_text('{"schema": 1}')
    with pytest.raises(FileFormatError, match=r"trim.json lacks or garbles 'quantities'"):
        write_report(run_dir)
    path.write_text("{")
    with pytest.raises(FileFormatError, match=r"trim\.json must be JSON"):
        write_report(run_dir)
    (run_dir / "run.json").unlink()
    with pytest.raises(InputError, match="has not finished, continue it with --resume"):
        write_report(run_dir)
