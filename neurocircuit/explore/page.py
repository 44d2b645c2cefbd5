"""The page itself, in NiceGUI: dials at the left, what they do at the right, a tab for a mapped network.

Each browser tab has a state of its own. The newest setting wins: while a picture is computed, what lies between it and
the last movement is skipped; when a dial has rested, the same picture is computed from as many draws as a sweep has.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nicegui import app, run, ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from neurocircuit.core.files import write_atomically
from neurocircuit.errors import InputError, NeurocircuitError
from neurocircuit.explore import charts
from neurocircuit.explore.charts import ALONG, BESIDE, CAUSES
from neurocircuit.explore.circuit import DRAWS, Dial, View, dials, saved_text, turned, view
from neurocircuit.explore.subject import Subject
from neurocircuit.spec import NeuronSpec

if TYPE_CHECKING:
    from neurocircuit.explore.network import Accuracy, OnChips

HOST = "127.0.0.1"
_RESTED_s = 0.6  # after which a dial is taken to rest
_STEP = 0.002  # of a slider, in its length
_STYLE = """
body { font-size: 15px; }
.page { display: grid; grid-template-columns: minmax(260px, 340px) minmax(0, 1fr); gap: 16px; width: 100%; }
.dials { display: grid; gap: 4px 16px; align-content: start;
  grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); }
