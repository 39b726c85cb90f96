"""Layers and models compiled, exported and traced: the whole graph, any batch, equal numbers.

A forward pass looks at types and shapes only (see ``rnnlib.validate``), so all this is possible.
"""

import copy
import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from helpers import F64, largest_error, normal, seeded
from whole_layers import D, H, L, N, T, close, each_kind, every_kind, layer, outputs, state_of, x_of

import rnnlib
from rnnlib import models

new_torch = pytest.mark.skipif(
    torch.__version__ < "2.11", reason="older compilers do not take all of Python that layers use"
)


@pytest.fixture(autouse=True)
def _forget_what_was_compiled() -> Any:
    yield
    torch._dynamo.reset()


# ---- compiled, exported, traced -----------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own
@new_torch
def test_compile_takes_the_whole_graph_and_gives_numbers_and_gradients(kind, backend) -> None:
    net, x, state = layer(kind), x_of(), state_of(N, kind)
    compiled = torch.compile(copy.deepcopy(net), fullgraph=True, backend=backend)
    results = [m(x, state) for m in (compiled, net)]
    assert close(*results)
    for result in results:
        sum(
            (normal(*v.shape, seed=9 + k) * v).sum() for k, v in enumerate(outputs(result))
        ).backward()
    grads = [
        {n.removeprefix("_orig_mod."): w.grad for n, w in m.named_parameters()}
        for m in (compiled, net)
    ]
    assert largest_error(*grads) <= 1e-12
    assert close(compiled(x), net(x))  # without a state


@every_kind
@new_torch
def test_export_takes_any_batch_with_and_without_a_state(kind) -> None:
    net = layer(kind)
    batch = torch.export.Dim("batch", min=1, max=64)
    of_state = ({1: batch}, {1: batch}) if kind is rnnlib.LSTM else {1: batch}
    for given, shapes in [((), ()), ((state_of(N, kind),), (of_state,))]:
        exported = torch.export.export(net, (x_of(), *given), dynamic_shapes=({0: batch}, *shapes))
        more = (state_of(7, kind),) if given else ()
        assert close(exported.module()(x_of(7), *more), net(x_of(7), *more))


@each_kind
@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
def test_a_trace_takes_any_batch(kind) -> None:
    net = layer(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error", torch.jit.TracerWarning)  # no value became a constant
        traced = torch.jit.trace(net, (x_of(),))
        with_state = torch.jit.trace(net, (x_of(), state_of(N, kind)))
    assert close(traced(x_of(7)), net(x_of(7)))
    assert close(with_state(x_of(7), state_of(7, kind)), net(x_of(7), state_of(7, kind)))


@every_kind
@new_torch
def test_onnx_with_a_dynamic_batch_by_onnxs_own_evaluator(kind) -> None:
    from onnx.reference import ReferenceEvaluator

    net, file = layer(kind, torch.float32), io.BytesIO()
    batch = torch.export.Dim("batch", min=1, max=64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            net,
            (x_of(N, torch.float32),),
            file,
            dynamo=True,
            dynamic_shapes=({0: batch},),
            verbose=False,
        )
    evaluator = ReferenceEvaluator(file.getvalue())
    for size in (1, N, 7):
        x = x_of(size, torch.float32)
        found = evaluator.run(None, {evaluator.input_names[0]: x.numpy()})
        expected = [v.detach().numpy() for v in outputs(net(x))]
        assert [v.shape for v in found] == [v.shape for v in expected]
        assert all(np.abs(a - b).max() < 1e-5 for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("embedding", [None, 3])
@pytest.mark.parametrize("fast", [False, True])
@new_torch
def test_the_character_model_is_exported_and_compiled(embedding, fast) -> None:
    model = models.CharacterModel(7, H, embedding=embedding, generator=seeded()).double()
    model = model.fast() if fast else model
    numbers = torch.randint(7, (N, T), generator=seeded(1))
    exported = torch.export.export(
        model, (numbers,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
    )
    more = torch.randint(7, (5, T), generator=seeded(2))
    assert close(exported.module()(more), model(more))
    if not fast:
        assert close(torch.compile(model, fullgraph=True, backend="eager")(numbers), model(numbers))


@new_torch
def test_the_classifier_with_lengths_is_compiled() -> None:
    model = models.Classifier(layer(rnnlib.GRU), 3, generator=seeded(1))
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    lengths = torch.tensor([T, 1, 3])
    assert largest_error({0: compiled(x_of(), lengths)}, {0: model(x_of(), lengths)}) <= 1e-12


@new_torch
def test_the_phased_lstm_is_compiled() -> None:
    net = rnnlib.PhasedLSTM(D, H, L, r_on=0.5, generator=seeded(), dtype=F64)
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    times = normal(N, T).abs().cumsum(1)
    assert close(compiled(x_of(), times), net(x_of(), times))
