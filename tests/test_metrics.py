"""Bits, entropy, repetition, and the two ways to measure a model on a held-out text."""

import math

import pytest
import torch
from helpers import normal, seeded

from rnnlib import metrics
from rnnlib.models import CharacterModel

K = 5
NUMBERS = torch.randint(K, (103,), generator=seeded(3))


def model() -> CharacterModel:
    made = CharacterModel(K, 6, 2, generator=seeded(1)).double()
    made.readout.weight.data *= 20  # far from even, so that the state matters
    return made


def test_bits_and_perplexity() -> None:
    assert metrics.bits_per_character(math.log(2)) == 1
    assert metrics.bits_per_character(math.log(80)) == pytest.approx(math.log2(80), rel=1e-15)
    assert metrics.perplexity(math.log(80)) == pytest.approx(80, rel=1e-14)


def test_entropy_is_that_of_the_definition_also_with_zeros() -> None:
    p = normal(3, 4, K).softmax(-1)
    expected = -(p * p.log()).sum(-1)
    assert torch.allclose(metrics.entropy(p), expected, rtol=1e-14, atol=0)
    assert metrics.entropy(torch.tensor([0.0, 1.0, 0.0])).item() == 0
    assert metrics.entropy(torch.full((8,), 1 / 8)).item() == pytest.approx(math.log(8))


def test_repetition_counts_the_pieces_that_stood_before() -> None:
    assert metrics.repetition("abcdefgh", 3) == 0
    assert metrics.repetition("aaaaaa", 3) == 3 / 4  # four pieces, one of them new
    assert metrics.repetition("ab" * 50, 4) == pytest.approx(95 / 97)
    assert metrics.repetition("abcabd", 3) == 0
    assert metrics.repetition("abcabd", 2) == pytest.approx(1 / 5)


def test_the_loss_of_a_batch_is_the_mean_over_its_characters() -> None:
    batch = NUMBERS[:42].view(6, 7)
    loss, found = metrics.next_character_loss(model(), batch)
    log_p = model()(batch[:, :-1])[0].log_softmax(-1)
    rights = [[log_p[n, t].argmax() == batch[n, t + 1] for t in range(6)] for n in range(6)]
    nats = [-log_p[n, t, batch[n, t + 1]].item() for n in range(6) for t in range(6)]
    assert loss.item() == pytest.approx(sum(nats) / 36, rel=1e-13)
    assert found["accuracy"] == pytest.approx(torch.tensor(rights).float().mean().item())


@pytest.mark.parametrize("piece", [1, 7, 50, 102, 1000])
def test_the_carried_state_in_pieces_equals_the_whole(piece) -> None:
    logits, _ = model()(NUMBERS[None, :-1])
    log_p = logits[0].log_softmax(-1)
    expected = -log_p[torch.arange(102), NUMBERS[1:]].mean().item()
    found = metrics.carried(model(), NUMBERS, piece)
    assert found["nats"] == pytest.approx(expected, rel=1e-12)
    assert found["accuracy"] == (log_p.argmax(-1) == NUMBERS[1:]).double().mean().item()


@pytest.mark.parametrize("T", [1, 10, 34, 60, 102, 500])
def test_from_zero_predicts_the_same_characters_in_windows_of_t(T) -> None:
    nats, right = 0.0, 0
    for start in range(0, 102, T):
        window = NUMBERS[start : start + T + 1]
        log_p = model()(window[None, :-1])[0][0].log_softmax(-1)
        nats -= log_p[torch.arange(len(window) - 1), window[1:]].sum().item()
        right += (log_p.argmax(-1) == window[1:]).sum().item()
    found = metrics.from_zero(model(), NUMBERS, T)
    assert found["nats"] == pytest.approx(nats / 102, rel=1e-12)
    assert found["accuracy"] == right / 102


def test_the_two_ways_agree_when_the_window_is_the_text_and_differ_before() -> None:
    whole = metrics.carried(model(), NUMBERS)["nats"]
    assert metrics.from_zero(model(), NUMBERS, 102)["nats"] == pytest.approx(whole, rel=1e-12)
    assert metrics.from_zero(model(), NUMBERS, 3)["nats"] != pytest.approx(whole, rel=1e-3)
