"""What a network computes, stage by stage, with its live modules; a module is traced into them with torch.fx."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from neurocircuit.errors import InputError
from neurocircuit.snn.layer_kinds import CALLS, DEFAULTS, IGNORED, KINDS, MODULES, options_of, serving
from neurocircuit.snn.layers import Rebase, SpikingConv2d, SpikingLinear
from neurocircuit.snn.retime import Retime
from neurocircuit.spec.layer_graph import INPUT, Option


@dataclass(frozen=True)
class Stage:
    """What a network computes at one place: `module` of the values of `sources`; None for cat and add."""

    name: str
    kind: str
    sources: tuple[str, ...]
    module: nn.Module | None
    options: dict[str, Option] = field(default_factory=dict)
    path: str = ""

    @property
    def is_layer(self) -> bool:
        """Whether it is a layer of spiking neurons."""
        return isinstance(self.module, SpikingConv2d | SpikingLinear)

    def __call__(self, values: Sequence[Tensor]) -> Tensor:
        """Return its value from those of its sources."""
        if self.kind == "cat":
            return torch.cat(list(values), dim=1)
        if self.kind == "add":
            return values[0] + values[1]
        assert self.module is not None  # noqa: S101
        result: Tensor = self.module(values[0])
        return result


def run_stages(stages: Sequence[Stage], z: Tensor, step: Callable[[Stage, Sequence[Tensor]], Tensor]) -> Tensor:
    """Return the last stage's value from z; step(stage, values of its sources) gives each. Values go when last read."""
    readers = {source: number for number, stage in enumerate(stages) for source in stage.sources}
    values = {INPUT: z}
    for number, stage in enumerate(stages):
        received = [values[source] for source in stage.sources]
        for source in set(stage.sources):
            if readers[source] == number:
                del values[source]
        values[stage.name] = step(stage, received)
    return values[stages[-1].name]


def check_clocks(stages: Sequence[Stage]) -> None:
    """Raise InputError naming what joins spikes of different clocks, or a bias spike that has no time of its own."""
    clocks = {INPUT: INPUT}
    for stage in stages:
        of_sources = {clocks[source] for source in stage.sources}
        if len(of_sources) > 1:
            raise InputError(
                f"{stage.path} joins spikes of different clocks ({', '.join(sorted(of_sources))}); what would serve: "
                "one Retime behind it instead of one in a branch"
            )
        clocks[stage.name] = stage.name if isinstance(stage.module, Retime | Rebase) else of_sources.pop()
        if stage.is_layer and clocks[stage.name] != INPUT and getattr(stage.module, "bias", None) is not None:
            raise InputError(
                f"{stage.path} must have no bias behind {clocks[stage.name]}: a bias spike has an absolute time"
            )


def traced(network: nn.Module) -> list[Stage]:
    """Return what a module computes, stage by stage, with its live modules; what nothing reads is left out.

    Raise InputError naming an operation that has no meaning here, its place and what would serve.
    """
    try:
        nodes = list(_Tracer().trace(network).nodes)
    except InputError:
        raise
    except Exception as error:  # torch's tracer raises what the module's code raises
        raise InputError(
            f"the module cannot be traced: {str(error).splitlines()[0]}; what would serve: a forward without "
            "branches on values"
        ) from None
    used = _used(nodes)
    modules = dict(network.named_modules())
    names: dict[fx.Node, str] = {}
    stages: list[Stage] = []
    for node in nodes:
        if node.op == "placeholder":
            if names and node in used:
                raise InputError(f"{node.name}: the module must take images alone")
            names[node] = INPUT
        elif node.op == "output":
            if not isinstance(node.args[0], fx.Node):
                raise InputError("the module must return one tensor, [image, class]")
        elif node in used:
            stage = _stage(node, modules, names, {stage.name for stage in stages})
            names[node] = stage.name
            stages.append(stage)
    if not stages:
        raise InputError("the module has no layers")
    return stages


class _Tracer(fx.Tracer):
    """Layers of ours are operations, parametrised ones too; what a user derives from a layer is looked into."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _kind(m) is not None or super().is_leaf_module(m, module_qualified_name)


def _kind(module: nn.Module) -> str | None:
    kind = type(module)
    if parametrize.is_parametrized(module):
        kind = kind.__mro__[1]
    return KINDS.get(kind)


def _used(nodes: list[fx.Node]) -> set[fx.Node]:
    """Return the nodes whose values reach the output; sizes do not count."""
    used: set[fx.Node] = set()
    waiting = [node for node in nodes if node.op == "output"]
    while waiting:
        node = waiting.pop()
        if node not in used:
            used.add(node)
            waiting += node.all_input_nodes if node.op == "output" else _read_by(node)
    return used


def _read_by(node: fx.Node) -> list[fx.Node]:
    """Return the nodes whose values a node reads, one as often as it is read: of a reshaping only what it reshapes."""
    target = "" if node.op == "call_module" else node.target
    if target in ("view", "reshape", torch.reshape):
        return node.all_input_nodes[:1]
    read: Any = node.args if CALLS.get(target, ("",))[0] == "add" else node.all_input_nodes
    if target in (torch.cat, torch.concat):
        read = node.args[0] if node.args else node.kwargs["tensors"]
    return [value for value in read if isinstance(value, fx.Node)]


def _stage(node: fx.Node, modules: dict[str, nn.Module], names: dict[fx.Node, str], taken: set[str]) -> Stage:
    """Return what a node of the trace computes. Raise InputError where it has no meaning here."""
    name = node.name if node.name not in taken else f"{node.name}_again"
    if node.op == "call_module":
        path = str(node.target)
        module = modules[path]
        kind = _kind(module)
        if kind is None:
            raise _refusal(path, type(module).__name__)
        if path in taken:
            if module.state_dict():
                raise InputError(f"{path} ({type(module).__name__}) must compute once: its neurons are physical")
        else:
            name = path
        sources = tuple(names[source] for source in node.all_input_nodes)
        return Stage(name, kind, sources, module, options_of(module, kind), path)
    shown = str(getattr(node.target, "__name__", node.target))
    path = f"{node.name}, in {_where(node)}" if _where(node) else node.name
    if node.op == "get_attr" or node.target not in CALLS:
        raise _refusal(path, "a constant" if node.op == "get_attr" else shown)
    kind, arguments = CALLS[node.target]
    options = dict(DEFAULTS.get(node.target, {}))
    if node.target not in ("view", "reshape", torch.reshape, "contiguous"):
        options |= dict(zip(arguments, node.args[1:], strict=False)) if kind != "add" else {}  # type: ignore[arg-type]
        options |= {name: value for name, value in node.kwargs.items() if name in arguments}  # type: ignore[misc]
    for argument, allowed in IGNORED.items():
        if options.pop(argument, allowed[0]) not in allowed:
            raise InputError(f"{path} ({shown}) has no meaning here with {argument}")
    sources = tuple(names[source] for source in _read_by(node))
    if kind == "cat" and options.pop("dim", 0) not in (1, -3):
        raise InputError(f"{path} (cat) must join channels: dim=1")
    if kind == "add" and len(sources) != 2:
        raise InputError(f"{path} (add) must add two values of the network")
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    made = MODULES[kind][0](**options) if kind in MODULES else None
    return Stage(name, kind, sources, made, options, path)


def _where(node: fx.Node) -> str:
    """Return the path of the module whose forward holds a call; "" for the network's own."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(next(reversed(stack), "")) if stack else ""


def _refusal(path: str, shown: str) -> InputError:
    return InputError(f"{path} ({shown}) has no meaning here{serving(shown)}")
