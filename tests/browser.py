"""A headless Chromium that a test drives: pages are opened, keys pressed, the pointer moved."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SIZE = (1000, 480)  # px of the window
PATIENCE = 60  # s
CODES = {"+": "Equal", ",": "Comma", ".": "Period", "-": "Minus"}
START = (
    "exec {program} --headless=new --no-sandbox --disable-gpu-sandbox --remote-debugging-pipe {more} "
    "--user-data-dir={folder} --window-size={size} about:blank 3<&{commands} 4>&{answers}"
)
WEBGL = "--use-angle=swiftshader --enable-unsafe-swiftshader"


def chromium() -> str | None:
    """The program, or None where there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """One tab; `webgl` False is a browser without WebGL. Speaks DevTools' protocol through two pipes."""

    def __init__(self, webgl: bool = True) -> None:
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        (commands, self.to), (self.answers, answers) = os.pipe(), os.pipe()
        words = START.format(
            program=chromium(),
            more=WEBGL if webgl else "--disable-gpu --disable-3d-apis",
            folder=self.folder.name,
            size=",".join(map(str, SIZE)),
            commands=commands,
            answers=answers,
        )
        self.process = subprocess.Popen(
            ["bash", "-c", words], pass_fds=(commands, answers), stderr=subprocess.DEVNULL
        )
        os.close(commands)
        os.close(answers)
        self.number, self.session, self.buffer = 0, None, b""
        self.errors: list[str] = []  # of scripts
        self.loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Runtime.enable")
        size = {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_error: object) -> None:
        self.session = None
        self.call("Browser.close")
        self.process.wait(PATIENCE)
        self.folder.cleanup()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command; returns its result."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": params}
        command |= {"sessionId": self.session} if self.session else {}
        os.write(self.to, json.dumps(command).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            part = os.read(self.answers, 1 << 20)
            assert part, "the browser has ended"
            self.buffer += part
        text, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(text)
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(message["params"]["exceptionDetails"]))
        self.loaded |= message.get("method") == "Page.loadEventFired"
        return message

    def run(self, script: str) -> Any:
        """The value of an expression, or of what it promises."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, page: Path) -> None:
        """Open a page from the disk, and wait until its scripts have run."""
        self.loaded = False
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not self.loaded:  # what is asked before is lost with the page that was there
            self._read()

    def wait(self, condition: str) -> None:
        """Wait until an expression is true."""
        script = f"""new Promise((resolve) => {{
          const start = performance.now();
          const look = () => ({condition}) ? resolve(true)
            : performance.now() - start > {1000 * PATIENCE} ? resolve(false) : setTimeout(look, 10);
          look();
        }})"""
        assert self.run(script), f"in vain: {condition}"

    def settle(self) -> None:
        """Wait until nothing is read, and what is drawn can be seen."""
        self.wait("!document.querySelector('[aria-busy=true]')")
        self.run("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")

    def press(self, key: str, shift: bool = False) -> None:
        """Press a key, of the page or of the element that has the focus."""
        letter = f"Digit{key}" if key.isdigit() else f"Key{key.upper()}"
        code = CODES.get(key, key if len(key) > 1 else letter)
        event = {"key": key, "code": code, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="rawKeyDown", **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)
        self.settle()

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag the pointer between two places of the window."""
        for kind, place in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            self._mouse(kind, place)
        self.settle()

    def click(self, selector: str, shift: bool = False) -> None:
        """Click the middle of an element."""
        place = self.run(f"""(() => {{
          const element = document.querySelector({json.dumps(selector)});
          element.scrollIntoView({{ block: 'nearest' }});
          const box = element.getBoundingClientRect();
          return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self._mouse(kind, place, modifiers=8 if shift else 0)
        self.settle()

    def _mouse(self, kind: str, place: tuple[float, float], **more: Any) -> None:
        event = {"type": kind, "x": place[0], "y": place[1], "button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", **event, **more)

    def wheel(self, x: float, y: float, delta: float) -> None:
        """Turn the wheel at a place of the window."""
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=delta)
        self.settle()

    def move(self, x: float, y: float) -> None:
        """Move the pointer to a place of the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def screen(self) -> np.ndarray:
        """What the window shows, RGB (H, W, 3) uint8."""
        content = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
