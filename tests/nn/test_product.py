"""Products by either library are the same to rounding, in value and in gradient, for every way a factor may stand."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import Tensor

from seqloom.nn import matrix_product as products
from seqloom.nn.layer import evaluating

needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this build of torch is without oneDNN"
)


@pytest.fixture(params=[False, pytest.param(True, marks=needs_onednn)], ids=["mkl", "onednn"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(products, "ONEDNN", request.param)
    monkeypatch.setattr(products, "MIN_MULTIPLICATIONS", 0)
    return bool(request.param)


def close(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("rows", "inner", "columns"), [(1, 1, 1), (3, 17, 5), (64, 128, 96), (7, 1, 33)])
@pytest.mark.usefixtures("library")
def test_factors_stand_either_way(rows: int, inner: int, columns: int) -> None:
    for left in (torch.randn(rows, inner), torch.randn(inner, rows).t()):
        for right in (torch.randn(inner, columns), torch.randn(columns, inner).t()):
            bias, sum_of = torch.randn(columns), torch.randn(rows, columns)
            close(products.product(left, right), left @ right)
            close(products.product(left, right, bias), left @ right + bias)
            out = torch.empty(rows, columns)
            products.product_into(out, left, right)
            close(out, left @ right)
            expected = sum_of + left @ right
            products.add_product(sum_of, left, right)
            close(sum_of, expected)
            close(products.product(left, products.as_right_factor(right, rows)), left @ right)


@pytest.mark.usefixtures("library")
def test_parts_of_a_larger_tensor() -> None:
    whole, right = torch.randn(9, 40), torch.randn(12, 20)
    left = whole[2:7, 10:22]
    close(products.product(left, right), left @ right)
    out = torch.zeros(9, 30)
    products.product_into(out[3:8, 5:25], left, right)
    close(out[3:8, 5:25], left @ right)
    assert not out[:3].any()
    assert not out[:, 25:].any()


@pytest.mark.parametrize("shape", [(6, 20, 24), (1, 1, 24), (50, 24), (24,)])
@pytest.mark.parametrize("columns", [7, 60])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.usefixtures("library")
def test_gradients(shape: tuple[int, ...], columns: int, with_bias: bool) -> None:
    found, expected = [], []
    values, matrix, back = torch.randn(*shape), torch.randn(columns, shape[-1]), torch.randn(*shape[:-1], columns)
    added = torch.randn(columns)
    for function, into in ((products.linear, found), (torch.nn.functional.linear, expected)):
        inputs, weight = values.clone().requires_grad_(), matrix.clone().requires_grad_()
        bias = added.clone().requires_grad_() if with_bias else None
        output = function(inputs, weight, bias)
        asked = [inputs, weight] if bias is None else [inputs, weight, bias]
        into += [output, *torch.autograd.grad((output * back).sum(), asked)]
    for one, other in zip(found, expected, strict=True):
        close(one, other)


@pytest.mark.usefixtures("library")
def test_a_module_has_the_same_gradients_where_its_inputs_need_none() -> None:
    ours, inputs, back = products.Linear(9, 5), torch.randn(4, 3, 9), torch.randn(4, 3, 5)
    torchs = torch.nn.Linear(9, 5)
    torchs.load_state_dict(ours.state_dict())
    for module in (ours, torchs):
        (module(inputs) * back).sum().backward()
    close(ours.weight.grad, torchs.weight.grad)
    close(ours.bias.grad, torchs.bias.grad)


@pytest.mark.usefixtures("library")
def test_half_precision_stays_half() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert products.Linear(64, 32)(torch.randn(8, 64)).dtype == torch.bfloat16


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_other_precisions_stay_with_torch(kind: torch.dtype, library: bool) -> None:
    left, right = torch.randn(4, 8, dtype=kind), torch.randn(8, 3, dtype=kind)
    assert not products.use_onednn(left, 3)
    assert products.use_onednn(left.float(), 3) == library
    assert products.product(left, right).equal(left @ right)


@pytest.fixture
def mkl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "ONEDNN", False)


@pytest.mark.parametrize("rows", [1, 3, 4, 40, 64, 65])
@pytest.mark.usefixtures("mkl")
def test_the_kept_transpose_changes_no_product(rows: int) -> None:
    layer, inputs = products.Linear(160, 130), torch.randn(1, rows, 160)
    with torch.no_grad():
        for _ in range(3):
            close(layer(inputs), inputs @ layer.weight.t() + layer.bias)
            layer.weight.mul_(0.5)  # what was kept must not be used again


@pytest.mark.usefixtures("mkl")
def test_a_transpose_is_kept_where_no_gradients_are_computed() -> None:
    layer, inputs = products.Linear(160, 130), torch.randn(8, 160)
    assert products.kept_transpose(layer.weight, inputs) is None
    with torch.inference_mode():
        first = products.kept_transpose(layer.weight, inputs)
        assert first is not None
        assert products.kept_transpose(layer.weight, inputs) is first
        assert products.kept_transpose(layer.weight, inputs.double()) is None
        assert products.kept_transpose(layer.weight.clone(), inputs) is None
    with evaluating(layer):
        pass
    with torch.inference_mode():
        assert products.kept_transpose(layer.weight, inputs) is not first


@pytest.mark.usefixtures("mkl")
def test_a_transpose_is_kept_for_one_row_of_a_large_weight_alone() -> None:
    for outputs, keeps in ((130, False), (2_000, True)):
        layer, inputs = products.Linear(160, outputs), torch.randn(1, 160)
        with torch.inference_mode():
            assert (products.kept_transpose(layer.weight, inputs) is not None) == keeps
            close(layer(inputs), inputs @ layer.weight.t() + layer.bias)


@pytest.mark.usefixtures("mkl")
def test_a_transpose_is_freed_with_its_weight() -> None:
    layer, inputs = products.Linear(160, 130), torch.randn(8, 160)
    with torch.inference_mode():
        transpose = products.kept_transpose(layer.weight, inputs)
        assert transpose is not None
        kept = weakref.ref(transpose)
    del layer, transpose
    gc.collect()
    assert kept() is None
