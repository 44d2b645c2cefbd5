import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from neurocircuit.core.netcdf import dataset_bytes
from neurocircuit.spec import NeuronSpec, SweepSpec, Testbench
from neurocircuit.tables import TransferTable
from neurocircuit.tables.jitter import curve_exponent, output_jitter, relative_error

JITTER, BITS = (0.01, 0.03, 0.05, 0.07, 0.09), (4, 8, 16, 24, 32)
DRAWS = {"edge": 400, "ideal": 400, "averaged": 400, "bsource": 20}
FLOORS = {"edge": 1e-15, "ideal": 1e-16, "averaged": 1e-15, "bsource": 1e-5}
CLEAN = {"edge": 1.05, "ideal": 1.14, "averaged": 1.05, "bsource": 1.05003}
RunMaker = Callable[..., Path]


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> RunMaker:
    """A run directory from a known law: output = gain[level]·input^power·N(0, 1) and weight_error/2^bits·N(0, 1)."""

    def make(
        *,
        levels: tuple[str, ...] = ("edge", "ideal", "averaged", "bsource"),
        jitter: tuple[float, ...] = JITTER,
        bits: tuple[int, ...] = BITS,
        gains: dict[str, float] | None = None,
        power: float = 1.0,
        bit_error: Callable[[int], float] = lambda bits: 0.3 / 2.0**bits,
        silent: float = 0.0,
        failed: tuple[dict[str, Any], ...] = (),
        omit: tuple[str, ...] = (),
        **testbench: Any,
    ) -> Path:
        bench = Testbench(**_testbench(testbench))
        sweep = SweepSpec(jitter=jitter, bits=bits, seed=3)
        request = {"spec": NeuronSpec().to_dict(), "testbench": bench.to_dict(), "sweep": sweep.to_dict(), "schema": 1}
        clean, jittered, quantised = _fire_times(levels, jitter, bits, gains or {}, power, bit_error, silent)
        out = tmp_path_factory.mktemp("run")
        _table(levels, jitter, bits, clean, jittered, quantised, request).save(out / "table.nc")
        files = {
            "request.json": json.dumps(request).encode(),
            "run.json": json.dumps(_record(failed)).encode(),
            "draws.nc": dataset_bytes(_draws(levels, jitter, bits, clean, jittered, quantised)),
            "sensitivity.csv": _sensitivity(jitter, bits).encode(),
            "waveforms.nc": dataset_bytes(_waveforms(levels)),
        }
        for name, content in files.items():
            if name not in omit:
                (out / name).write_bytes(content)
        return out

    return make


@pytest.fixture(scope="session")
def written_run(make_run: RunMaker) -> Path:
    """A complete run with its report."""
    from neurocircuit.rendering import write_report

    run = make_run()
    write_report(run)
    return run


def _testbench(changes: dict[str, Any]) -> dict[str, Any]:
    usual = {"name": "paper", "summary": "two inputs", "input_times_over_tau": (0.16, 0.16), "weights": (0.8, 0.8)}
    return usual | {"quantised_weights": ({"low": 0.8, "high": 1.2},) * 2, "readout": "continuous"} | changes


def _fire_times(levels: Any, jitter: Any, bits: Any, gains: Any, power: float, bit_error: Any, silent: float) -> Any:
    generator = np.random.default_rng(11)
    shared, lost = generator.normal(size=(2, 400)), generator.random(400) < silent
    clean, jittered, quantised = {}, {}, {}
    for level in levels:
        n = DRAWS[level]
        clean[level] = np.full(n, CLEAN[level])
        own = 1 + 0.05 * generator.normal(size=n)
        scale = gains.get(level, 0.1) * own * shared[0, :n]
        jittered[level] = (
            np.stack([CLEAN[level] * (1 + scale * (a / 0.05) ** power * 0.05) for a in jitter or ()])
            if jitter
            else None
        )
        quantised[level] = (
            np.stack([CLEAN[level] * (1 + bit_error(b) * own * shared[1, :n]) for b in bits]) if bits else None
        )
        for times in (jittered[level], quantised[level]):
            if times is not None:
                times[:, lost[:n]] = np.inf
    return clean, jittered, quantised


