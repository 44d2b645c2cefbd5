"""A local page that shows a circuit while its quantities are moved, and what noise does to a network on it."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

PORT = 8123


def explore(
    subject: Path | str | None = None,
    *,
    weights: Path | str | None = None,
    noise: Path | str | None = None,
    data: Path | str | None = None,
    port: int = PORT,
    show: bool = True,
    as_json: bool = False,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve a page on 127.0.0.1 alone, until Ctrl-C: a circuit under its dials, and a network under its noise.

    subject: a circuit.toml, a mapped network (.toml), or the folder of a project or a run; default the embedded
    circuit. weights, noise: checkpoint and noise table of the second tab; default those of a mapped network and the
    table.nc beside it, or both networks of a loop's run.
    data: folder of the data sets. show: open a browser. announce: hears the address, as_json: as
    {"address": …}.

    Needs NiceGUI (the extra `explore`). Raise InputError for a file that is missing or does not fit, or a taken port.

    >>> explore("circuit.toml")  # doctest: +SKIP
    """
    from neurocircuit.explore.subject import Subject

    paths = [None if path is None else Path(path) for path in (subject, weights, noise, data)]
    opened = Subject.open(paths[0], paths[1], paths[2])
    from neurocircuit.explore.page import HOST, serve

    address = f"http://{HOST}:{port}"
    text = json.dumps({"address": address}) if as_json else f"explore: {address} (Ctrl-C ends it)"
    serve(opened, port, show, paths[3], partial(announce, text))
