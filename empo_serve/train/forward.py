"""Log-probabilities of completions, each prompt computed once for all of its samples.

A row holds a prompt and several completions one after the other. In the packed form every
completion sees the prompt and itself, and its positions go on from the prompt's end, so the
numbers are those of separate sequences while the prompt is paid for once. That needs a model
that takes an attention mask of our own (`can_pack`); for any other model the plain form has one
completion per row, padded on the right.

Logits are made for completion tokens only, and where the head allows it never all at once
(`train/head.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from empo_serve.train.head import plain_head, token_logps

# Decoders whose attention is decided by the mask and the positions alone. A model with sliding
# windows, recurrent state or attention sinks would give other numbers without a word.
_PACKABLE = frozenset({"llama", "mistral", "qwen2", "qwen3", "smollm3"})

# A micro-batch of a CPU: more keep the matrix units no busier, and take more memory.
_CPU_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Completion:
    """Sample `index` of the job: its prompt and its own token ids, at least one of each."""

    index: int
    prompt: tuple[int, ...]
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Completions of one prompt."""

    prompt: tuple[int, ...]
    completions: tuple[Completion, ...]

    @property
    def num_tokens(self) -> int:
        return len(self.prompt) + sum(len(c.token_ids) for c in self.completions)


def can_pack(config: Any) -> bool:
    """May rows with several completions be used with a model of this transformers config?"""
    layer_types = config.to_dict().get("layer_types") or []
    return (
        config.model_type in _PACKABLE
        and config.to_dict().get("sliding_window") is None
        and all(kind == "full_attention" for kind in layer_types)
    )


def packed_rows(groups: Sequence[Sequence[Completion]], max_tokens: int) -> list[Row]:
    """One row per group, more where one would have more than `max_tokens` tokens."""
    rows: list[Row] = []
    for group in groups:
        open_row: list[Completion] = []
        for completion in group:
            grown = Row(completion.prompt, (*open_row, completion))
            if open_row and grown.num_tokens > max_tokens:
                rows.append(Row(completion.prompt, tuple(open_row)))
                open_row = []
            open_row.append(completion)
        if open_row:
            rows.append(Row(open_row[0].prompt, tuple(open_row)))
    return rows


def plain_rows(groups: Sequence[Sequence[Completion]]) -> list[Row]:
    """One row per completion."""
    return [Row(c.prompt, (c,)) for group in groups for c in group]


def micro_batches(rows: Sequence[Row], max_tokens: int) -> list[list[Row]]:
    """Rows alike in length together; the limit counts padding.

    No micro-batch has more than `max_tokens` tokens, unless one row alone has.
    """
    batches: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: row.num_tokens, reverse=True):
        # The first row of a batch is its longest, so it gives the padded length.
        if not batches or (len(batches[-1]) + 1) * batches[-1][0].num_tokens > max_tokens:
            batches.append([])
        batches[-1].append(row)
    return batches


