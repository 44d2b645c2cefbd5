"""A study whose objectives are known in closed form, and a process that runs it: for stores, kills and choices.

accuracy = 1 - 0.01·bias_uA^-1 - (lead - 1)²/10, energy = bias_uA nJ·(1 + (lead - 1)²), so the front is lead = 1,
whatever the bias. Feasible: lead <= 1.2.
"""

import sys
import time
from functools import partial
from pathlib import Path

from neurocircuit.results.characterised_neuron import CharacterisedNeuron
from neurocircuit.results.codesign import Evaluated, Outcome
from neurocircuit.results.inference import NeuronPower
from neurocircuit.results.noise_law import NoiseLaw, Scaling
from neurocircuit.spec import NeuronSpec, Variation
from neurocircuit.studies.codesign import run
from neurocircuit.studies.codesign.study import StudySpec

SEED = 5
# 68 µW that scale with the current and 53 µW that follow the frequency alone, wherever both lie.
NEURON = CharacterisedNeuron(
    base=NeuronPower(
        power_W=121e-6,
        ramp_power_W=90e-6,
        lock_power_W=50e-6,
        lock_over_tau=2.0,
        generator_W=1e-6,
        trim_dac_W=2e-6,
        supply_V=1.0,
        source="planted",
    ),
    bias_A=1e-5,
    scaled_W=68e-6,
    slope_W=0.0,
    fixed_W=53e-6,
    built=(1e-5, 100.0),
    at_frequencies=(0.1, 10.0),
    currents=(1.0, 1.0),
    spike_width_s=1e-9,
)


def scaling(slope, curvature=0.0, scale_exponent=1.0, area_exponent=0.0):
    return Scaling(slope=slope, curvature=curvature, scale_exponent=scale_exponent, area_exponent=area_exponent)


# White noise with the square of the frequency, flicker of bias devices inverse to it, four fifths of all at f0.
NOISY = NEURON.model_copy(
    update={
        "noise": NoiseLaw(
            white=scaling(2.0),
            flicker_bias=scaling(-1.0, area_exponent=0.5),
            flicker_rest=scaling(0.0),
            flicker_common=scaling(-1.0, area_exponent=0.5),
            pushing=scaling(1.0, 0.5, scale_exponent=0.0),
            h_bias=8e-9,
            h_rest=2e-9,
            lowest=0.4,
            highest=4.0,
            largest_area=4.0,
            current_exponent=0.25,
            bias_A=4e-5,
            loop_bias_A=2e-5,
            area_m2=5e-12,
            bias_area_m2=1e-12,
        )
    }
)


def study(**changes):
    values = {
        "name": "planted",
        "checkpoint": "none.pt",
        "seed": SEED,
        "trials": 30,
        "population": 8,
        "objectives": ["accuracy", "energy"],
        "parameters": {
            "lead": {"low": "0.2 rad", "high": "2 rad"},
            "bias": {"low": "1 uA", "high": "30 uA", "scale": "log"},
        },
        "fidelities": [
            {"name": "coarse", "method": "table"},
            {"name": "fine", "method": "circuit", "designs": 5},
        ],
    }
    return StudySpec.from_dict(values | changes)


def definition(**changes):
    return run.Definition(study(**changes), NeuronSpec(), Variation(), "0" * 64, NEURON)


def outcome(values, fidelity, delay_s=0.0):
    time.sleep(delay_s)
    bias_uA, off = 1e6 * values["bias"], values["lead"] - 1.0
    shift = 0.01 if fidelity.name == "coarse" else 0.0
    accuracy, energy = 1.0 - 0.01 / bias_uA - off**2 / 10 - shift, 1e-9 * bias_uA * (1 + off**2)
    figures = dict.fromkeys(Evaluated.model_fields, 0) | {
        "lines": None,
        "accuracy": accuracy,
        "energy_J": energy,
        "layers": (),
    }
    figures["power_source"] = "planted"
    return Outcome(
        accuracy=accuracy,
        energy=energy,
        latency=1e-8,
        constraints={"lead": values["lead"] - 1.2},
        details=Evaluated(**figures),
    )


def prepare(delay_s=0.0):
    return partial(outcome, delay_s=delay_s)


def tell(done, total, label):
    print(label, flush=True)


if __name__ == "__main__":
    where, delay = Path(sys.argv[1]), float(sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    run.run(definition(), where, partial(prepare, delay), run.Options(), tell)
