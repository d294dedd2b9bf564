"""Firefox as Debian packages it, driven by the W3C's WebDriver BiDi protocol."""

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from waiting import blocking_until
from websockets.sync.client import ClientConnection, connect

PREFERENCES: Final = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.autoplay.default": 0,  # allowed
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,  # its microphone is a tone
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,  # its mDNS names need multicast
    "toolkit.telemetry.enabled": False,
}
ANNOUNCEMENT: Final = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
START_SECONDS: Final = 180
STOP_SECONDS: Final = 60


class BidiError(Exception):
    """The browser has refused a command, or a script has thrown."""


def executable() -> str | None:
    """The path in STYLETALK_FIREFOX, or an installed Firefox; None without one."""
    return os.environ.get("STYLETALK_FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")


class FirefoxPage:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.command("session.new", capabilities={})
        self._context: str = self.command("browsingContext.getTree")["contexts"][0]["context"]

    def command(self, method: str, **parameters: Any) -> Any:
        """Sends a command and returns its result.

        Raises:
            BidiError: it is refused.
        """
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=START_SECONDS))
            if message.get("id") == number:
                break
        if message["type"] == "error":
            raise BidiError(f"{method}: {message['error']}: {message['message']}")
        return message["result"]

    def goto(self, address: str) -> None:
        """Opens a page and waits until it has been loaded."""
        self.command("browsingContext.navigate", context=self._context, url=address, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, or of the promise that it is, as JSON.

        Raises:
            BidiError: it throws.
        """
        answer = self.command(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))",
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise BidiError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])


@contextmanager
def firefox(profile: Path) -> Iterator[FirefoxPage]:
    """A headless Firefox whose microphone is a tone.

    Args:
        profile: an empty folder; what the browser prints goes to a file in it.
    """
    program = executable()
    assert program is not None
    lines = (f'user_pref("{name}", {json.dumps(value)});' for name, value in PREFERENCES.items())
    (profile / "user.js").write_text("\n".join(lines))
    log = profile / "firefox.log"
    words = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)
    try:
        found = blocking_until(lambda: ANNOUNCEMENT.search(log.read_text(errors="replace")), START_SECONDS)
        with connect(f"{found[1]}/session", max_size=None) as socket:
            yield FirefoxPage(socket)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
