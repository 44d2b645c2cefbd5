"""spec.toml of each characterised condition, and the one of the run with its sensitivities."""

from pathlib import Path

from neurocircuit.core.files import write_atomically
from neurocircuit.process.context import Context
from neurocircuit.process.fit import sensitivities, spec_of
from neurocircuit.process.request import NEEDS, Request, slug
from neurocircuit.process.run import results
from neurocircuit.spec import Condition, NeuronSpec
from neurocircuit.spice.process import Installed, load

SPEC = "spec.toml"
SPEC_NEEDS = {*NEEDS["kernel"], "kernel"}


def write(request: Request, out: Path) -> tuple[Path, ...]:
    """Write the specs of all conditions whose kernel was fitted; the nominal one also as out/spec.toml.

    The nominal condition: the first corner, and of its conditions the one nearest to 27 °C and the nominal supply.
    """
    installed = load(request.process).with_synapses(request.synapses)
    specs = {
        condition: spec_of(Context(installed, condition, request, done))
        for condition in request.conditions
        if (done := results(out, condition, request)).keys() >= SPEC_NEEDS
    }
    written = []
    for condition, spec in specs.items():
        path = out / "conditions" / slug(condition) / SPEC
        write_atomically(path, spec.to_toml())
        written.append(path)
    nominal = _nominal(list(specs), request, installed)
    if nominal is not None:
        path = out / SPEC
        write_atomically(path, _with_sensitivities(specs, nominal).to_toml())
        written.insert(0, path)
    return tuple(written)


def _nominal(known: list[Condition], request: Request, installed: Installed) -> Condition | None:
    corner = request.conditions[0].corner
    same = [condition for condition in known if condition.corner == corner]
    supply_V = installed.process.supply_V
    return min(same, key=lambda c: (abs(c.temperature_C - 27.0), abs(c.supply_V - supply_V)), default=None)


def _with_sensitivities(specs: dict[Condition, NeuronSpec], nominal: Condition) -> NeuronSpec:
    same = {(c.temperature_C, c.supply_V): spec for c, spec in specs.items() if c.corner == nominal.corner}
    fitted_sensitivities = sensitivities(same, (nominal.temperature_C, nominal.supply_V))
    return specs[nominal].replace(sensitivities=tuple(fitted_sensitivities))
