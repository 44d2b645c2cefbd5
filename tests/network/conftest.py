import numpy as np
import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(scope="session")
def trained():
    """Subject and network on 8x8 digits, absolute clock, bias; random weights that fire."""
    from neurocircuit.snn import checkpoint
    from neurocircuit.snn.data.spec import DataSpec
    from neurocircuit.snn.models import NetworkSpec
    from neurocircuit.snn.recipe import Subject

    network = NetworkSpec(name="mnist_scnn", bias=True, clock="absolute", initial_sum=3.0, initial_spread=0.7)
    subject = Subject(name="tiny", data=DataSpec(name="digits"), network=network)
    built = checkpoint.new_network(subject, torch.Generator().manual_seed(4))
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-0.2, 0.4, generator=torch.Generator().manual_seed(5))
    return subject, built


@pytest.fixture(scope="session")
def physical(trained):
    from neurocircuit.snn.unroll import unroll

    return unroll(*trained)


@pytest.fixture(scope="session")
def spikes():
    """Input spikes of three images."""
    return [np.random.default_rng(k).uniform(0, 3, 64) for k in range(3)]


@pytest.fixture(scope="session")
def mapping(physical, spikes):
    from neurocircuit.network.limits import Choice
    from neurocircuit.network.mapping import build
    from neurocircuit.network.run import EncodedImages
    from neurocircuit.spec import NeuronSpec
    from neurocircuit.spec.variation import EMBEDDED

    return build(
        physical,
        NeuronSpec(),
        EMBEDDED,
        EncodedImages(spikes, np.array([0, 1, 2]), "train"),
        Choice(),
        name="tiny",
        checkpoint="tiny.pt",
        checkpoint_sha256="0" * 64,
    )


@pytest.fixture(scope="session")
def circuit(mapping, physical):
    from neurocircuit.network.run import Circuit

    return Circuit.of(mapping.mapped, physical)


@pytest.fixture(scope="session")
def calibrated(circuit, spikes):
    from neurocircuit.network import calibrate

    return calibrate.fit_table(circuit, spikes, chip_count=12, points_per_layer=120)
