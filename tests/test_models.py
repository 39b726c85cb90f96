"""The classifier: a layer, its last output, a readout."""

import pytest
import torch
from helpers import F64, LAYERS, largest_error, layer, normal, same, seeded

from rnnlib import models, tasks
from rnnlib.models import Classifier

each_kind = pytest.mark.parametrize("kind", LAYERS)


@each_kind
def test_logits_are_the_readout_of_the_last_output(kind) -> None:
    model = Classifier(layer(kind, 3, 5, 2), 4)
    x = normal(6, 7, 3)
    W_ph, b_p = model.readout.weight, model.readout.bias
    expected = model.rnn(x)[0][:, -1] @ W_ph.T + b_p
    assert model(x).shape == (6, 4)
    assert model(x).dtype == F64  # the readout follows the layer's data type
    assert largest_error({"p": model(x)}, {"p": expected}) <= 1e-15


@each_kind
def test_the_gradient_reaches_every_parameter_and_the_first_input(kind) -> None:
    model, x = Classifier(layer(kind, 3, 5, 2), 4), normal(6, 7, 3).requires_grad_()
    torch.nn.functional.cross_entropy(model(x), torch.arange(6) % 4).backward()
    assert all(w.grad.abs().max() > 0 for w in model.parameters())
    assert x.grad[:, 0].abs().max() > 0


def test_the_generator_decides_the_readout_within_torchs_bounds() -> None:
    first, again, other = (
        Classifier(layer("gru", 3, 100), 50, generator=seeded(s)) for s in (1, 1, 2)
    )
    assert same(first.state_dict().values(), again.state_dict().values())
    assert not torch.equal(first.readout.weight, other.readout.weight)
    for w in first.readout.parameters():
        assert 0.09 < w.abs().max() <= 0.1


def test_the_latch_answers_palindromes_of_any_length() -> None:
    for T in (2, 3, 40, 1000):
        x, y = tasks.palindromes(T, 200, seeded(T), one_hot=True)
        assert torch.equal(models.latch()(x).argmax(dim=1), y)
