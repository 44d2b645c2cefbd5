"""The model: off is ideal bit for bit, draws reproducible, coverage nominal, ranges kept, files sealed."""

import json
from pathlib import Path

import numpy as np
import pytest

from neurocircuit.core.netcdf import dataset_bytes, seal
from neurocircuit.errors import FileFormatError, InputError
from neurocircuit.neuron.sensitivity import Terms, wrap_distance
from neurocircuit.noise import CAUSES, NoiseModel, NoiseTable, fit
from neurocircuit.noise.curves import WRAP_EDGES
from neurocircuit.spec import Flicker, MappedNetwork, Supply, Tone
from tests.noise import planted
from tests.noise.tables import planted_table

SPEC = planted.SPEC
FIXTURE = Path(__file__).parent / "table_version_1.nc"


def make_table(seed=3):
    samples = planted.samples(np.random.default_rng(seed))
    point = samples.point.take(samples.point.fired)
    coordinates = fit.features(SPEC, point, samples.headroom[samples.point.fired])
    ranges = np.stack([coordinates.min(axis=1), coordinates.max(axis=1)], axis=1)
    own = fit.fit_layer(SPEC, samples, ranges, axes=("slope", "time"))
    return NoiseTable.from_fits([own], {"network": {"name": "planted", "neuron": SPEC.to_dict()}, "level": "edge"})


@pytest.fixture(scope="module")
def table():
    return make_table()


def _terms(rng, n):
    return Terms(np.full(n, 0.03 * rng.standard_normal()), 0.06 * rng.standard_normal(n), 0.02 * rng.standard_normal(n))


def test_without_causes_the_times_are_the_ideal_ones_bit_for_bit(table):
    rng = np.random.default_rng(1)
    point = planted.points(rng)
    times = NoiseModel(table, causes=()).times(0, SPEC, point, _terms(rng, len(point.at)), rng)
    np.testing.assert_array_equal(times, np.where(point.fired, point.at, np.inf))


RIPPLE = Supply(sensitivity_per_V=(0.1, 0.2, 0.3, 0.1), tones=(Tone(frequency_Hz=1e7, amplitude_V=2e-3),))


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_moves_times_alone(table, cause):
    rng = np.random.default_rng(1)
    point = planted.points(rng)
    model = NoiseModel(table, causes=(cause,), outside="ideal")
    terms = _terms(rng, len(point.at))
    noisy = {"flicker": SPEC.replace(flicker=Flicker(h=(1e-8,) * 4)), "supply": SPEC.replace(supply=RIPPLE)}
    spec = noisy.get(cause, SPEC)
    first, second = (model.times(0, spec, point, terms, np.random.default_rng(s)) for s in (4, 5))
    assert (first[point.fired] != point.at[point.fired]).mean() > 0.9
    same = np.array_equal(first, second)
    assert same == (cause not in ("event", "flicker", "supply"))  # the chip and the bias are constant over events