class Policy:
    """A causal model with an adapter, asked for the log-probabilities of completions."""

    def __init__(self, model: Any, packed: bool | None = None) -> None:
        """`model` is a PEFT model; `packed` says which form of rows, None: whichever it allows."""
        self.model = model
        self._base = model.get_base_model()
        self.is_packed = can_pack(self._base.config) if packed is None else packed
        self._head = plain_head(self._base)

    def batches(self, groups: Sequence[Sequence[Completion]], max_tokens: int) -> list[list[Row]]:
        """Micro-batches in the form that this model takes."""
        rows = packed_rows(groups, max_tokens) if self.is_packed else plain_rows(groups)
        if self.model.device.type == "cpu":
            max_tokens = min(max_tokens, _CPU_TOKENS)
        return micro_batches(rows, max_tokens)

    def logps(self, rows: Sequence[Row], temperature: float) -> tuple[list[Tensor], Tensor]:
        """Log-probability of each token of each completion, in order of the rows, and the entropy
        of the distribution that each of these tokens is of, flat and without a gradient.

        One tensor per completion; float32, nats, of the distribution softmax(logits / temperature).
        """
        batch = (_packed if self.is_packed else _padded)(rows, self.model.device, self.model.dtype)
        targets = torch.tensor(batch.targets, device=self.model.device)
        if self._head is not None:
            decoded = self._base.get_decoder()(**batch.inputs, use_cache=False)
            hidden = decoded.last_hidden_state.flatten(0, 1)[batch.keep]
            logps, entropies = token_logps(hidden, self._head, targets, temperature)
        else:
            row_length = batch.inputs["input_ids"].shape[1]
            columns, column = torch.unique(batch.keep % row_length, return_inverse=True)
            logits = self._base(**batch.inputs, logits_to_keep=columns, use_cache=False).logits
            wanted = logits[batch.keep // row_length, column]
            table = (wanted.float() / temperature).log_softmax(-1)
            logps = -F.nll_loss(table, targets, reduction="none")
            entropies = -(table.detach().exp() * table.detach()).sum(-1)
        return list(logps.split(batch.lengths)), entropies


@dataclass(frozen=True, slots=True)
class _Batch:
    """What goes into the model, and which of its positions predict the tokens asked for."""

    inputs: dict[str, Tensor]
    keep: Tensor  # indices into the flattened positions, one for each target
    targets: list[int]
    lengths: list[int]  # of the completions, in order of the rows


def _packed(rows: Sequence[Row], device: torch.device, dtype: torch.dtype) -> _Batch:
    longest = max(row.num_tokens for row in rows)
    input_ids: list[list[int]] = []
    position_ids: list[list[int]] = []
    segments: list[list[int]] = []  # of each row: 0 the prompt, 1.. the completions, -1 padding
    keep: list[int] = []  # where the next token is a completion's
    for r, row in enumerate(rows):
        ids = list(row.prompt)
        positions = list(range(len(ids)))
        segment = [0] * len(ids)
        for number, completion in enumerate(row.completions, start=1):
            start, n = r * longest + len(ids), len(completion.token_ids)
            keep += [r * longest + len(row.prompt) - 1, *range(start, start + n - 1)]
            ids += completion.token_ids
            positions += range(len(row.prompt), len(row.prompt) + n)
            segment += [number] * n
        padding = longest - len(ids)
        input_ids.append(ids + [0] * padding)
        position_ids.append(positions + [0] * padding)
        segments.append(segment + [-1] * padding)

    segments_rt = torch.tensor(segments, device=device)
    query, key = segments_rt[:, :, None], segments_rt[:, None, :]
    order = torch.arange(longest, device=device)
    visible = ((key == 0) & (query >= 0) | (query == key)) & (order[:, None] >= order)
    mask = torch.zeros(visible.shape, dtype=dtype, device=device)
    mask.masked_fill_(~visible, torch.finfo(dtype).min)
    inputs = {
        "input_ids": torch.tensor(input_ids, device=device),
        "position_ids": torch.tensor(position_ids, device=device),
        "attention_mask": mask[:, None],
    }
    completions = [c for row in rows for c in row.completions]
    return _Batch(
        inputs,
        torch.tensor(keep, device=device),
        [token for c in completions for token in c.token_ids],
        [len(c.token_ids) for c in completions],
    )


def _padded(rows: Sequence[Row], device: torch.device, dtype: torch.dtype) -> _Batch:
    """Rows with one completion each, as an ordinary padded batch."""
    sequences = [row.prompt + row.completions[0].token_ids for row in rows]
    longest = max(len(s) for s in sequences)
    inputs = {
        "input_ids": torch.tensor([s + (0,) * (longest - len(s)) for s in sequences]),
        "attention_mask": torch.tensor(
            [[1] * len(s) + [0] * (longest - len(s)) for s in sequences]
        ),
    }
    keep: list[int] = []
    for r, row in enumerate(rows):
        first = r * longest + len(row.prompt) - 1
        keep += range(first, first + len(row.completions[0].token_ids))
    return _Batch(
        {name: tensor.to(device) for name, tensor in inputs.items()},
        torch.tensor(keep, device=device),
        [token for row in rows for token in row.completions[0].token_ids],
        [len(row.completions[0].token_ids) for row in rows],
    )
