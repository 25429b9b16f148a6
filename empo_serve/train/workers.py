"""The processes that share a job: one, unless a launcher started several.

`torchrun --nproc-per-node 2 -m empo_serve train JOB`, or `accelerate launch`, runs the same code in
each process. Every one has the whole model and takes its share of the
micro-batches; gradients are added up, so each process makes the same step, and the first one
writes. Micro-batches are already divided by what the whole batch has, so their gradients add up to
its gradient: a sum, not a mean.

`accelerate` is imported only where there are several processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch

T = TypeVar("T")


class Workers:
    """This process among those that share the job."""

    def __init__(self, device: str) -> None:
        """`device` is train.device: "auto", "cpu" or "cuda". Joins the others, if there are any."""
        self._state: Any = None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import PartialState

            self._state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available())

    @property
    def count(self) -> int:
        return self._state.num_processes if self._state else 1

    @property
    def index(self) -> int:
        return self._state.process_index if self._state else 0

    @property
    def is_first(self) -> bool:
        return self.index == 0

    @property
    def on_this_machine(self) -> int:
        return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if self._state else 1

    @property
    def device(self) -> torch.device | None:
        """The device that the launcher gave this process, None without a launcher."""
        return self._state.device if self._state else None

    def share(self, items: Sequence[T]) -> Iterator[tuple[int, T]]:
        """The items that this process works on, with their numbers, from 1."""
        for i in range(self.index, len(items), self.count):
            yield i + 1, items[i]

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Give every process the sum of all processes' gradients."""
        if not self._state:
            return
        from accelerate.utils import reduce

        trained = [p for p in parameters if p.requires_grad]
        flat = torch.cat([(p.grad if p.grad is not None else p * 0).flatten() for p in trained])
        flat = reduce(flat.detach(), reduction="sum")
        for p, grad in zip(trained, flat.split([p.numel() for p in trained]), strict=True):
            p.grad = grad.view_as(p)

    def gather(self, items: list[T]) -> list[T]:
        """The items of all processes, in order of the processes."""
        if not self._state:
            return items
        from accelerate.utils import gather_object

        gathered: list[T] = gather_object(items)
        return gathered

    def leave(self) -> None:
        """Wait for the others, and part."""
        if self._state:
            self._state.wait_for_everyone()
            self._state.destroy_process_group()
