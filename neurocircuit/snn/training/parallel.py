"""One training run over several processes, as torchrun starts them."""

import os
import time
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from neurocircuit.errors import InputError


@dataclass(frozen=True)
class Processes:
    """This process among those of the run."""

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """The one process that writes files and shows progress."""
        return self.rank == 0

    def share(self, batch_size: int) -> slice:
        """This process's part of a batch. Raises InputError when the batch does not divide."""
        if batch_size % self.world:
            raise InputError(f"schedule.batch_size must be a multiple of {self.world} processes, got {batch_size}")
        size = batch_size // self.world
        return slice(self.rank * size, (self.rank + 1) * size)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over processes, in place."""
        if self.world > 1:
            distributed.all_reduce(values)
        return values

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            distributed.barrier()


def join(device: torch.device) -> Processes:
    """Join the processes of torchrun (gloo for CPUs, nccl for GPUs); alone without it."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Processes()
    if not distributed.is_initialized():
        # Gradients meet on the GPUs, sums of an epoch on the CPUs.
        distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    return Processes(distributed.get_rank(), distributed.get_world_size())


def leave() -> None:
    """Leave the group that `join` joined."""
    if distributed.is_initialized():
        # gloo's thread needs the GIL to let go of the last collective, and its destructor joins that thread under the
        # GIL: without this pause the two can wait for each other for ever (seen with torch 2.13).
        time.sleep(0.1)
        distributed.destroy_process_group()


def device_of_process(name: str) -> torch.device:
    """Return the device by name; of several GPUs the one with this process's local rank. Raises InputError."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no GPU here")
    if name != "cuda":
        return torch.device(name)
    device = torch.device(name, int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)  # kernels are launched on the current one
    return device
