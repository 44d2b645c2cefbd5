"""The page in a real browser: a slider moves the curve, a circuit is saved and read back; all of it offline."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from neurocircuit.rendering.text import interval
from neurocircuit.spec import NeuronSpec
from tests.rendering.browser import CHROMIUM, Page

pytest.importorskip("nicegui")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]
SUMMARY = "document.querySelector('#summary')?.innerText"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[str]:
    """Return the address of a page that `neurocircuit explore` serves from a folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "neurocircuit", "explore", *arguments, "--no-browser", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert re.match(rf"explore: http://127\.0\.0\.1:{port} ", process.stdout.readline())
        yield f"http://127.0.0.1:{port}/"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) in (0, 130)


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Of a page that shows the embedded circuit."""
    with served(folder) as at:
        yield at


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    page = Page(tmp_path_factory.mktemp("profile"))
    yield page
    page.close()


@pytest.fixture
def opened(page: Page, address: str) -> Page:
    page.open(address, 1400)
    page.wait_for(SUMMARY)
    page.wait_for("document.querySelectorAll('#curve canvas').length")
    return page


def numbers(page: Page) -> list[float]:
    return [float(number) for number in re.findall(r"\d+\.?\d*", page.evaluate(SUMMARY))]


@pytest.mark.parametrize("width", [1400, 800])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_opens_clean_offline_and_as_wide_as_the_window(
    page: Page, address: str, width: int, dark: bool
) -> None:
    page.open(address, width, dark)
    page.wait_for("document.querySelectorAll('#curve canvas').length")
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith((address, "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.wait_for(f"document.body.classList.contains('body--dark') === {str(dark).lower()}")


def test_a_slider_moves_the_curve_and_the_numbers(opened: Page) -> None:
    before, fired = opened.evaluate(SUMMARY), numbers(opened)[0]
    picture = opened.evaluate("document.querySelector('#curve canvas').toDataURL()")
    opened.drag("#dial-tau", [0.5, 0.55, 0.6])
    opened.wait_for(f"{SUMMARY} !== {before!r}")
    opened.wait_for(f"{SUMMARY}.includes('2000 draws')")  # it rests: as many as a sweep has
    assert opened.evaluate("document.querySelector('#text-tau').value").startswith("31.")
    assert numbers(opened)[0] > 1.3 * fired
    opened.wait_for(f"document.querySelector('#curve canvas').toDataURL() !== {picture!r}")


def test_a_circuit_is_saved_read_back_and_not_overwritten_unasked(opened: Page, folder: Path) -> None:
    before = opened.evaluate(SUMMARY)
    opened.enter("#text-tau", "30 ns")
    opened.wait_for(f"{SUMMARY} !== {before!r}")
    opened.enter("#file", "mine.toml")
    opened.press("#save")
    opened.wait_for("document.querySelector('#saved').innerText.includes('mine.toml')")
    saved = NeuronSpec.from_toml(folder / "mine.toml")
    assert (saved.name, saved.tau_s, saved.threshold_weight) == ("mine", 30e-9, pytest.approx(1.0))
    before = opened.evaluate(SUMMARY)
    opened.enter("#text-tau", "25 ns")
    opened.wait_for(f"{SUMMARY} !== {before!r}")
    opened.press("#save")
    opened.wait_for("document.querySelector('#overwrite')")
    opened.wait_for("document.querySelector('#no')")
    opened.evaluate("document.querySelector('#no').click()")  # a dialog moves while it opens
    opened.wait_for("!document.querySelector('#overwrite')")
    assert NeuronSpec.from_toml(folder / "mine.toml") == saved
    opened.press("#save")
    opened.wait_for("document.querySelector('#yes')")
    opened.evaluate("document.querySelector('#yes').click()")
    opened.wait_for("document.querySelector('#saved').innerText.includes('mine.toml')")
    assert NeuronSpec.from_toml(folder / "mine.toml").tau_s == 25e-9


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("tau", "2 s", "NeuronSpec.tau_s must be <= 1.0, got 2.0"),
        ("tau", "20 MHz", "tau must carry the unit s"),
        ("lead", "3.5 rad", "threshold.lead must be < 3.14159 rad"),
    ],
)
def test_an_error_is_one_line_and_the_picture_stays(opened: Page, field: str, text: str, message: str) -> None:
    before = opened.evaluate(SUMMARY)
    opened.enter(f"#text-{field}", text)
    shown = opened.wait_for("document.querySelector('#error').innerText")
    assert message in shown
    assert "\n" not in shown
    assert opened.evaluate(SUMMARY) == before


def test_another_host_name_is_refused(address: str) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", int(address.rstrip("/").rpartition(":")[2]))
    connection.request("GET", "/", headers={"Host": "attacker.example"})
    assert connection.getresponse().status == 400
    connection.close()


def test_a_taken_port_is_one_line(address: str, folder: Path) -> None:
    port = address.rstrip("/").rpartition(":")[2]
    command = [sys.executable, "-m", "neurocircuit", "explore", "--no-browser", "--port", port]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert re.fullmatch(rf"neurocircuit: --port must be free, got {port}: .*\n", result.stderr)


NETWORK_TAB = "[...document.querySelectorAll('.q-tab')].find(tab => /network/i.test(tab.innerText))"
ACCURACIES = "document.querySelector('#accuracies')?.innerText"


def test_the_network_tab_says_what_it_needs(opened: Page) -> None:
    opened.evaluate(f"{NETWORK_TAB}.click()")
    opened.wait_for("document.querySelector('#no-network')")
    assert "neurocircuit run" in opened.evaluate("document.querySelector('#no-network').innerText")


def test_the_network_tab_shows_accuracy_against_two_causes(page: Page, mapped: Path) -> None:
    """What it says is what Python says; what is drawn keeps its names when another cause is chosen."""
    from neurocircuit.explore.network import OnChips

    with served(mapped, ".") as address:
        page.open(address, 1400)
        page.wait_for(NETWORK_TAB)
        page.evaluate(f"{NETWORK_TAB}.click()")
        page.wait_for("document.querySelector('#compute')?.offsetWidth")
        page.press("#compute")
        page.wait_for(f"({ACCURACIES} ?? '').includes('points (')", patience_s=180)
        own = OnChips.open(mapped / "weights.pt", mapped / "table.nc")
        assert page.evaluate("document.querySelector('#network-summary').innerText") == own.sentence()
        assert interval(own.accuracy({}).interval, 1) in page.evaluate(ACCURACIES)
        assert "to go" in page.evaluate("document.querySelector('#state').innerText")
        assert page.evaluate("document.querySelectorAll('#accuracy canvas').length") == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 1400
        page.press("#second")
        page.wait_for("document.querySelector('.q-menu .q-item')")
        page.evaluate("[...document.querySelectorAll('.q-menu .q-item')].find(i => /dies/.test(i.innerText)).click()")
        page.wait_for(f"{ACCURACIES}.split('points (').length > 2", patience_s=180)
        assert "mismatch of neurons × 1" in page.evaluate(ACCURACIES)
        assert "mismatch of dies" not in page.evaluate(ACCURACIES)
        assert page.complaints() == []


def test_a_table_of_other_weights_is_one_line(page: Page, mapped: Path, tmp_path: Path) -> None:
    shutil.copy(mapped / "table.nc", tmp_path)
    (tmp_path / "weights.pt").write_bytes(b"none")
    with served(tmp_path, "--noise", "table.nc", "--weights", "weights.pt") as address:
        page.open(address, 800)
        page.wait_for(NETWORK_TAB)
        page.evaluate(f"{NETWORK_TAB}.click()")
        page.wait_for("document.querySelector('#compute')?.offsetWidth")
        page.press("#compute")
        message = page.wait_for("document.querySelector('#network-error').innerText")
        assert "weights.pt" in message
        assert "\n" not in message
