"""The story of the demo on one page: serve, measure v0, play traffic, measure each new version."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from empo_serve.demo.client import Client
from empo_serve.demo.html import write_html
from empo_serve.demo.measure import measure
from empo_serve.demo.player import Player
from empo_serve.demo.report import VersionResult, build_report, samples_in_words, write_json
from empo_serve.demo.screen import Screen
from empo_serve.demo.server import ServeProcess, settle
from empo_serve.demo.traffic import Split, load_traffic, split_by_hash, stratified
from empo_serve.demo.watch import POLL_S, Counters, Watch
from empo_serve.errors import ConfigError, EmpoError, StartupError
from empo_serve.types import UpdateState

BUNDLED_TRAFFIC = Path(__file__).parent.parent / "demo_data" / "traffic.jsonl"
# Prompts per version that are measured: what fits into the time. The held-out half is the claim.
MAX_MEASURED = {"heldout": 40, "traffic": 16}
IDLE_S = 120.0  # full traffic for so long and no update: there is nothing left to learn from
REPORT_S = 10.0  # kept for the end


def run_demo(
    traffic: Path | None, report_dir: Path, updates: int, minutes: float, overrides: Sequence[str]
) -> int:
    """See `empo_serve.demo.main`."""
    if updates < 0 or minutes <= 0:
        raise ConfigError("--updates must not be negative, and --minutes must be positive")
    split = split_by_hash(load_traffic(traffic or BUNDLED_TRAFFIC))
    report_dir.mkdir(parents=True, exist_ok=True)
    config, settings = settle(report_dir, overrides)
    server = ServeProcess(config, settings, report_dir / "server.log")
    client = Client(server.url, config.sampling.max_tokens, config.sampling.num_generations)
    with Screen() as screen:
        demo = Demo(server, client, screen, split, updates, minutes)
        return asyncio.run(demo.run(report_dir))


class Demo:
    def __init__(
        self,
        server: ServeProcess,
        client: Client,
        screen: Screen,
        split: Split,
        updates: int,
        minutes: float,
    ) -> None:
        self._server = server
        self._client = client
        self._screen = screen
        # The same prompts for every version, or their numbers could not be compared.
        self._halves = {
            "heldout": stratified(split.heldout, MAX_MEASURED["heldout"]),
            "traffic": stratified(split.traffic, MAX_MEASURED["traffic"]),
        }
        self._updates = updates
        self._started = time.monotonic()
        self._deadline = self._started + 60 * minutes
        self._watch = Watch(server.admin_url, self._on_change)
        self._player = Player(client, split.traffic)
        self._results: dict[str, VersionResult] = {}
        self._measure_seconds = 0.0
        self._counters = Counters()
        self._told_updates: set[int] = set()

    async def run(self, report_dir: Path) -> int:
        """Tell the story, stop the server whatever happens, write what there is."""
        story = asyncio.create_task(self._story())
        loop = asyncio.get_running_loop()
        for interrupt in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(interrupt, story.cancel)
        completed, ended, error = False, "interrupted", None
        try:
            ended = await story
            completed = True
        except asyncio.CancelledError:
            self._screen.say("Interrupted: stopping the server.", style="yellow")
        except EmpoError as e:
            ended, error = str(e).splitlines()[0], e
        finally:
            await self._server.stop()
            await self._client.close()
        if self._results:
            self._report(report_dir, completed, ended)
        if error is not None:
            raise error
        return 0 if completed and self._client.tally.failed == 0 else 1

    async def _story(self) -> str:
        """Returns why it ended, in words."""
        with self._screen.bar("starting the server (a minute or two)"):
            await self._server.start()
        await self._client.open()
        await self._watch.poll()
        status = await self._watch.status()
        self._screen.server(status, self._server.url, self._server.log)
        if not status["learning"]["enabled"]:
            raise StartupError(
                "the server does not learn: no model to train, or train.enabled is off"
            )
        return await _beside(
            self._measure_and_play(),
            server_ends=self._server.ends(),
            others=[self._watch.run(), self._player.run()],
        )

    async def _measure_and_play(self) -> str:
        with self._screen.bar("waiting for the first answer"):
            # The engine compiles what it needs on the way; v0 should not be measured meanwhile.
            await self._client.ask(self._halves["traffic"][0], stream=False, learn=False)
        await self._measure("v0")
        while self._watch.num_swaps < self._updates:
            why_not = await self._play_until_new_version()
            if why_not is not None:
                return why_not
            # If two appeared during a measurement, the newest: it is the one that users meet.
            await self._measure(self._watch.live)
        await self._watch.poll()
        return f"{self._updates} new versions are live"

    async def _play_until_new_version(self) -> str | None:
        """Full traffic while the server collects, the regulars alone while it trains.

        Two cores cannot do both well, and what is sampled during an update is already old after
        it. Returns None when a version is live that was not measured, else why there is none.
        """
        idle_since = time.monotonic()
        try:
            while self._watch.live in self._results:
                now = time.monotonic()
                if now > self._deadline - 1.2 * self._measure_seconds - REPORT_S:
                    return "the time is up"
                if self._watch.is_training:
                    self._player.close()
                    idle_since = now
                elif now - idle_since > IDLE_S:
                    return f"no update for {IDLE_S:.0f} s: {self._watch.learning.summary}"
                else:
                    self._player.open()
                self._show_traffic()
                await asyncio.sleep(POLL_S)
            return None
        finally:
            self._player.close()

    async def _measure(self, version: str) -> None:
        started = time.monotonic()
        total = sum(len(prompts) for prompts in self._halves.values())
        with self._screen.bar(f"measuring {version}", total) as task:
            halves = {
                half: await measure(
                    self._client, version, prompts, lambda: self._screen.advance(task)
                )
                for half, prompts in self._halves.items()
            }
        for half, measured in halves.items():
            if not measured:
                raise EmpoError(
                    f"no {half} question was answered by {version}: {self._client.tally.errors[0]}"
                )
        self._results[version] = VersionResult(version, halves)
        self._counters = await self._watch.counters()
        self._measure_seconds = time.monotonic() - started
        numbers = {
            half: sum(m.sampled_accuracy for m in measured.values()) / len(measured)
            for half, measured in halves.items()
        }
        self._screen.say(
            f"{version}: sampled accuracy {numbers['heldout']:.2f} held out, "
            f"{numbers['traffic']:.2f} on the traffic ({self._measure_seconds:.0f} s)",
            style="bold",
        )

    def _on_change(self, watch: Watch) -> None:
        """A line for each update that ended and each swap."""
        for update in watch.updates.values():
            ended = update.state != UpdateState.TRAINING
            if ended and update.update_id not in self._told_updates:
                self._told_updates.add(update.update_id)
                self._screen.update(update)
        if watch.live != self._client.live:
            tally = self._client.tally
            self._screen.say(
                f"swap: {self._client.live} → {watch.live} "
                f"({tally.total} requests so far, {tally.failed} failed)",
                style="green",
            )
            self._client.live = watch.live

    def _show_traffic(self) -> None:
        tally, player = self._client.tally, self._player
        pending = self._watch.learning.pending_groups
        wanted = self._server.config.train.groups_per_update
        doing = "training" if self._watch.is_training else f"{pending}/{wanted} groups to train on"
        self._screen.traffic(
            player.played_in_round,
            player.round_size,
            f"round {player.round} · {tally.total} requests · {tally.failed} failed · "
            f"{self._watch.live} live · {doing}",
        )

    def _report(self, report_dir: Path, completed: bool, ended: str) -> None:
        report = build_report(
            model=self._client.model,
            seconds=time.monotonic() - self._started,
            tally=self._client.tally,
            swaps=self._watch.num_swaps,
            results=list(self._results.values()),
            adapters=self._watch.adapters,
            updates=list(self._watch.updates.values()),
            counters=self._counters,
            completed=completed,
            ended=ended,
            learning=self._watch.learning.summary,
        )
        write_json(report, report_dir / "report.json")
        write_html(report, report_dir / "report.html")
        self._screen.versions(report)
        self._screen.say(f"Ended after {report['seconds']:.0f} s: {ended}.")
        for error in report["requests"]["errors"]:
            self._screen.say(f"failed: {error}", style="red")
        self._screen.say(samples_in_words(report["samples"]))
        self._screen.say(report["conclusion"], style="bold")
        self._screen.say(f"Report: {report_dir / 'report.html'}")


async def _beside(
    story: Coroutine[Any, Any, str],
    *,
    server_ends: Coroutine[Any, Any, None],
    others: Sequence[Coroutine[Any, Any, None]],
) -> str:
    """Run `story` with the others in the background, which end only by an error."""
    server = asyncio.create_task(server_ends)
    main = asyncio.create_task(story)
    tasks = [server, main, *(asyncio.create_task(other) for other in others)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if main not in done:
            # Whatever broke first: if the server has died, that is the reason.
            done, _ = await asyncio.wait([server], timeout=2.0)
        for task in done or tasks:
            if task.done():
                task.result()
        return main.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