def _table(
    levels: Any, jitter: Any, bits: Any, clean: Any, jittered: Any, quantised: Any, request: Any
) -> TransferTable:
    def statistics(rows: Any, times: Any) -> Any:
        return {
            (level, row): output_jitter(clean[level], times[level][k], floor=FLOORS[level])
            for level in levels
            for k, row in enumerate(rows)
        }

    exponents = {}
    for level in levels if len(jitter) > 1 else ():
        relative = np.stack([relative_error(clean[level], times) for times in jittered[level]])
        exponents[level] = curve_exponent(np.array(jitter), relative)
    provenance = request | {
        "seed": 3,
        "spec_sha256": "5" * 64,
        "engines": {level: f"{level}/1" for level in levels},
        "not_modelled": {"ideal": ["VCO edges"]},
        "versions": {"numpy": "2"},
    }
    return TransferTable.from_statistics(
        statistics(jitter, jittered), statistics(bits, quantised), exponents, provenance
    )


def _draws(levels: Any, jitter: Any, bits: Any, clean: Any, jittered: Any, quantised: Any) -> xr.Dataset:
    most = max(DRAWS[level] for level in levels)

    def padded(times: Any) -> Any:
        return np.concatenate([times, np.full((*times.shape[:-1], most - times.shape[-1]), np.nan)], axis=-1)

    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {"level": list(levels)}
    for half, name, axis, rows, times in (
        ("jitter", "jittered", "input_jitter", jitter, jittered),
        ("bits", "quantised", "bits", bits, quantised),
    ):
        if rows:
            variables[f"clean_{half}"] = (("level", "trial"), np.stack([padded(clean[level]) for level in levels]))
            variables[name] = (("level", axis, "trial"), np.stack([padded(times[level]) for level in levels]))
            coordinates[axis] = np.array(rows)
    return xr.Dataset(variables, coordinates)


def _record(failed: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    return {
        "status": "partial" if failed else "complete",
        "exit_code": 3 if failed else 0,
        "failed": list(failed),
        "request_hash": "a" * 64,
        "run": {
            "command": "neurocircuit sweep",
            "date": "2026-11-21T12:00:00+00:00",
            "host": "bench",
            "commit": "",
            "wall_s": 12.5,
            "python": "3.11.7",
            "packages": {"numpy": "2"},
        },
        "jobs": 2,
        "reused_batches": 0,
        "computed_batches": 9,
        "retries": [],
        "interpretations_left_out": {"loop-ratio-64": "NeuronSpec.loop_filter must be <= 1"},
    }


def _sensitivity(jitter: Any, bits: Any) -> str:
    lines = ["interpretation,what,row_kind,row_value,output_percent,ci_low_percent,ci_high_percent,fired,n"]
    interpretations = {
        "baseline": 1.0,
        "jitter-common": 1.4,
        "metric-maximum": 4.0,
        "desired-eq4": 20.0,
        "readout-q": 0.5,
    }
    for name, factor in interpretations.items():
        for kind, rows in (
            ("jitter", [a for a in (0.01, 0.05, 0.09) if a in jitter]),
            ("bits", [b for b in (4, 8) if b in bits]),
        ):
            for row in rows:
                value = 10 * factor * row if kind == "jitter" else 30 * factor / 2**row
                ends = ["", ""] if name.startswith("metric") else [repr(0.9 * value), repr(1.1 * value)]
                fired = 480 if name == "readout-q" else 500
                lines.append(f'{name},"{name}, in words",{kind},{row!r},{value!r},{",".join(ends)},{fired},500')
    return "\n".join(lines) + "\n"


def _waveforms(levels: Any) -> xr.Dataset:
    variables: dict[str, Any] = {}
    for k, level in enumerate(levels):
        time = np.linspace(0, 10, 800 + k)
        membrane = 1.6 * (1 - np.exp(-np.maximum(time - 0.16, 0)))
        phases = np.stack([0.8 * (time > 0.16), 0.5 * membrane, np.full_like(time, 1.5), 1.5 * membrane])
        up = (np.sin(90 * time) > 0).astype(float) if level == "edge" else np.full_like(time, 0.5)
        fields = {
            "time_over_tau": time,
            "up": up,
            "loop_filter": up,
            "membrane": membrane,
            "q": (membrane > 1).astype(float),
        }
        variables |= {f"{name}_{level}": ((f"sample_{level}",), values) for name, values in fields.items()}
        variables[f"vco_rad_{level}"] = (("vco", f"sample_{level}"), phases)
    return xr.Dataset(variables, attrs={"trial": 0, "input_times_over_tau": [0.16, 0.16], "weights": [0.8, 0.8]})
