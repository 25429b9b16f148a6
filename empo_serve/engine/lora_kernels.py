"""LoRA on a CPU in a few plain matrix products per layer; torch only, vLLM calls it.

vLLM's own CPU kernels copy the adapter's matrices once per token. Here the rows of a step are
grouped by adapter once, and each layer then does two products per adapter. What an adapter adds
to its rows depends on those rows alone; all other rows are not touched, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Up to here a product costs less than setting up torch's bfloat16 kernel for it, and float32 has
# less to set up: 12 us instead of 50 us for one row. For many rows bfloat16 is two to three times
# as fast as float32.
FEW_ROWS = 32


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one step that belong to the adapter in one slot."""

    slot: int
    rows: slice | Tensor
    """A slice where the rows are neighbours, so that nothing has to be gathered."""


def group_rows(slots: Tensor) -> tuple[Group, ...]:
    """Group the rows of a step by adapter slot; rows of slot -1 have no adapter and no group."""
    groups = []
    for slot in torch.unique(slots).tolist():
        if slot < 0:
            continue
        rows = (slots == slot).nonzero().flatten()
        first, last = int(rows[0]), int(rows[-1])
        are_neighbours = last - first + 1 == len(rows)
        groups.append(Group(slot, slice(first, last + 1) if are_neighbours else rows))
    return tuple(groups)


class LayerAdapters:
    """All adapters of one layer, each as one pair of matrices, made when first used.

    `a_stacked` and `b_stacked` are vLLM's slots, one tensor per slice of a merged layer (query,
    key, value): [slots, 1, rank, in] and [slots, 1, out, rank]. An embedding has no matrix A here.
    vLLM writes into them when it puts another adapter into a slot; the tensors' own version
    counters tell.
    """

    def __init__(self, a_stacked: Sequence[Tensor] | None, b_stacked: Sequence[Tensor]) -> None:
        self._a_stacked = a_stacked
        self._b_stacked = b_stacked
        self._tensors = [*(a_stacked or ()), *b_stacked]
        self._version = -1
        self._fused: dict[int, tuple[Tensor, Tensor] | None] = {}

    def slot(self, index: int) -> tuple[Tensor, Tensor] | None:
        """Matrices A [in, rank] and B [rank, out] of a slot; None when their product is zero."""
        version = sum(tensor._version for tensor in self._tensors)
        if version != self._version:
            self._fused.clear()
            self._version = version
        if index not in self._fused:
            self._fused[index] = self._fuse(index)
        return self._fused[index]

    def _fuse(self, index: int) -> tuple[Tensor, Tensor] | None:
        """One A above the other, and the Bs as blocks on a diagonal.

        A rank whose row of A or column of B is zero adds nothing and is left out: the padding up
        to the engine's largest rank, a slice that the adapter does not cover, version v0.
        """
        parts = []
        width = sum(b.size(2) for b in self._b_stacked)
        offset = 0
        for i, b_slots in enumerate(self._b_stacked):
            b = b_slots[index, 0]
            used = b.any(dim=0)
            if self._a_stacked is None:
                a = torch.eye(b.size(1), dtype=b.dtype)
            else:
                a = self._a_stacked[i][index, 0]
                used &= a.any(dim=1)
            block = torch.zeros(int(used.sum()), width, dtype=torch.float32)
            block[:, offset : offset + b.size(0)] = b[:, used].t()
            parts.append((a[used].float(), block))
            offset += b.size(0)
        a_all = torch.cat([a for a, _ in parts])
        if not len(a_all):
            return None
        return a_all.t(), torch.cat([b for _, b in parts])


def add_adapters(y: Tensor, x: Tensor, layer: LayerAdapters, groups: Sequence[Group]) -> None:
    """y += x A B for the rows of each group, in place."""
    for group in groups:
        matrices = layer.slot(group.slot)
        if matrices is None:
            continue
        a, b = matrices
        # The engine may pad the vocabulary of the output layer.
        width = min(y.size(1), b.size(1))
        b, target = b[:, :width], y[:, :width]
        if isinstance(group.rows, slice):
            _add_product(target[group.rows], x[group.rows], a, b)
        else:
            own = target.index_select(0, group.rows)
            _add_product(own, x.index_select(0, group.rows), a, b)
            target.index_copy_(0, group.rows, own)


def _add_product(y: Tensor, x: Tensor, a: Tensor, b: Tensor) -> None:
    if len(x) <= FEW_ROWS or y.dtype != x.dtype:
        y.add_(torch.mm(torch.mm(x.float(), a), b))
    else:
        y.addmm_(torch.mm(x, a.to(x.dtype)), b.to(x.dtype))
