"""The classifier: a layer, its last output, a readout; and the models of characters and n-grams."""

import math
from typing import Any

import pytest
import torch
from helpers import F64, LAYERS, largest_error, layer, normal, same, seeded

from rnnlib import models, tasks
from rnnlib.models import CharacterModel, Classifier, NGramLM

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


# ---- n-grams ------------------------------------------------------------------------------------


def ngrams(activation: str = "tanh", **options: Any) -> NGramLM:
    return NGramLM(7, 3, 4, 5, activation, generator=seeded(), **options).double()


def contexts(N: int = 6) -> torch.Tensor:
    return torch.randint(7, (N, 3), generator=seeded(1))


@pytest.mark.parametrize("activation", ["tanh", "linear"])
def test_logits_of_ngrams_are_the_readout_of_the_hidden_layer(activation) -> None:
    model = ngrams(activation)
    C, W_hx, b_h, W_ph, b_p = model.parameters()
    for words, p in zip(contexts(), model(contexts()), strict=True):
        a = W_hx @ torch.cat([C[w] for w in words]) + b_h
        h = a.tanh() if activation == "tanh" else a
        assert largest_error({"p": p}, {"p": W_ph @ h + b_p}) <= 1e-14


def test_the_order_of_the_words_counts_and_a_row_is_shared_by_all_places() -> None:
    model, words = ngrams(), torch.tensor([[1, 2, 3]])
    assert not torch.equal(model(words), model(words.flip(1)))
    before = [model(torch.full((1, 3), 6))]
    with torch.no_grad():
        model.embedding.weight[6] += 1
        for place in range(3):
            one = words.clone()
            one[0, place] = 6
            before.append(model(one))
    assert len({p.sum().item() for p in before}) == 4


def test_ngram_parameters_are_as_many_as_the_formula_says() -> None:
    #   the table, the hidden layer, the readout: K E + H ((n-1) E + 1) + K (H + 1)
    for K, context, E, H in [(7, 3, 4, 5), (11, 2, 3, 8), (8000, 3, 16, 128)]:
        model = NGramLM(K, context, E, H)
        expected = K * E + H * (context * E + 1) + K * (H + 1)
        assert sum(w.numel() for w in model.parameters()) == expected
    assert expected == 8000 * 16 + 6_272 + 8000 * 129


def test_the_bias_begins_at_the_logarithms_of_the_frequencies() -> None:
    frequencies = torch.tensor([0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    model = ngrams(frequencies=frequencies)
    assert torch.equal(model.readout.bias, frequencies.log().double())
    assert not ngrams().readout.bias.any()
    with torch.no_grad():
        model.readout.weight.zero_()  # what is left is the frequencies
    p = model(contexts()).softmax(dim=1)
    assert largest_error({"p": p}, {"p": frequencies.double().expand(6, -1)}) <= 1e-7


def test_dropout_works_in_training_alone_and_on_both_layers() -> None:
    model = ngrams(dropout=0.5)
    assert not torch.equal(model(contexts()), model(contexts()))
    model.eval()
    assert torch.equal(model(contexts()), ngrams()(contexts()))
    model.train()
    seen: dict[str, torch.Tensor] = {}
    for name, layer_ in (("x", model.hidden), ("h", model.readout)):
        layer_.register_forward_pre_hook(lambda _, args, name=name: seen.update({name: args[0]}))
    model(contexts(200))
    assert 0.4 < (seen["x"] == 0).double().mean() < 0.6
    assert 0.4 < (seen["h"] == 0).double().mean() < 0.6
    torch.manual_seed(1)  # which decides nothing: the draws come from the model's own generator
    assert torch.equal(ngrams(dropout=0.5)(contexts()), ngrams(dropout=0.5)(contexts()))


def test_the_generator_decides_all_weights_of_ngrams() -> None:
    first, again, other = (NGramLM(50, 3, 4, 100, generator=seeded(s)) for s in (1, 1, 2))
    assert same(first.state_dict().values(), again.state_dict().values())
    for name in ("embedding.weight", "hidden.weight", "readout.weight"):
        assert not torch.equal(first.state_dict()[name], other.state_dict()[name])
    assert 0.09 < first.embedding.weight.std() < 0.11
    assert 0.9 < NGramLM(50, 3, 4, 100, scale=1.0, generator=seeded()).embedding.weight.std() < 1.1
    assert 0.27 < first.hidden.weight.abs().max() <= 12**-0.5
    assert 0.09 < first.readout.weight.abs().max() <= 0.1


def test_wrong_ngrams_are_refused_by_name() -> None:
    for call, error, says in [
        (lambda: NGramLM(0, 3, 4, 5), ValueError, "vocabulary_size must be at least 1, got 0"),
        (lambda: NGramLM(7, 0, 4, 5), ValueError, "context must be at least 1, got 0"),
        (lambda: NGramLM(7, 3, 0, 5), ValueError, "embedding must be at least 1, got 0"),
        (lambda: NGramLM(7, 3, 4, 2.0), TypeError, r"hidden must be an integer, got 2\.0"),
        (lambda: ngrams("relu"), ValueError, "activation must be one of .*'linear'.* got 'relu'"),
        (lambda: ngrams(dropout=1.5), ValueError, r"dropout must be .* in \[0.0, 1.0\], got 1.5"),
        (lambda: ngrams(dropout=1.0), ValueError, "dropout must be below 1, got 1.0"),
        (lambda: ngrams(scale=-1.0), ValueError, r"scale must be .* in \[0.0, inf\], got -1.0"),
        (lambda: ngrams(frequencies=torch.ones(6)), ValueError, r"frequencies must have .*\(7,\)"),
        (lambda: ngrams(frequencies=torch.arange(7.0)), ValueError, "frequencies must be above 0"),
        (lambda: ngrams(frequencies=torch.full((7,), math.nan)), ValueError, "must be finite"),
        (lambda: ngrams()(contexts()[:, :2]), ValueError, r"numbers must have .*\(N, 3\), got"),
        (lambda: ngrams()(contexts().float()), TypeError, "numbers must hold integers"),
        (lambda: ngrams()(contexts() + 7), ValueError, r"numbers must be in \[0, 7\)"),
    ]:
        with pytest.raises(error, match=says):
            call()
