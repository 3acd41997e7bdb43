"""Chromium without a window, driven as a person drives it: by keys, through its own debugging pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
KEYS = {
    "Tab": ("Tab", 9, ""), "Enter": ("Enter", 13, "\r"), " ": ("Space", 32, " "), "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowLeft": ("ArrowLeft", 37, ""), "Backspace": ("Backspace", 8, ""),
}  # fmt: skip
"""Code, number and text of keys that are no letters."""


class Browser:
    """One page of a browser.

    Attributes:
        events: What the browser said by itself: requests, console messages, errors.
    """

    def __init__(self, to: int, answers: int) -> None:
        self._to, self._answers, self._buffer, self._number = to, answers, b"", 0
        self.events: list[dict[str, Any]] = []
        self._session = ""
        (target,) = (each for each in self.call("Target.getTargets")["targetInfos"] if each["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._answers, 1 << 16)
            assert part, "the browser has ended"
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(line))

    def wait(self, method: str) -> dict[str, Any]:
        """The next event of a kind."""
        while True:
            for event in self.events:
                if event["method"] == method:
                    self.events.remove(event)
                    return dict(event["params"])
            self.events.append(self._read())

    def open(self, page: Path) -> None:
        self.call("Page.navigate", url=page.as_uri())
        self.wait("Page.loadEventFired")

    def value(self, expression: str) -> Any:
        """Of JavaScript in the page, which its content policy does not govern."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def press(self, *keys: str) -> None:
        """Keys, one after the other."""
        for key in keys:
            code, number, text = KEYS[key] if key in KEYS else ("", ord(key.upper()), key)
            common = {"key": key, "code": code, "windowsVirtualKeyCode": number}
            self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
            self.call("Input.dispatchKeyEvent", type="keyUp", **common)


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser whose downloads go into ``folder``, with a screen as wide as a phone's."""
    options = [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
        "--window-size=400,800", f"--user-data-dir={folder / 'profile'}", "about:blank",
    ]  # fmt: skip
    (ours_in, theirs_out), (theirs_in, ours_out) = os.pipe(), os.pipe()
    # Chromium reads descriptor 3 and writes to 4.
    command = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", str(CHROMIUM), *options]
    with subprocess.Popen(
        command, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        for end in (theirs_in, theirs_out):
            os.close(end)
        try:
            browser = Browser(ours_out, ours_in)
            browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder), eventsEnabled=True)
            yield browser
        finally:
            process.kill()
            for end in (ours_in, ours_out):
                os.close(end)
