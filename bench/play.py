"""Serves a model and plays questions at it as traffic, until it has learned from them N times.

    python bench/play.py traffic.jsonl --config configs/math.toml --updates 300 --template boxed

Lines are {"id", "question" or "prompt"}; gold answers, if there are any, are not even read. The
server decides for itself what it samples, trains on and swaps in; this only asks, in shuffled
passes over the file, never faster than it samples, and not while it trains. An answer itself is not
wanted here, so each is cut after one token (the server's own samples are not).

After update N the version is pinned, so that nothing changes any more, and goes on being served for
bench/evaluate.py, until Ctrl-C. The same command goes on later from where it was; with another N
too. With --updates 0 it only serves.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import openai
from answers import Server, Settings, one_line
from evaluate import TEMPLATES, whole
from questions import Question, Template, read_questions

from empo_serve.cli.admin import AdminClient
from empo_serve.config import Config, load_config
from empo_serve.demo.screen import Screen
from empo_serve.demo.server import ServeProcess
from empo_serve.demo.watch import POLL_S, Counters, Watch
from empo_serve.errors import ConfigError, EmpoError
from empo_serve.types import BandDecision, UpdateState

MAX_FAILED = 3  # updates in a row; the next one would fail too


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 after N updates, 1 if there was less to learn or something broke, 2
    for bad input, 130 after Ctrl-C before that."""
    options = _parser().parse_args(arguments)
    try:
        traffic = read_questions(options.traffic, needs_gold=False)
        config = load_config(options.config, options.set)
        if 0 in (config.server.port, config.server.admin_port):
            raise ConfigError("server.port and server.admin_port must be given: 0 cannot be found")
        return asyncio.run(_serve(options, config, traffic))
    except EmpoError as e:
        print(f"play: {e}", file=sys.stderr)
        return 2 if isinstance(e, ConfigError) else 1
    except asyncio.CancelledError:
        return 130


