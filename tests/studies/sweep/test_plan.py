import json

import pytest

from neurocircuit.core.provenance import machine_identity
from neurocircuit.errors import FileFormatError, SpecError
from neurocircuit.spec import NeuronSpec, StartPhases, SweepSpec, WeightBank
from neurocircuit.studies.sweep.identity import Environment
from neurocircuit.studies.sweep.interpretations import INTERPRETATIONS, requests
from neurocircuit.studies.sweep.plan import Batch, Row, SweepRequest

ENGINES = {level: f"{level}/1" for level in ("ideal", "averaged", "edge", "bsource")}
HERE = Environment(machine_identity(), ENGINES)


def keys(request: SweepRequest) -> set[str]:
    return {batch.key(HERE) for batch in request.batches()}


def test_batches_cover_every_draw_of_every_row_once(testbench, request_for):
    request = request_for(testbench(level="edge", trials=1203, cross_check_trials=12), cross_check="bsource")
    assert request.levels == {"ideal": 1203, "averaged": 1203, "edge": 1203, "bsource": 12}
    seen: dict[tuple[str, Row], list[int]] = {}
    for batch in request.batches():
        seen.setdefault((batch.level, batch.row), []).extend(range(batch.first, batch.first + batch.count))
    assert len(seen) == 4 * len(request.rows())
    assert all(trials == list(range(request.levels[level])) for (level, _), trials in seen.items())
    assert [row.name for row in request.rows()] == [
        *["clean-jitter", "floor-jitter", "jitter=0.01", "jitter=0.03", "jitter=0.05", "jitter=0.07", "jitter=0.09"],
        *["clean-bits", "floor-bits", "bits=4", "bits=8", "bits=16", "bits=24", "bits=32"],
    ]


def test_a_dropped_half_has_no_rows(testbench, request_for):
    request = request_for(testbench(), sweep=SweepSpec(bits=()))
    assert {row.half for row in request.rows()} == {"jitter"}


def test_a_longer_sweep_keeps_the_full_batches_of_a_shorter_one(testbench, request_for):
    short, long = request_for(testbench(trials=1000)), request_for(testbench(trials=2500))
    assert keys(short) < keys(long)
    more_rows = request_for(testbench(trials=1000), sweep=SweepSpec(jitter=(0.01, 0.02, 0.03, 0.05, 0.07, 0.09)))
    assert keys(short) < keys(more_rows)


def test_the_key_ignores_what_does_not_change_an_evaluation(testbench, request_for):
    base = request_for(testbench())
    for fields in (
        {"name": "other"},
        {"summary": "other"},
        {"metric": "median"},
        {"desired": "eq4"},
        {"timeout_s": 1.0},
        {"retries": 5},
    ):
        assert keys(request_for(testbench(**fields))) == keys(base)
    assert keys(request_for(testbench(), spec=NeuronSpec(name="other"))) == keys(base)


