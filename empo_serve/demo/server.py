"""The server under the demo: `empo-serve serve` as a child process, as a user would start it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import aiohttp

from empo_serve.config import Config, load_config
from empo_serve.engine.process import ChildProcess, last_lines
from empo_serve.errors import ConfigError, StartupError

CONFIG_FILE = Path(__file__).parent.parent / "demo_data" / "demo.toml"
MARKER = ".empo-demo"
LAST_LINES = 15


class ServeProcess:
    """Starts, watches and stops one `empo-serve serve`. Its output goes to `log`.

    `empo_serve` is the command that takes `serve` and its options.
    """

    def __init__(
        self,
        config: Config,
        settings: Sequence[str],
        log: Path,
        config_file: Path = CONFIG_FILE,
        empo_serve: Sequence[str] = (sys.executable, "-m", "empo_serve"),
    ) -> None:
        self.config = config
        self._config_file = config_file
        self._empo_serve = empo_serve
        self.log = log
        self._settings = settings
        self._child: ChildProcess | None = None
        server = config.server
        self.url = f"http://{server.host}:{server.port}"
        self.admin_url = f"http://{server.admin_host}:{server.admin_port}"

    async def start(self) -> None:
        """Start it and wait until /health/ready says yes.

        Raises StartupError, with the last lines of the log, if it ends first.
        """
        command = [*self._empo_serve, "serve", "--config", str(self._config_file)]
        for setting in self._settings:
            command += ["--set", setting]
        self.log.unlink(missing_ok=True)
        # In a group of its own: Ctrl-C is for the demo, which then stops the server in good order.
        self._child = await ChildProcess.start(command, self.log)
        deadline = time.monotonic() + self.config.engine.startup_timeout_s + 60
        async with aiohttp.ClientSession() as session:
            while not await self._is_ready(session):
                if self._child.returncode is not None:
                    raise self._ended(self._child.returncode)
                if time.monotonic() > deadline:
                    raise StartupError(f"the server did not become ready; see {self.log}")
                await asyncio.sleep(0.25)

    async def ends(self) -> None:
        """Never returns: raises StartupError when the server ends by itself."""
        assert self._child is not None, "start() comes first"
        raise self._ended(await self._child.wait())

    async def stop(self) -> None:
        """Ask it to end; kill it if it has not done so well after its own time limit."""
        if self._child is not None:
            await self._child.stop(self.config.server.shutdown_timeout_s + 30)

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/health/ready") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False  # its ports are not open yet

    def _ended(self, returncode: int) -> StartupError:
        lines = last_lines(self.log, LAST_LINES).splitlines()
        last = "".join(f"\n  | {line}" for line in lines)
        return StartupError(f"the server ended with exit code {returncode}; see {self.log}{last}")


def settle(report_dir: Path, overrides: Sequence[str]) -> tuple[Config, list[str]]:
    """What the server will be started with: the resolved configuration and its --set settings.

    Ports are free ones, chosen here, because a client cannot see what port 0 became. Clears the
    data directory of an earlier demo, so that every run starts from v0.
    """
    data_dir = report_dir / "data"
    port, admin_port = _free_ports(2)
    settings = [
        f"server.port={port}",
        f"server.admin_port={admin_port}",
        f"server.data_dir={data_dir}",
        *overrides,
    ]
    config = load_config(CONFIG_FILE, settings)
    if config.server.data_dir == data_dir:
        _clear_data_dir(data_dir)
    return config, settings


def _clear_data_dir(data_dir: Path) -> None:
    if data_dir.exists():
        if not (data_dir.parent / MARKER).exists():
            raise ConfigError(
                f"{data_dir} exists and is not from a demo: give another --report-dir"
            )
        shutil.rmtree(data_dir)
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    # Beside the directory, not in it: what is inside belongs to the server.
    (data_dir.parent / MARKER).write_text("data/ beside this file is cleared by the next demo.\n")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        # All open at once, so that no two are the same.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
