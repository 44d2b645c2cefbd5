"""Noise tables with known numbers, for the networks that are tested on them."""

import numpy as np
from scipy.stats import norm

from neurocircuit.neuron.sensitivity import TERMS
from neurocircuit.noise.curves import APPROACH_EDGES, QUANTILES, WRAP_EDGES
from neurocircuit.noise.fit import AXES, LayerFit
from neurocircuit.noise.table import NoiseTable
from neurocircuit.spec import LayerMapping, MappedNetwork, NeuronSpec, WeightBank

WINDOW_OVER_TAU = 4.7
NAMES = ("0", "1", "3")  # of the layers of mnist_scnn


def planted_table(layers, event=0.0, bias=0.0, chip=0.0, false=0.0, bits=4, checkpoint_sha256="0" * 64, use=0.9):
    """One cell a layer: normal events, one bias, equal spreads of die, neuron and synapse, one share of false spikes.

    `false` holds for neurons that come within 0.4 thresholds.
    """
    spread = np.clip(norm.ppf(QUANTILES), -3.3, 3.3) * event
    approach = len(APPROACH_EDGES) - 1
    near = np.where(APPROACH_EDGES[:-1] < 0.4, false, 0.0)
    shape = (1,) * len(AXES)
    cell = {
        f"{name}{end}": value for name, value in (("bias", bias), ("spread", event)) for end in ("", "_low", "_high")
    }
    fit = LayerFit(
        edges={name: np.array([-20.0, 20.0]) for name in AXES},
        calibrated=dict.fromkeys(AXES, (-20.0, 20.0)),
        n=np.full(shape, 1000.0),
        missed=np.zeros(shape),
        **{f"{rest}{name}": np.full(shape, value) for name, value in cell.items() for rest in ("", "rest_")},
        **{f"{rest}quantiles": spread.reshape(*shape, -1) for rest in ("", "rest_")},
        term_kappa=np.zeros(len(TERMS)),
        term_kappa_error=np.zeros(len(TERMS)),
        kappa=np.ones(3),
        kappa_error=np.zeros(3),
        component_spread=np.full(3, chip),
        false_fire=near,
        false_low=near,
        false_high=near,
        false_n=np.full(approach, 100.0),
        false_delay=np.zeros(len(QUANTILES)),
        **{name: np.zeros(len(WRAP_EDGES) - 1) for name in ("wrap_fire", "wrap_low", "wrap_high", "wrap_n")},
        wrap_time=np.zeros(len(QUANTILES)),
        early_share=np.zeros(1),
        early_time=np.zeros(len(QUANTILES)),
        wrap_share=np.zeros(1),
        wrap_at=np.zeros(len(QUANTILES)),
        gains={},
    )
    mapping = [
        LayerMapping(
            name=NAMES[k],
            phase_per_weight_rad=0.3,
            lead_rad=1.0,
            vco4_swing_Hz=1.0 / (2 * 0.3 * 20e-9),
            weight_bank=WeightBank().with_bits(bits),
        )
        for k in range(layers)
    ]
    neuron = NeuronSpec().replace(window_s=WINDOW_OVER_TAU * 20e-9, weight_bank=WeightBank().with_bits(bits))
    network = MappedNetwork(
        name="planted",
        checkpoint="weights.pt",
        checkpoint_sha256=checkpoint_sha256,
        neuron=neuron,
        layers=tuple(mapping),
        use=use,
    )
    return NoiseTable.from_fits([fit] * layers, {"network": network.to_dict(), "level": "planted"})