@pytest.mark.parametrize(
    "fields",
    [
        {"input_times_over_tau": (0.16, 0.31)},
        {"weights": (0.8, 0.8)},
        {"quantised_weights": (0.8, 0.8)},
        {"jittered_inputs": (0,)},
        {"jitter_distribution": "uniform"},
        {"jitter_correlation": "common"},
        {"jitter_reference": "tau"},
        {"time_origin": "first-input"},
        {"readout": "q"},
        {"start_phases": StartPhases()},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_the_key_follows_every_choice_of_the_testbench(testbench, request_for, fields):
    assert not keys(request_for(testbench(**fields))) & keys(request_for(testbench()))


@pytest.mark.parametrize(
    "fields",
    [
        {"tau_s": 21e-9},
        {"f0_Hz": 765e6},
        {"loop_filter_rad_per_s": 4.1e8},
        {"phase_per_weight_rad": 0.51},
        {"vco4_swing_Hz": 76e6},
        {"spike_width_s": 0.0},
        {"phase_noise": (1.0, 0.0, 0.0, 0.0)},
        {"window_s": 201e-9},
        {"weight_bank": WeightBank().with_bits(5)},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_the_key_follows_the_neuron(testbench, request_for, fields):
    assert not keys(request_for(testbench(), spec=NeuronSpec(**fields))) & keys(request_for(testbench()))


def test_the_key_follows_seed_engine_and_machine(testbench, request_for):
    request = request_for(testbench())
    batch = request.batches()[0]
    key = batch.key(HERE)
    assert not keys(request_for(testbench(), sweep=SweepSpec(seed=2))) & keys(request)
    assert batch.key(Environment(HERE.identity, ENGINES | {batch.level: "another"})) != key
    for name in HERE.identity:
        assert batch.key(Environment(HERE.identity | {name: "another"}, ENGINES)) != key
    assert {"processor", "code_sha256", "python", "numpy", "scipy", "neurocircuit"} == set(HERE.identity)


def test_all_keys_of_a_sweep_differ(testbench, request_for):
    request = request_for(testbench(level="edge", trials=1200), cross_check="bsource")
    assert len(keys(request)) == len(request.batches())


def test_row_numbers_do_not_depend_on_the_other_rows(testbench, request_for):
    few = request_for(testbench(), sweep=SweepSpec(jitter=(0.05,), bits=()))
    many = request_for(testbench())
    assert {row.number for row in few.rows()} < {row.number for row in many.rows()}
    assert len({row.number for row in many.rows()}) == len(many.rows())


def test_a_request_survives_its_file(testbench, request_for):
    request = request_for(testbench(level="edge", readout="q"), cross_check="bsource")
    again = SweepRequest.from_dict(json.loads(json.dumps(request.to_dict())))
    assert again == request
    assert again.sha256 == request.sha256


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 99}, "schema 1, got 99"),
        ({"levels": {"edge": 0}}, "draws >= 2"),
        ({"levels": {"magic": 20}}, "magic"),
        ({"levels": None}, "None"),
    ],
)
def test_a_foreign_request_is_refused(testbench, request_for, change, words):
    with pytest.raises(FileFormatError, match=words):
        SweepRequest.from_dict(request_for(testbench()).to_dict() | change)


def test_a_request_with_a_wrong_field_is_refused(testbench, request_for):
    values = request_for(testbench()).to_dict()
    values["spec"]["tau"] = "-1 ns"
    with pytest.raises(SpecError, match="tau"):
        SweepRequest.from_dict(values)


def test_each_reading_changes_something_and_the_baseline_shares_the_batches_of_the_sweep(testbench, request_for):
    main = request_for(testbench(level="edge", trials=700))
    variants, left_out = requests(main)
    assert not left_out
    assert list(variants) == [interpretation.name for interpretation in INTERPRETATIONS]
    assert keys(variants["baseline"]) < keys(request_for(testbench(level="edge", trials=1000), cross_check=None))
    plain = variants["baseline"]
    asked = [(variant.spec, variant.testbench.replace(name="test")) for variant in variants.values()]
    assert asked.count((plain.spec, plain.testbench)) == 1
    assert all(asked.count(one) == 1 for one in asked)  # no two interpretations ask the same


def test_a_reading_that_does_not_fit_is_named_with_its_reason(testbench, request_for):
    slow_swing = NeuronSpec(f0_Hz=10e9, vco4_swing_Hz=10e9)
    variants, left_out = requests(request_for(testbench(), spec=slow_swing))
    assert "cycles-per-tau-70" not in variants
    assert "vco4_swing" in left_out["cycles-per-tau-70"]


def test_batches_travel_between_processes(testbench, request_for):
    import pickle

    batch = request_for(testbench()).batches()[3]
    again: Batch = pickle.loads(pickle.dumps(batch))  # noqa: S301 - our own bytes
    assert again == batch
    assert again.key(HERE) == batch.key(HERE)