def test_the_same_generator_gives_the_same_event(table):
    point = planted.points(np.random.default_rng(1))
    model = NoiseModel(table, outside="ideal")
    one, two = (model.times(0, SPEC, point, None, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_predictions_of_planted_noise_cover_nominally(table):
    """3000 new neurons on new chips; the share's error is 0.4 % without clusters: ± 2 % holds it beyond 4 errors."""
    samples = planted.samples(np.random.default_rng(17), chips=20)
    rng = np.random.default_rng(2)
    n = len(samples.chip)
    drawn = []
    for _ in range(200):
        terms = Terms(0.03 * rng.standard_normal(n), 0.06 * rng.standard_normal(n), 0.02 * rng.standard_normal(n))
        drawn.append(NoiseModel(table, outside="ideal").times(0, SPEC, samples.point, terms, rng))
    drawn = np.stack(drawn)
    place = (drawn < samples.t_over_tau).mean(axis=0)
    place = place + (drawn == samples.t_over_tau).mean(axis=0) * rng.random(n)
    fired = samples.point.fired
    for nominal in (0.5, 0.95):
        assert (np.abs(place[fired] - 0.5) <= nominal / 2).mean() == pytest.approx(nominal, abs=0.025)


def test_a_chip_correlates_its_neurons_as_planted(table):
    """Pairs of neurons of one chip share the die's term: covariance σ_die² κ², in thresholds."""
    rng = np.random.default_rng(8)
    point = planted.points(rng, count=400, silent=0)
    model = NoiseModel(table, outside="ideal")
    seen = []
    for _ in range(300):
        t = model.times(0, SPEC, point, _terms(rng, 400), rng)
        m = fit.membrane_seen(SPEC, point, t)
        seen.append(np.median(m))
    kappa = table.layers[0].kappa[0]
    assert np.std(seen) == pytest.approx(0.03 * kappa, rel=0.2)  # 300 chips: error 4 %


def test_outside_the_range_is_an_error_or_counted(table):
    point = planted.points(np.random.default_rng(1))
    far = planted.Operating(**(vars(point) | {"slope": np.full(len(point.at), 1e4)}))
    with pytest.raises(InputError, match=r"noise table layer 0: slope must be within .*, got 9\.2"):
        NoiseModel(table).times(0, SPEC, far, None, np.random.default_rng(0))
    model = NoiseModel(table, outside="ideal")
    times = model.times(0, SPEC, far, None, np.random.default_rng(0))
    np.testing.assert_array_equal(times[far.fired], far.at[far.fired])
    assert model.count.outside == far.fired.sum()
    assert not model.count.valid


@pytest.mark.parametrize(
    ("given", "message"), [({"causes": ("dye",)}, "causes must be among"), ({"outside": "x"}, "outside")]
)
def test_wrong_choices_are_named(table, given, message):
    with pytest.raises(InputError, match=message):
        NoiseModel(table, **given)


def test_files_are_byte_stable_and_sealed(table, tmp_path):
    path = tmp_path / "t.nc"
    table.save(path)
    again = NoiseTable.load(path)
    assert dataset_bytes(again.dataset) == path.read_bytes()
    np.testing.assert_array_equal(again.layers[0].quantiles, table.layers[0].quantiles)
    changed = again.dataset.copy(deep=True)
    changed["kappa"][:] = 2.0
    path.write_bytes(dataset_bytes(changed))
    with pytest.raises(FileFormatError, match="was changed after it was written"):
        NoiseTable.load(path)


def test_foreign_older_and_incomplete_files_are_refused(table, tmp_path):
    path = tmp_path / "t.nc"
    for attributes, message in (
        ({"schema_version": 0}, "schema version 0"),
        ({"convention": "x"}, "must be a noise table"),
    ):
        path.write_bytes(dataset_bytes(seal(table.dataset.assign_attrs(attributes))))
        with pytest.raises(FileFormatError, match=message):
            NoiseTable.load(path)
    path.write_bytes(dataset_bytes(seal(table.dataset.drop_vars("edges0_margin"))))
    with pytest.raises(FileFormatError, match="lacks the axis margin of layer 0"):
        NoiseTable.load(path)
    planted_network = planted_table(layers=1)
    network = MappedNetwork.from_dict(planted_network.provenance["network"])
    planted_network.check_network(network.replace(checkpoint="elsewhere.pt"), "t.nc")
    with pytest.raises(FileFormatError, match="belongs to another network: its name differs"):
        planted_network.check_network(network.replace(name="other"), "t.nc")
    with pytest.raises(FileFormatError, match="belongs to another network: its use differs"):
        planted_network.check_network(network.replace(use=0.8), "t.nc")


def test_between_the_calibrated_points_and_the_ends_is_the_tail(table):
    """A slope a fifth below the least calibrated one is answered by the outermost cell, and counted."""
    point = planted.points(np.random.default_rng(1))
    low, high = (np.exp(end) for end in table.layers[0].calibrated["slope"])
    for slope, tail, outside in ((0.8 * low, 1, 0), (1.5 * high, 1, 0), (low / 5, 0, 1), (np.sqrt(low * high), 0, 0)):
        moved = point.take(np.arange(1))
        moved = planted.Operating(**(vars(moved) | {"slope": np.array([slope])}))
        model = NoiseModel(table, outside="ideal")
        model.times(0, SPEC, moved, None, np.random.default_rng(0))
        assert (model.count.tail, model.count.outside) == (tail, outside)


def test_wraps_are_drawn_as_planted(table):
    """2000 neurons in the middle of the bin with the most wraps do so with its share: five binomial errors."""
    point = planted.points(np.random.default_rng(1), count=2000, silent=0)
    own = table.layers[0]
    bin_ = int(np.argmax(own.wrap_fire * own.wrap_n))
    middle = (WRAP_EDGES[bin_] + WRAP_EDGES[bin_ + 1]) / 2
    above = wrap_distance(SPEC, point) - point.lowest  # the same for all
    deep = planted.Operating(**(vars(point) | {"lowest": middle - above}))
    t = NoiseModel(table, outside="ideal").times(0, SPEC, deep, None, np.random.default_rng(0))
    expected = own.wrap_fire[bin_]
    assert 0.01 < expected < 0.4
    assert np.mean(np.abs(t / deep.at - 0.3) < 1e-9) == pytest.approx(
        expected, abs=5 * np.sqrt(expected * (1 - expected) / 2000)
    )
    never = NoiseModel(table, causes=("event",), outside="ideal").times(0, SPEC, deep, None, np.random.default_rng(0))
    assert not np.any(np.abs(never / deep.at - 0.3) < 1e-9)


def test_a_version_1_table_stays_readable():
    old = NoiseTable.load(FIXTURE)
    assert json.loads(old.dataset.attrs["provenance"])["network"]["name"] == "planted"
    assert old.axes(0) == ("slope", "time")
    own = old.layers[0]
    np.testing.assert_array_equal(own.rest_quantiles, own.quantiles)
    assert not own.term_kappa.any()
    assert not own.wrap_fire.any()
    assert own.calibrated["slope"] == (own.edges["slope"][0], own.edges["slope"][-1])
    point = planted.points(np.random.default_rng(1))
    NoiseModel(old, outside="ideal").times(0, SPEC, point, None, np.random.default_rng(0))
