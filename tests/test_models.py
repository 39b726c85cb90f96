"""The classifier: a layer, its last output, a readout; and the model of characters."""

import pytest
import torch
from helpers import F64, LAYERS, largest_error, layer, normal, same, seeded

from rnnlib import models, tasks
from rnnlib.models import CharacterModel, Classifier

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


# ---- characters ---------------------------------------------------------------------------------

each_input = pytest.mark.parametrize("embedding", [None, 3])


def characters(embedding: int | None = None, seed: int = 0) -> CharacterModel:
    return CharacterModel(7, 5, 2, embedding=embedding, generator=seeded(seed)).double()


def numbers(T: int = 9) -> torch.Tensor:
    return torch.randint(7, (4, T), generator=seeded(1))


@each_input
def test_the_character_model_is_an_lstm_on_one_hot_or_embedded_characters(embedding) -> None:
    model = characters(embedding)
    table = torch.eye(7).double() if embedding is None else model.embedding.weight
    outputs, (h, c) = model.rnn(table[numbers()])
    logits, state = model(numbers())
    expected = outputs @ model.readout.weight.T + model.readout.bias
    assert logits.shape == (4, 9, 7)
    assert largest_error({"p": logits}, {"p": expected}) <= 1e-15
    assert same(state, (h, c))


@each_input
def test_a_state_carried_in_pieces_equals_the_whole(embedding) -> None:
    model = characters(embedding)
    whole, last = model(numbers())
    first, state = model(numbers()[:, :4])
    second, end = model(numbers()[:, 4:], state)
    assert torch.allclose(torch.cat([first, second], 1), whole, rtol=0, atol=1e-14)
    assert all(torch.allclose(a, b, rtol=0, atol=1e-14) for a, b in zip(end, last, strict=True))


@each_input
def test_torchs_twin_gives_the_same_numbers_and_learns_the_same_weights(embedding) -> None:
    ours, twin = characters(embedding), characters(embedding)
    weights = list(twin.parameters())
    assert all(w is v for w, v in zip(weights, twin.fast().parameters(), strict=True))
    state = ours(numbers(3))[1]
    for model in (ours, twin):
        logits, _ = model(numbers(), state)
        assert largest_error({"p": logits}, {"p": ours(numbers(), state)[0]}) <= 1e-13
    for model in (ours, twin):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(5):
            optimizer.zero_grad()
            model(numbers())[0].logsumexp(-1).mean().backward()
            optimizer.step()
    moved, unmoved = twin.plain().state_dict(), characters(embedding).state_dict()
    assert moved.keys() == unmoved.keys()
    for name, weight in ours.state_dict().items():
        assert torch.allclose(moved[name], weight, rtol=0, atol=1e-11), name
        assert not torch.allclose(moved[name], unmoved[name], rtol=0, atol=1e-3), name


def test_forget_biases_begin_at_one_and_the_generator_decides_the_rest() -> None:
    model = characters()
    for cell in model.rnn.cells:
        i, f, g, o = cell.b.chunk(4)
        assert (f == 1).all()
        assert max(b.abs().max() for b in (i, g, o)) <= 5**-0.5
    assert model.readout.weight.abs().max() <= 5**-0.5
    for embedding in (None, 3):
        first, again, other = (characters(embedding, s).state_dict() for s in (1, 1, 2))
        assert same(first.values(), again.values())
        assert not any(torch.equal(first[k], other[k]) for k in first)
