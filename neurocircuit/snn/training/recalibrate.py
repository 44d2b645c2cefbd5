"""New weights on the circuit of a noise table: mapped again within the same window, and its noise table anew."""

from dataclasses import dataclass
from pathlib import Path

from neurocircuit.core.pool import Progress, silent
from neurocircuit.network.calibrate import calibrate
from neurocircuit.noise import NoiseTable
from neurocircuit.snn.data.torch_sets import TorchData
from neurocircuit.snn.mapping import map_network
from neurocircuit.snn.model import load
from neurocircuit.spec import MappedNetwork

IMAGES = 30  # whose neurons the table is made from
POINTS, SEED = 240, 2  # of a layer; another seed than that of `calibrate`, so that other points are met


@dataclass(frozen=True)
class Recalibrated:
    """Files of the new network and table; leads of each layer now and before; whether every limit is met."""

    network: Path
    table: Path
    lead_rad_and_before: tuple[tuple[float, float], ...]
    limits_met: bool


def recalibrate(
    weights: Path,
    noise: Path,
    data: Path | TorchData | None,
    *,
    chips: int,
    mapped_images: int,
    progress: Progress = silent,
) -> Recalibrated:
    """Write network.toml and table.nc beside `weights`.

    Scales are chosen anew from the base circuit of the table `noise`, with its share of the limits: weights that grew
    cost lead. Training images serve, `mapped_images` for the scales.
    """
    before = MappedNetwork.from_dict(NoiseTable.load(noise).provenance["network"])
    model = load(weights)
    images = model.images("train", data).first(max(mapped_images, IMAGES))
    network = map_network(
        model,
        before.neuron,
        images=images[:mapped_images],
        variation=before.variation,
        use=before.use,
        window_over_tau=before.neuron.window_over_tau,
        full_scale=before.layers[0].full_scale,
        name=before.name,
    )
    path, table_path = weights.with_name("network.toml"), weights.with_name("table.nc")
    network.save(path)
    table = calibrate(network, images[:IMAGES], chips=chips, points=POINTS, seed=SEED, progress=progress)
    table.save(table_path)
    leads = tuple((now.lead_rad, old.lead_rad) for now, old in zip(network.mapped.layers, before.layers, strict=True))
    return Recalibrated(path, table_path, leads, network.met)
