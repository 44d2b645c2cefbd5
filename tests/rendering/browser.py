"""Headless Chromium over its debugging pipe (NUL-separated JSON on file descriptors 3 and 4); no package needed."""

import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
]
_PATIENCE_S = 60.0


class Page:
    """One tab: open a file at a size, evaluate expressions, collect what the browser complains about or requests."""

    def __init__(self, profile: Path) -> None:
        their_in, self._out = os.pipe()
        self._in, their_out = os.pipe()
        command = [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", f'exec "$@" 3<&{their_in} 4>&{their_out}', "bash", *command],
            pass_fds=(their_in, their_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(their_in)
        os.close(their_out)
        self._buffer, self._last, self._session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, page: Path | str, width: int, dark: bool = False) -> None:
        """Load the file or the address at this width, as a phone when it is narrow."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.events.clear()
        self._call("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        self._wait(lambda: any(event["method"] == "Page.loadEventFired" for event in self.events))

    def evaluate(self, expression: str) -> Any:
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str, patience_s: float = _PATIENCE_S) -> Any:
        """Return the value of an expression as soon as it is true; of an element True."""
        end = time.monotonic() + patience_s
        while not (value := self.evaluate(f"(value => value instanceof Node ? true : value)({expression})")):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.02)
        return value

    def press(self, selector: str, share: float = 0.5) -> None:
        """Press and release the mouse on the element, at a share of its width, once it stands still."""
        end = time.monotonic() + _PATIENCE_S
        before = None
        while (at := self._place(selector, share)) != before:
            assert time.monotonic() < end, f"never still: {selector}"
            before = at
            time.sleep(0.1)
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def drag(self, selector: str, shares: list[float]) -> None:
        """Hold the mouse on the element and move it along the shares of its width."""
        self._call(
            "Input.dispatchMouseEvent",
            type="mousePressed",
            button="left",
            clickCount=1,
            **self._place(selector, shares[0]),
        )
        for share in shares[1:]:
            self._call("Input.dispatchMouseEvent", type="mouseMoved", button="left", **self._place(selector, share))
        self._call(
            "Input.dispatchMouseEvent",
            type="mouseReleased",
            button="left",
            clickCount=1,
            **self._place(selector, shares[-1]),
        )

    def enter(self, selector: str, text: str) -> None:
        """Replace the text of an input and press Enter."""
        self.evaluate(f"document.querySelector({selector!r}).focus(); document.querySelector({selector!r}).select()")
        self._call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self._call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
            )

    def _place(self, selector: str, share: float) -> dict[str, float]:
        where = f"document.querySelector({selector!r})"
        self.evaluate(f"{where}.scrollIntoView({{block: 'nearest'}})")
        x, y, width, height = self.evaluate(f"(r => [r.x, r.y, r.width, r.height])({where}.getBoundingClientRect())")
        return {"x": x + share * width, "y": y + height / 2}

    def screenshot(self) -> bytes:
        import base64

        return base64.b64decode(self._call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def complaints(self) -> list[dict[str, Any]]:
        """Console output, exceptions and log entries since `open`."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event for event in self.events if event["method"] in kinds]

    def requests(self) -> list[str]:
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def _call(self, method: str, **params: Any) -> Any:
        self._last += 1
        number, answers = self._last, []
        message = {"id": number, "method": method, "params": params}
        os.write(
            self._out, json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0"
        )

        def answered() -> bool:
            answers.extend(event for event in self.events if event.get("id") == number)
            return bool(answers)

        self._wait(answered)
        self.events.remove(answers[0])
        assert "result" in answers[0], answers[0]
        return answers[0]["result"]

    def _wait(self, ready: Any) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not ready():
            left = end - time.monotonic()
            readable, _, _ = select.select([self._in], [], [], max(left, 0))
            assert readable, "the browser did not answer"
            part = os.read(self._in, 1 << 20)
            assert part, "the browser ended"
            *messages, self._buffer = (self._buffer + part).split(b"\0")
            # A message's method is absent in an answer; "" keeps the look-ups above simple.
            self.events += [{"method": "", **json.loads(message)} for message in messages]
