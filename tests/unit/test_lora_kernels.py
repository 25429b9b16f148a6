"""The grouped LoRA kernels against a plain reference, on mixed batches; torch only."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import Tensor  # noqa: E402

from empo_serve.engine.lora_kernels import (  # noqa: E402
    FEW_ROWS,
    LayerAdapters,
    add_adapters,
    group_rows,
)

SLOTS = 4
MAX_RANK = 8
INPUTS = 48


def stacked(
    outputs: list[int], ranks: list[int], dtype: torch.dtype, seed: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Slots as vLLM holds them: each adapter's own rank, zeros up to the largest."""
    random = torch.Generator().manual_seed(seed)
    a = [torch.zeros(SLOTS, 1, MAX_RANK, INPUTS, dtype=dtype) for _ in outputs]
    b = [torch.zeros(SLOTS, 1, size, MAX_RANK, dtype=dtype) for size in outputs]
    for i, size in enumerate(outputs):
        for slot, rank in enumerate(ranks):
            a[i][slot, 0, :rank] = torch.randn(rank, INPUTS, generator=random)
            b[i][slot, 0, :, :rank] = torch.randn(size, rank, generator=random)
    return a, b


def reference(
    y: Tensor, x: Tensor, slots: list[int], a: list[Tensor], b: list[Tensor], dtype: torch.dtype
) -> Tensor:
    """Row by row, slice by slice, in the given precision."""
    expected = y.to(dtype)
    for row, slot in enumerate(slots):
        offset = 0
        for a_slots, b_slots in zip(a, b, strict=True):
            if slot >= 0:
                inner = a_slots[slot, 0].to(dtype) @ x[row].to(dtype)
                size = b_slots.size(2)
                expected[row, offset : offset + size] += b_slots[slot, 0].to(dtype) @ inner
            offset += b_slots.size(2)
    return expected


def bits(tensor: Tensor) -> Tensor:
    return tensor.view(torch.int16 if tensor.dtype == torch.bfloat16 else torch.int32)


BATCHES = st.one_of(
    # Decoding: one row per request, in any order.
    st.lists(st.integers(-1, SLOTS - 1), min_size=1, max_size=70),
    # Prefill and decoding together: some requests have many rows, side by side.
    st.lists(
        st.tuples(st.integers(-1, SLOTS - 1), st.sampled_from([1, 1, 1, 7, 40])),
        min_size=1,
        max_size=8,
    ).map(lambda requests: [slot for slot, rows in requests for _ in range(rows)]),
)


@settings(max_examples=60, deadline=None)
@given(
    slots=BATCHES,
    outputs=st.sampled_from([[32], [32, 16, 16], [40, 40]]),
    ranks=st.lists(st.sampled_from([0, 1, 2, 5, 8]), min_size=SLOTS, max_size=SLOTS),
    dtype=st.sampled_from([torch.bfloat16, torch.float32]),
    seed=st.integers(0, 2**31),
)
def test_every_row_gets_its_own_adapter_and_rows_without_one_keep_every_bit(
    slots: list[int], outputs: list[int], ranks: list[int], dtype: torch.dtype, seed: int
) -> None:
    a, b = stacked(outputs, ranks, dtype, seed)
    random = torch.Generator().manual_seed(seed + 1)
    x = torch.randn(len(slots), INPUTS, generator=random).to(dtype)
    y = torch.randn(len(slots), sum(outputs), generator=random).to(dtype)
    y[:, 0] = -0.0  # adding zero would change its sign
    before = y.clone()
    layer = LayerAdapters(a, b)

    add_adapters(y, x, layer, group_rows(torch.tensor(slots)))

    exact = reference(before, x, slots, a, b, torch.float64)
    error = (y.double() - exact).abs().amax()
    # In bfloat16 the inner product and the sum are rounded to 8 bits each.
    assert error <= (0.02 if dtype == torch.bfloat16 else 1e-5) * (1 + exact.abs().amax())
    untouched = torch.tensor([s < 0 or ranks[s] == 0 for s in slots])
    assert torch.equal(bits(y[untouched]), bits(before[untouched]))

    # What an adapter adds depends on its own rows alone, to the last bit.
    for slot in set(slots) - {-1}:
        own = torch.tensor([s == slot for s in slots])
        alone = before[own].clone()
        add_adapters(alone, x[own], layer, group_rows(torch.full((int(own.sum()),), slot)))
        assert torch.equal(bits(alone), bits(y[own]))


@pytest.mark.parametrize("rows", [1, FEW_ROWS, FEW_ROWS + 1, 200])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_batch_of_one_adapter_is_two_plain_products_bit_for_bit(
    rows: int, dtype: torch.dtype
) -> None:
    a, b = stacked([32, 16], [2, 2, 2, 2], dtype, seed=rows)
    x, y = torch.randn(rows, INPUTS).to(dtype), torch.randn(rows, 48).to(dtype)
    a_all = torch.cat([a[0][1, 0, :2], a[1][1, 0, :2]]).float().t()
    b_all = torch.block_diag(b[0][1, 0, :, :2].t(), b[1][1, 0, :, :2].t()).float()
    if rows <= FEW_ROWS:
        expected = y + x.float() @ a_all @ b_all
    else:
        expected = torch.addmm(y, x @ a_all.to(dtype), b_all.to(dtype))

    add_adapters(y, x, LayerAdapters(a, b), group_rows(torch.full((rows,), 1)))

    assert torch.equal(bits(y), bits(expected.to(dtype)))


def test_an_adapter_of_zeros_costs_no_product() -> None:
    a, b = stacked([32], [2, 2, 2, 2], torch.float32, seed=0)
    b[0][3] = 0
    layer = LayerAdapters(a, b)
    assert layer.slot(3) is None
    matrices = layer.slot(0)
    assert matrices is not None
    assert [m.shape for m in matrices] == [(INPUTS, 2), (2, 32)]  # padding is left out


def test_another_adapter_in_a_slot_is_noticed() -> None:
    a, b = stacked([32], [2, 2, 2, 2], torch.float32, seed=0)
    layer = LayerAdapters(a, b)
    x, groups = torch.randn(3, INPUTS), group_rows(torch.zeros(3, dtype=torch.long))
    old, new = torch.zeros(3, 32), torch.zeros(3, 32)
    add_adapters(old, x, layer, groups)
    with torch.inference_mode():  # as vLLM writes it
        b[0][0, 0].copy_(2 * b[0][0, 0])
        add_adapters(new, x, layer, groups)
    torch.testing.assert_close(new, 2 * old)


def test_an_adapter_with_nan_harms_nobody_else() -> None:
    a, b = stacked([32], [2, 2, 2, 2], torch.float32, seed=0)
    b[0][2] = torch.nan
    slots = torch.tensor([0, 2, -1, 0, 2])
    y = torch.zeros(5, 32)
    add_adapters(y, torch.randn(5, INPUTS), LayerAdapters(a, b), group_rows(slots))
    assert y.isnan().any(dim=1).tolist() == [False, True, False, False, True]


def test_a_padded_vocabulary_is_left_alone() -> None:
    a, b = stacked([32], [2, 2, 2, 2], torch.float32, seed=0)
    logits = torch.zeros(2, 40)
    groups = group_rows(torch.tensor([1, 1]))
    add_adapters(logits, torch.randn(2, INPUTS), LayerAdapters(a, b), groups)
    assert logits[:, :32].all()
    assert not logits[:, 32:].any()
