"""The script of the README, on scikit-learn's digits instead of MNIST, with tiny sizes: sweep to replay in Python."""

from pathlib import Path

import pytest

import neurocircuit as nc

pytest.importorskip("sklearn")
pytest.importorskip("torch")

SMALL = [
    "schedule.epochs=1",
    "schedule.batch_size=20",
    "data.held_out=1300",
    "network.name=mnist_scnn",
    "network.bias=true",
    "network.clock=absolute",
    "network.parameterisation=fixed_sum",
]


def test_from_a_neuron_to_a_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = nc.NeuronSpec()
    table = nc.sweep(spec, jitter=[0.01, 0.05], bits=(), trials=20, cross_check="none")
    assert isinstance(table, nc.TransferTable)

    train, test = nc.data.digits("train"), nc.data.digits("test")
    nc.snn.train("digits", settings=SMALL, out="start").save("weights.pt")
    model = nc.snn.load("weights.pt")
    net = nc.map(model, spec, images=train[:10])
    assert len(net.limits) > 0
    assert isinstance(net.met, bool)
    noise = nc.calibrate(net, images=train[:3], chips=4, points=40)
    evaluation = nc.evaluate(model, test[:20], noise=noise, chips=2, tables=0)
    assert evaluation.accuracy_low <= evaluation.accuracy <= evaluation.accuracy_high
    assert "20 images of split test" in str(evaluation)
    assert nc.evaluate(model, test[:20]).accuracy == evaluation.accuracy_software

    aware = nc.snn.train("digits", settings=SMALL, initial=model, noise=noise, out="aware")
    assert aware.sha256 != model.sha256
    check = nc.verify(nc.map(aware, spec, images=train[:10]), test[:2], level="edge", chips=2)
    check.save("replay")
    page = nc.report("replay")
    assert page.stat().st_size > 1000
    assert str(nc.load("replay")) == str(check)
