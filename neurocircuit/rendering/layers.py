"""Layers by their names; those of older files, and of networks that only number their stages, get readable ones."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

# Stages that were only numbered: mnist_scnn, and cifar10_scnn_small with its clocks between the layers.
_NUMBERED = (
    {"0": "conv1", "1": "conv2", "3": "fc1"},
    {"0": "conv1", "2": "conv2", "4": "conv3", "7": "fc1", "9": "fc2"},
)
_OF_LAYERS = ("layers", "limits", "budget")  # lists in results whose entries are of a layer each


def shown_names(names: Sequence[str]) -> dict[str, str]:
    """Return the name that a report shows for each layer of a network, in their order.

    >>> shown_names(["conv1", "fc1"]) == {"conv1": "conv1", "fc1": "fc1"}
    True
    >>> shown_names(["0", "1", "3"])
    {'0': 'conv1', '1': 'conv2', '3': 'fc1'}
    >>> shown_names(["_1", "_5_neurons"])
    {'_1': '1', '_5_neurons': '2'}
    """
    distinct = list(dict.fromkeys(names))
    if all(name[:1].isalpha() for name in distinct):
        return {name: name for name in distinct}
    for known in _NUMBERED:
        if distinct == list(known)[: len(distinct)]:
            return {name: known[name] for name in distinct}
    return {name: str(k) for k, name in enumerate(distinct, 1)}


def layer_label(name: str) -> str:
    """Return a shown name as it stands in a figure: "layer 2" where there is only a number."""
    return f"layer {name}" if name.isdigit() else name


def with_shown_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a result with the shown names of its layers, in rows and in sentences."""
    names = shown_names(_names(values))
    renamed: dict[str, Any] = _renamed(values, names, of_layer=False)
    return renamed


def _names(value: Any) -> list[str]:
    """Return the names in the longest list of layers."""
    lists = []
    if isinstance(value, Mapping):
        layers = value.get("layers")
        if isinstance(layers, list) and layers and isinstance(layers[0], Mapping):
            lists.append([str(name) for layer in layers if (name := layer.get("name", layer.get("layer"))) is not None])
        lists += [_names(entry) for entry in value.values()]
    return max(lists, key=len, default=[])


def _renamed(value: Any, names: Mapping[str, str], of_layer: bool) -> Any:
    if isinstance(value, Mapping):
        return {key: _entry(key, entry, names, of_layer) for key, entry in value.items()}
    if isinstance(value, list):
        return [_renamed(entry, names, of_layer) for entry in value]
    return value


def _entry(key: str, value: Any, names: Mapping[str, str], of_layer: bool) -> Any:
    if of_layer and key in ("name", "layer"):
        return names.get(str(value), value)
    if key == "sentence" and isinstance(value, str):
        return re.sub(r"\b([Ll]ayer) (\w+)", lambda match: f"{match[1]} {names.get(match[2], match[2])}", value)
    return _renamed(value, names, key in _OF_LAYERS)