async def _serve(options: argparse.Namespace, config: Config, traffic: list[Question]) -> int:
    log = Path(f"{config.server.data_dir}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    server = ServeProcess(config, options.set, log, options.config)
    ended: int | None = None
    this = asyncio.current_task()
    assert this is not None
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(interrupt, this.cancel)
    try:
        with Screen() as screen:
            with screen.bar("starting the server"):
                await server.start()
            player = Player(server, config, screen, TEMPLATES[options.template])
            ended = await _while_it_lives(server, player.play(traffic, options.updates))
            live = player.watch.live
            if options.exit:
                screen.say(f"{live} is live, in {config.server.data_dir}")
                return ended
            screen.say(f"{server.url}/v1 serves {live} until Ctrl-C; in another terminal:")
            screen.say(
                f"  python bench/evaluate.py FILE ... --base-url {server.url}/v1 "
                f"--version {live} --template {options.template} --out {live}.jsonl"
            )
            await server.ends()
    except asyncio.CancelledError:
        if ended is None:
            raise
    finally:
        await server.stop()
    return ended


async def _while_it_lives(server: ServeProcess, story: Coroutine[Any, Any, int]) -> int:
    """The story's end, or the server's, whichever comes first."""
    ends = asyncio.create_task(server.ends())
    playing = asyncio.create_task(story)
    try:
        await asyncio.wait([ends, playing], return_when=asyncio.FIRST_COMPLETED)
        if ends.done():
            ends.result()
        return await playing
    finally:
        for task in (ends, playing):
            task.cancel()
        await asyncio.gather(ends, playing, return_exceptions=True)


class Player:
    """Plays traffic at a server that is up. `watch` is what it saw last."""

    def __init__(
        self, server: ServeProcess, config: Config, screen: Screen, template: Template
    ) -> None:
        self.watch = Watch(server.admin_url, self._on_change)
        self._server = server
        self._config = config
        self._screen = screen
        self._template = template
        self._counters = Counters()
        self._told: set[int] = set()
        self._num_asked = 0
        self._errors: list[str] = []

    async def play(self, traffic: Sequence[Question], updates: int) -> int:
        """Play until `updates` versions have come into service, and pin the last one.

        Returns 0, or 1 if there is nothing left to learn before that. Raises EmpoError when
        learning is off, paused or broken.
        """
        await self._look()
        self._on_change(self.watch)
        status = await self.watch.status()
        self._screen.server(status, self._server.url, self._server.log)
        if self.watch.num_swaps >= updates:
            return 0
        if not status["learning"]["enabled"]:
            raise EmpoError("the server does not learn: no model to train, or train.enabled is off")
        if status["pinned"]:
            await self._change(status["pinned"], "unpin")
        words = self._template
        settings = Settings(status["model"], None, words.system, words.suffix, 1, 0, 1.0)
        asker = Server(f"{self._server.url}/v1", "", settings, learn=True)
        rng = random.Random(0)
        try:
            while self.watch.num_swaps < updates:
                before = self._num_admitted
                await self._pass(rng.sample(traffic, len(traffic)), asker, updates)
                if self._num_admitted == before and self.watch.num_swaps < updates:
                    self._screen.say(f"Nothing to learn: {self._in_words()}.", "yellow")
                    return 1
        finally:
            await asker.close()
        await self._change(self.watch.live, "pin")
        return 0

    async def _pass(self, questions: list[Question], asker: Server, updates: int) -> None:
        """Ask every question once, and wait until all of them are sampled and trained on."""
        total = len(questions)
        while questions or self._counters.unsampled or self.watch.is_training:
            if self.watch.num_swaps >= updates:
                return
            if not self.watch.is_training:
                # As many as keep the sampler busy; what waits longer is of an old version.
                room = 2 * self._config.sampling.max_concurrent - self._counters.unsampled
                batch = [questions.pop() for _ in range(min(len(questions), max(0, room)))]
                await asyncio.gather(*(self._ask(asker, question) for question in batch))
            self._screen.traffic(total - len(questions), total, self._note(updates))
            await asyncio.sleep(POLL_S)
            await self._look()
            await self._check()

    async def _ask(self, asker: Server, question: Question) -> None:
        self._num_asked += 1
        try:
            await asker.ask(question, "greedy")
        except openai.OpenAIError as e:
            self._errors.append(one_line(e))
            if len(self._errors) == 1:
                self._screen.say(f"{question.id} failed: {self._errors[0]}", "red")

    async def _look(self) -> None:
        await self.watch.poll()
        self._counters = await self.watch.counters()

    async def _check(self) -> None:
        if (await self.watch.status())["learning"]["paused"]:
            raise EmpoError("learning is paused: `empo-serve status` says more")
        ended = [u for u in self.watch.updates.values() if u.state != UpdateState.TRAINING]
        last = ended[-MAX_FAILED:]
        if len(last) == MAX_FAILED and all(u.state == UpdateState.FAILED for u in last):
            raise EmpoError(f"the last {MAX_FAILED} updates failed: {last[-1].error}")

    async def _change(self, version: str, action: str) -> None:
        path = f"/admin/v1/adapters/{version}/{action}"
        await asyncio.to_thread(AdminClient(self._config).call, "POST", path)

    @property
    def _num_admitted(self) -> int:
        return self._counters.decisions.get(BandDecision.ADMITTED, 0)

    def _on_change(self, watch: Watch) -> None:
        for update in watch.updates.values():
            if update.state != UpdateState.TRAINING and update.update_id not in self._told:
                self._told.add(update.update_id)
                self._screen.update(update)

    def _note(self, updates: int) -> str:
        doing = "training" if self.watch.is_training else self._in_words()
        return (
            f"{self.watch.live} live, {updates} wanted · {self._num_asked} asked, "
            f"{len(self._errors)} failed · {doing}"
        )

    def _in_words(self) -> str:
        decisions = self._counters.decisions.items()
        return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in decisions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("traffic", type=Path, metavar="FILE", help="JSON lines of questions")
    add(
        "--config",
        type=Path,
        required=True,
        metavar="FILE",
        help="what is served, and how it learns",
    )
    add("--updates", type=whole, required=True, metavar="N", help="versions after v0 to reach")
    add(
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        help="override one value of the configuration; may be given again",
    )
    add(
        "--template",
        choices=sorted(TEMPLATES),
        default="plain",
        help="plain: the question alone. boxed: with the system prompt for boxed answers",
    )
    add("--exit", action="store_true", help="stop the server after update N")
    return parser


if __name__ == "__main__":
    sys.exit(main())
