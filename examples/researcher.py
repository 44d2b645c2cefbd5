"""A network of your own under a circuit's noise: any ReLU network in torch, on scikit-learn's digits (no download).

The tutorial docs/tutorials/researcher.md explains each step. `python examples/researcher.py --quick` takes seconds.
"""

import argparse
from pathlib import Path

import torch
from torch import nn

import neurocircuit as nc


def my_network() -> nn.Module:
    """Return an ordinary small network: nothing in it knows of spikes."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 4 * 4, 10),
    )


def my_training(network: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, epochs: int) -> None:
    """Train it as you always do."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(len(pixels)).split(50):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(pixels[chosen]), labels[chosen]).backward()
            optimiser.step()
    network.eval()


def main(arguments: list[str] | None = None) -> None:
    """Run the tutorial and leave its files in --out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: see it run, not what it gives")
    parser.add_argument("--out", type=Path, default=Path("researcher"))
    given = parser.parse_args(arguments)
    epochs, points, chips, tested = (1, 40, 2, 40) if given.quick else (20, 200, 10, 360)
    given.out.mkdir(parents=True)
    torch.manual_seed(1)

    # 1. Your network, trained as always. Pixels are 0 … 1 here and 0 … 255 in a data set.
    train, test = nc.data.digits("train"), nc.data.digits("test")
    network = my_network()
    my_training(network, torch.from_numpy(train.pixels) / 255, torch.from_numpy(train.labels).long(), epochs)

    # 2. The same network as neurons that spike once.
    spiking = nc.snn.convert(network, train[:500], window=1.0, quantile=0.9999, test=test)
    print(spiking.conversion)
    spiking.save(given.out / "spiking.pt")

    # 3. On a circuit, here one with an assumed phase noise: which limits does it meet, what does it cost?
    spec = nc.NeuronSpec().replace(phase_noise=(1e5, 1e5, 1e5, 1e5))  # rad²/s of each VCO
    mapped = nc.map(spiking, spec, images=train[:50])
    print(mapped)

    # 4. Its noise: neurons of this network, simulated on chips with mismatch.
    noise = nc.calibrate(mapped, images=train[:20], chips=chips, points=points)
    noise.save(f"{given.out}/noise.nc")
    print(noise)
    print("converted: ", nc.evaluate(spiking, test[:tested], noise=noise, chips=chips))

    # 5. Trained under this noise, with the weights' 4 bit.
    settings = ["data.held_out=137", "hardware.bits=4", "hardware.full_scale=layer", f"schedule.epochs={epochs}"]
    aware = nc.snn.train(
        "windowed_finetune",  # data and encoding are as in spiking.pt
        settings=settings,
        initial=given.out / "spiking.pt",
        noise=noise,
        out=given.out / "aware",
    )
    aware_mapped = nc.map(aware, spec, images=train[:50])
    aware_noise = nc.calibrate(aware_mapped, images=train[:20], chips=chips, points=points)
    print("trained under noise: ", nc.evaluate(aware, test[:tested], noise=aware_noise, chips=chips))

    # 6. Was the noise model right? Whole images, every neuron edge by edge.
    check = nc.verify(aware_mapped, test[: tested // 10], level="edge", chips=2, table=aware_noise)
    check.save(given.out / "replay")
    print(check)
    print(f"report: {nc.report(given.out / 'replay')}")


if __name__ == "__main__":
    main()