.pictures { display: grid; gap: 8px 16px; min-width: 0; align-content: start; }
@media (min-width: 1280px) {
  .pictures { grid-template-columns: minmax(0, 1.15fr) minmax(0, 1fr); }
  .wide { grid-column: 1 / -1; }
}
.summary { font-size: 17px; line-height: 1.4; }
.error { color: #b3261e; font-weight: 600; min-height: 1.4em; }
.remark { color: #7a5200; }
.body--dark .error { color: #ff9d92; }
.body--dark .remark { color: #f0c46a; }
.numbers { border-collapse: collapse; font-size: 14px; width: 100%; }
.numbers th, .numbers td { text-align: left; padding: 2px 12px 2px 0; vertical-align: top; }
.numbers td:nth-child(2) { white-space: nowrap; font-variant-numeric: tabular-nums; }
.numbers td:nth-child(3) { opacity: 0.8; }
.scrolled { overflow-x: auto; width: 100%; }
.accuracies td { opacity: 1 !important; white-space: nowrap; font-variant-numeric: tabular-nums; }
.accuracies caption { text-align: left; padding-bottom: 4px; opacity: 0.8; }
@media (max-width: 960px) { .page { grid-template-columns: minmax(0, 1fr); } }
"""
_SCHEME = """
const media = matchMedia("(prefers-color-scheme: dark)");
emitEvent("scheme", media.matches);
media.addEventListener("change", (event) => emitEvent("scheme", event.matches));
"""


def serve(subject: Subject, port: int, show: bool, data: Path | None, announce: Callable[[], None]) -> None:
    """Serve the page on this machine alone, until Ctrl-C. Raise InputError where the port is taken.

    announce: called when the page can be opened.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(f"--port must be free, got {port}: {error.strerror}") from None

    opened = _OpenedNetworks(subject, data)

    def page() -> None:
        _Page(subject, opened)

    # A page of another origin must not reach this one by a name of its own that leads to 127.0.0.1.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    app.on_startup(announce)
    ui.run(
        page,
        host=HOST,
        port=port,
        title="neurocircuit explore",
        show=show,
        reload=False,
        show_welcome_message=False,
        uvicorn_logging_level="error",
    )


class _Page:
    """The whole page of one browser tab."""

    def __init__(self, subject: Subject, opened: "_OpenedNetworks") -> None:
        ui.add_css(_STYLE)
        ui.dark_mode(None)
        with ui.tabs().props("align=left dense") as tabs:
            circuit_tab = ui.tab("circuit", label="Circuit")
            network_tab = ui.tab("network", label="Network")
        with ui.tab_panels(tabs, value=circuit_tab).classes("w-full"):
            with ui.tab_panel(circuit_tab):
                circuit = _CircuitTab(subject)
            with ui.tab_panel(network_tab):
                network = _NetworkTab(opened)

        def recolour(event: Any) -> None:
            paper = charts.DARK if event.args else charts.LIGHT
            circuit.recolour(paper)
            network.recolour(paper)

        ui.on("scheme", recolour)
        ui.run_javascript(_SCHEME)


class _CircuitTab:
    def __init__(self, subject: Subject) -> None:
        self._subject, self._paper = subject, charts.LIGHT
        self._values: dict[str, float] = {}
        self._wanted: NeuronSpec | None = None
        self._is_working = False
        self._controls: dict[str, tuple[Dial, Any, Any]] = {}
        self._spec = subject.spec
        self._view = view(subject.spec, subject.testbench)
        with ui.element("div").classes("page"):
            with ui.element("div"):
                self._build_dials()
            with ui.element("div").classes("pictures"):
                self._summary = ui.label().classes("summary wide").props("id=summary")
                self._remarks = ui.label().classes("remark wide").props("id=remarks")
                self._waves = ui.echart({}).style("height: 500px; width: 100%").props("id=waveforms")
                with ui.element("div"):
                    self._curve = ui.echart({}).style("height: 460px; width: 100%").props("id=curve")
                    self._log = ui.switch("logarithmic axes", on_change=self._draw).props("id=logarithmic dense")
                self._numbers = ui.html("", sanitize=False).props("id=numbers").classes("wide")
        self._draw()

    def recolour(self, paper: charts.Paper) -> None:
        """Draw for another paper."""
        self._paper = paper
        self._draw()

    def _build_dials(self) -> None:
        with ui.element("div").classes("dials"):
            for dial in dials(self._subject.spec):
                with ui.element("div"):
                    text = ui.input(dial.label, value=dial.text(dial.value)).props(f"for=text-{dial.name} dense")
                    slider = ui.slider(
                        min=0, max=1, step=_step(dial), value=dial.position(dial.value), on_change=self._slid(dial)
                    ).props(f"id=dial-{dial.name} dense aria-label='{dial.label}'")
                    text.on("keydown.enter", self._typed(dial))
                    text.on("blur", self._typed(dial))
                    self._controls[dial.name] = (dial, slider, text)
        self._keeps = ui.checkbox("vco4_swing follows: the threshold stays", value=True, on_change=self._change)
        self._keeps.props("id=keeps dense").classes("mt-2")
        self._error = ui.label().classes("error").props("id=error role=alert")
        with ui.row().classes("items-end"):
            self._file = ui.input("save in", value=str(self._subject.file)).props("for=file dense")
            ui.button("Save", on_click=self._ask_to_save).props("id=save")
            ui.button("Reset", on_click=self._reset).props("id=reset flat")
        self._saved = ui.label().props("id=saved")

    def _slid(self, dial: Dial) -> Callable[[Any], None]:
        def changed(event: Any) -> None:
            value = dial.at(float(event.value))
            if abs(dial.position(self._values.get(dial.name, dial.value)) - float(event.value)) < _step(dial) / 2:
                return  # the slider follows a number that was typed
            self._values[dial.name] = value
            self._controls[dial.name][2].value = dial.text(value)
            self._change()

        return changed

    def _typed(self, dial: Dial) -> Callable[[], None]:
        def changed() -> None:
            text = self._controls[dial.name][2]
            if text.value == dial.text(self._values.get(dial.name, dial.value)):
                return
            try:
                self._values[dial.name] = dial.parse(str(text.value))
            except NeurocircuitError as error:
                self._error.text = str(error)
                return
            self._controls[dial.name][1].value = dial.position(self._values[dial.name])
            self._change()

        return changed

    def _reset(self) -> None:
        self._values.clear()
        for dial, slider, text in self._controls.values():
            text.value, slider.value = dial.text(dial.value), dial.position(dial.value)
        self._change()

    def _change(self) -> None:
        """Take the dials as they stand; an error leaves the picture as it was."""
        try:
            self._spec = turned(self._subject.spec, self._values, bool(self._keeps.value))
        except NeurocircuitError as error:
            self._error.text = str(error)
            return
        self._error.text, self._saved.text = "", ""
        self._wanted = self._spec
        if not self._is_working:
            asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        self._is_working = True
        try:
            while self._wanted is not None:
                spec, self._wanted = self._wanted, None
                await self._compute(spec, DRAWS)
                await asyncio.sleep(_RESTED_s)
                if self._wanted is None:
                    await self._compute(spec, self._subject.testbench.trials)
        finally:
            self._is_working = False

    async def _compute(self, spec: NeuronSpec, draws: int) -> None:
        try:
            self._view = await run.io_bound(view, spec, self._subject.testbench, draws)
        except NeurocircuitError as error:
            self._error.text = str(error)
        else:
            self._draw()

    def _draw(self) -> None:
        shown = self._view
        self._summary.text = shown.sentence
        self._remarks.text = " ".join(f"{remark}." for remark in shown.remarks)
        _replace(self._waves, charts.waveform_chart(shown, self._paper))
        _replace(self._curve, charts.curve_chart(shown, self._paper, bool(self._log.value)))
        self._numbers.content = _table(shown)

    async def _ask_to_save(self) -> None:
        file = Path(str(self._file.value).strip()).expanduser()
        if self._error.text:
            return
        if file.exists():
            with ui.dialog() as dialog, ui.card():
                ui.label(f"{file} exists. Overwrite it?").props("id=overwrite")
                with ui.row():
                    ui.button("Overwrite", on_click=lambda: dialog.submit(True)).props("id=yes")
                    ui.button("Cancel", on_click=lambda: dialog.submit(False)).props("id=no flat")
            overwrites = await dialog
            dialog.delete()
            if not overwrites:
                return
        try:
            write_atomically(file, saved_text(self._spec, self._subject.spec, file))
        except (NeurocircuitError, OSError) as error:
            self._error.text = str(error)
        else:
            self._saved.text = f"saved in {file.resolve()}"


class _OpenedNetworks:
    """The networks of a subject, read when they are asked for; all browser tabs share what has been computed."""

    def __init__(self, subject: Subject, data: Path | None) -> None:
        self._files, self._data = {network.name: network for network in subject.networks}, data
        self._opened: dict[str, OnChips] = {}

    @property
    def names(self) -> list[str]:
        return list(self._files)

    def get(self, name: str) -> "OnChips":
        """Return a network. Raise InputError for files that are missing or do not fit."""
        if name not in self._opened:
            from neurocircuit.explore.network import OnChips  # torch takes seconds to import

            files = self._files[name]
            self._opened[name] = OnChips.open(files.weights, files.noise, self._data)
        return self._opened[name]


class _NetworkTab:
    """Accuracy over factors of two causes; what is drawn was asked for by the last press of the button."""

    def __init__(self, networks: _OpenedNetworks) -> None:
        self._networks, self._paper = networks, charts.LIGHT
        self._choice: tuple[str, str, str] | None = None  # network, causes
        self._points: list[tuple[float, float, Accuracy]] = []
        if not networks.names:
            ui.label(
                "Accuracy under noise needs a mapped network and its noise table: neurocircuit explore FOLDER of "
                "`neurocircuit run`, or network.toml --noise table.nc of `map` and `calibrate`."
            ).props("id=no-network")
            return
        with ui.row().classes("items-end"):
            self._network = ui.select(networks.names, value=networks.names[0], label="network").props("id=which dense")
            self._first = ui.select(CAUSES, value="event", label="along the axis").props("id=first dense")
            self._second = ui.select(CAUSES, value="neuron", label="one line for each").props("id=second dense")
            self._button = ui.button("Compute", on_click=self._compute).props("id=compute")
        self._summary = ui.label().classes("summary").props("id=network-summary")
        self._state = ui.label(
            "Accuracy on chips while two causes of the noise table grow or shrink: 0 is none, 1 the table's own. "
            "A point takes seconds."
        ).props("id=state")
        self._bar = ui.linear_progress(0.0, show_value=False).props("id=computed")
        self._error = ui.label().classes("error").props("id=network-error role=alert")
        self._chart = ui.echart({}).style("height: 480px; width: 100%").props("id=accuracy")
        self._numbers = ui.html("", sanitize=False).props("id=accuracies").classes("scrolled")
        for element in (self._bar, self._chart):
            element.visible = False

    def recolour(self, paper: charts.Paper) -> None:
        """Draw for another paper."""
        self._paper = paper
        if self._points:
            self._draw()

    async def _compute(self) -> None:
        choice = (str(self._network.value), str(self._first.value), str(self._second.value))
        self._choice, self._error.text, self._points, self._bar.value = choice, "", [], 0.0
        self._bar.visible = True
        client, begin_s = self._button.client, time.monotonic()
        try:
            self._state.text = "reading weights, noise table and images"
            opened = await run.io_bound(self._networks.get, choice[0])
            points = opened.against(choice[1], choice[2], ALONG, BESIDE)
            while (point := await run.io_bound(next, points, None)) is not None:
                if self._choice is not choice or client.is_deleted:
                    return
                self._points.append(point)
                self._summary.text = await run.io_bound(opened.sentence)
                self._tell(time.monotonic() - begin_s)
                self._draw()
        except NeurocircuitError as error:
            self._state.text, self._error.text = "", str(error)
        self._bar.visible = False

    def _tell(self, passed_s: float) -> None:
        """Say how many points are computed, and how long the others will take."""
        done, total = len(self._points), len(ALONG) * len(BESIDE)
        left = "" if done == total else f", about {passed_s / done * (total - done):.0f} s to go"
        self._state.text = f"{done} of {total} points{left}"
        self._bar.value = done / total

    def _draw(self) -> None:
        assert self._choice is not None  # noqa: S101
        network, first, second = self._choice
        names, software = (CAUSES[first], CAUSES[second]), self._networks.get(network).software
        self._chart.visible = True
        _replace(self._chart, charts.accuracy_chart(self._points, names, BESIDE, software, self._paper))
        self._numbers.content = _accuracies(self._points, names)


def _step(dial: Dial) -> float:
    return 1.0 / (dial.high - dial.low) if dial.is_whole else _STEP


def _replace(chart: Any, options: dict[str, Any]) -> None:
    chart.options.clear()
    chart.options.update(options)
    chart.update()


def _table(shown: View) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(value)}</td><td>{escape(meaning)}</td></tr>"
        for name, value, meaning in shown.lines
    )
    return f"<table class=numbers><tbody>{rows}</tbody></table>"


def _accuracies(points: "list[tuple[float, float, Accuracy]]", names: tuple[str, str]) -> str:
    """Return the accuracies as a table: a row for each factor of the first cause, a column for each of the second."""
    known = {(along, beside): at for along, beside, at in points}
    along, beside = sorted({row for row, _ in known}), sorted({column for _, column in known})
    head = "".join(f"<th scope=col>{escape(names[1])} × {factor:g}</th>" for factor in beside)
    rows = "".join(
        f"<tr><th scope=row>× {row:g}</th>"
        + "".join(
            f"<td>{escape(charts.accuracy_text(known[row, column])) if (row, column) in known else ''}</td>"
            for column in beside
        )
        + "</tr>"
        for row in along
    )
    caption = (
        "Accuracy with its 95 % interval (drawn for the line × 1), then by how many points it differs from that "
        "under the table's own noise, over the same images and chips."
    )
    head = f"<tr><th scope=col>{escape(names[0])}</th>{head}</tr>"
    return (
        f"<table class='numbers accuracies'><caption>{caption}</caption>"
        f"<thead>{head}</thead><tbody>{rows}</tbody></table>"
    )
