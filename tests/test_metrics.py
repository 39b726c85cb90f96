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
    assert metrics.bits_per_character(0) == 0 and metrics.perplexity(0) == 1
    assert metrics.bits_per_character(1e-3) == pytest.approx(1.442695e-3, rel=1e-6)
    for name, measure in (("nats", metrics.bits_per_character), ("H", metrics.perplexity)):
        with pytest.raises(
            ValueError, match=rf"{name} must be finite and in \[0.0, inf\], got -0.1"
        ):
            measure(-0.1)


def test_perplexity_is_that_of_every_base_and_wants_the_base_of_its_cross_entropy() -> None:
    for nats in (0.0, 0.3, 4.7, 100.0):
        for base in (2, 10, 1.5, math.e):
            H = nats / math.log(base)
            assert metrics.perplexity(H, base) == pytest.approx(math.exp(nats), rel=1e-12)
    bits = metrics.bits_per_character(4.7)
    assert metrics.perplexity(bits) == pytest.approx(
        879.9, rel=1e-3
    )  # e to the bits: no perplexity
    for base in (1, 0.5, -2):
        with pytest.raises(ValueError, match=f"base must be above 1, got {float(base)}"):
            metrics.perplexity(1.0, base)


def test_bits_a_character_of_a_text_from_the_nats_of_its_words() -> None:
    text = "once upon a time\n"  # four words and an end of line, 17 characters
    nats = [3.0, 1.0, 0.5, 2.0, 0.25]
    mean = sum(nats) / 5
    expected = sum(n / math.log(2) for n in nats) / len(text)
    assert metrics.bits_per_character(mean, 5, len(text)) == pytest.approx(expected, rel=1e-14)
    # characters or words: two ways to spell one text as likely have the same bits a character
    assert metrics.bits_per_character(mean * 5 / 17) == pytest.approx(expected, rel=1e-14)
    for name, wrong in (("symbols", (1.0, 0, 17)), ("characters", (1.0, 5, 0))):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            metrics.bits_per_character(*wrong)


def test_a_large_loss_has_an_infinite_perplexity_and_finite_bits() -> None:
    assert metrics.perplexity(709.7) == pytest.approx(1.6549840e308)
    for nats in (709.8, 800.0, 1e300, 10**300):
        assert metrics.perplexity(nats) == math.inf
        assert metrics.bits_per_character(nats) == pytest.approx(nats * math.log2(math.e))


def test_entropy_is_that_of_the_definition_also_with_zeros() -> None:
    p = normal(3, 4, K).softmax(-1)
    expected = -(p * p.log()).sum(-1)
    assert torch.allclose(metrics.entropy(p), expected, rtol=1e-14, atol=0)
    assert metrics.entropy(torch.tensor([0.0, 1.0, 0.0])).item() == 0
    assert metrics.entropy(torch.full((8,), 1 / 8)).item() == pytest.approx(math.log(8))


OFF = {  # how far a sum may be off, and how far it may not
    torch.float64: (0.9e-4, 1.1e-4), torch.float32: (0.9e-4, 1.1e-4),
    torch.float16: (4 / 1024, 5 / 1024), torch.bfloat16: (4 / 128, 5 / 128),
}  # fmt: skip


@pytest.mark.parametrize("dtype", OFF)
def test_a_distribution_is_one_within_the_rounding_of_its_type(dtype) -> None:
    p = normal(3, 4, 80).softmax(-1)
    expected = metrics.entropy(p)
    loose = 2e-2 if dtype in (torch.float16, torch.bfloat16) else 1e-6
    assert torch.allclose(metrics.entropy(p.to(dtype)).double(), expected, rtol=loose)
    for way in (1, -1):
        fits, too_far = (
            torch.tensor([[0.5, 0.5], [0.5, 0.5 + way * off]], dtype=dtype) for off in OFF[dtype]
        )
        assert metrics.entropy(fits)[0].item() == pytest.approx(math.log(2), rel=1e-2)
        with pytest.raises(ValueError, match="probabilities must be at least 0 with sum 1"):
            metrics.entropy(too_far)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (torch.tensor([3.0, 0.0, 1.0]), "a smallest of 0 and a sum that is off by 3"),  # counts
        (torch.tensor([0.5, -0.001, 0.501]), "a smallest of -0.001"),
        (torch.tensor([0.0, 0.0]), "a sum that is off by 1"),
        (torch.tensor([[0.5, 0.5], [0.5, math.nan]]), "must be finite"),
        (normal(4, 5), "at least 0 with sum 1"),  # logits
        (normal(4, 5).log_softmax(-1), "at least 0 with sum 1"),
        (normal(4, 5).softmax(0), "at least 0 with sum 1"),  # of the wrong dimension
    ],
)
def test_what_is_no_distribution_has_no_entropy(wrong, says) -> None:
    with pytest.raises(ValueError, match=f"probabilities .*{says}"):
        metrics.entropy(wrong)


def test_repetition_counts_the_pieces_that_stood_before() -> None:
    assert metrics.repetition("abcdefgh", 3) == 0
    assert metrics.repetition("aaaaaa", 3) == 3 / 4  # four pieces, one of them new
    assert metrics.repetition("ab" * 50, 4) == pytest.approx(95 / 97)
    assert metrics.repetition("abcabd", 3) == 0
    assert metrics.repetition("abcabd", 2) == pytest.approx(1 / 5)
    assert metrics.repetition("abc", 3) == 0
    assert metrics.repetition("abcdefgh" * 2) == pytest.approx(1 / 9)  # n = 8: one piece of nine
    with pytest.raises(ValueError, match="text must have at least n=4 characters, got 3"):
        metrics.repetition("abc", 4)
    with pytest.raises(TypeError, match="text must be a str, got list"):
        metrics.repetition(["a", "b"], 1)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        metrics.repetition("abc", 0)


def test_the_loss_of_a_batch_is_the_mean_over_its_characters() -> None:
    batch = NUMBERS[:42].view(6, 7)
    loss, found = metrics.next_character_loss(model(), batch)
    log_p = model()(batch[:, :-1])[0].log_softmax(-1)
    rights = [[log_p[n, t].argmax() == batch[n, t + 1] for t in range(6)] for n in range(6)]
    nats = [-log_p[n, t, batch[n, t + 1]].item() for n in range(6) for t in range(6)]
    assert loss.item() == pytest.approx(sum(nats) / 36, rel=1e-13)
    assert found["accuracy"] == pytest.approx(torch.tensor(rights).float().mean().item())
    assert type(found["accuracy"]) is float


def test_the_loss_leaves_the_model_as_it_is_and_goes_back_through_it() -> None:
    made = model()
    loss, _ = metrics.next_character_loss(made, NUMBERS[:42].view(6, 7))
    loss.backward()
    assert made.training and all(w.grad is not None for w in made.parameters())


def test_a_batch_is_whole_numbers_of_the_model_in_windows_of_two_or_more() -> None:
    windows = NUMBERS[:42].view(6, 7)
    for wrong, error, says in [
        (windows.int(), TypeError, "batch must hold integers as torch.int64, got torch.int32"),
        (windows.double(), TypeError, "torch.int64, got torch.float64"),
        (windows.numpy(), TypeError, "batch must be a torch.Tensor of int64, got ndarray"),
        (windows[0], ValueError, r"batch must have shape \(N, T\+1\), got \(7,\)"),
        (
            windows[:, :1],
            ValueError,
            r"batch must have shape \(N, T\+1\) with T >= 1, got \(6, 1\)",
        ),
        (windows[:, :0], ValueError, r"batch must not be empty, got shape \(6, 0\)"),
    ]:
        with pytest.raises(error, match=says):
            metrics.next_character_loss(model(), wrong)
    for number in (-100, -1, K):  # torch would leave out the -100 without a word
        last = windows.clone()
        last[2, -1] = number
        with pytest.raises(ValueError, match=rf"batch must be in \[0, {K}\)"):
            metrics.next_character_loss(model(), last)
    loss, _ = metrics.next_character_loss(model(), windows[:, :2])  # one step
    expected = model()(windows[:, :1])[0][:, 0].log_softmax(-1)[range(6), windows[:, 1]].mean()
    assert loss.item() == pytest.approx(-expected.item(), rel=1e-13)


def test_the_model_of_a_loss_gives_logits_and_a_state() -> None:
    windows = NUMBERS[:42].view(6, 7)
    for wrong, error, says in [
        (lambda x: model()(x)[0], TypeError, r"model returns must be a tuple \(logits, state\)"),
        (lambda x: (model()(x)[0][:, -1], None), ValueError, r"\(6, 6, K\), got \(6, 5\)"),
        (lambda x: (model()(x)[0].swapaxes(1, 2), None), ValueError, "the model's logits"),
    ]:
        with pytest.raises(error, match=says):
            metrics.next_character_loss(wrong, windows)  # type: ignore[arg-type]


def test_numbers_are_a_text_of_two_or_more_that_the_model_knows() -> None:
    two = metrics.carried(model(), NUMBERS[:2])
    assert two == metrics.from_zero(model(), NUMBERS[:2], 5)
    measures = (
        lambda n: metrics.carried(model(), n, 10),
        lambda n: metrics.from_zero(model(), n, 10),
    )
    for wrong, error, says in [
        (NUMBERS[:1], ValueError, "numbers must be at least 2 symbols, got 1"),
        (NUMBERS.int(), TypeError, "numbers must hold integers as torch.int64, got torch.int32"),
        (NUMBERS.to(torch.uint8), TypeError, "torch.int64, got torch.uint8"),
        (NUMBERS.tolist(), TypeError, "numbers must be a torch.Tensor of int64, got list"),
        (-NUMBERS, ValueError, r"numbers must be in \[0, 2147483648\), got values from -4 to 0"),
        (torch.tensor([0, 2**31]), ValueError, r"\[0, 2147483648\), got values from 0 to 2147"),
        (
            torch.cat([NUMBERS[:30], torch.tensor([K])]),
            ValueError,
            rf"numbers must be in \[0, {K}\)",
        ),
    ]:
        for measure in measures:
            with pytest.raises(error, match=says):
                measure(wrong)
    for T in (0, 2.5, True):
        with pytest.raises((TypeError, ValueError), match="T must be"):
            metrics.from_zero(model(), NUMBERS, T)
        with pytest.raises((TypeError, ValueError), match="piece must be"):
            metrics.carried(model(), NUMBERS, T)


@pytest.mark.parametrize("piece", [1, 7, 50, 102, 1000])
def test_the_carried_state_in_pieces_equals_the_whole(piece) -> None:
    logits, _ = model()(NUMBERS[None, :-1])
    log_p = logits[0].log_softmax(-1)
    expected = -log_p[torch.arange(102), NUMBERS[1:]].mean().item()
    found = metrics.carried(model(), NUMBERS, piece)
    assert found["nats"] == pytest.approx(expected, rel=1e-12)
    assert found["accuracy"] == (log_p.argmax(-1) == NUMBERS[1:]).double().mean().item()


@pytest.mark.parametrize("strands", [2, 5, 33, 102])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_strands_side_by_side_are_the_pieces_one_after_the_other(strands, piece) -> None:
    S = 102 // strands
    nats, right = 0.0, 0
    for n in range(strands):  # each from zero; the last has what is left over, too
        text = NUMBERS[n * S : (n + 1) * S + 1 if n < strands - 1 else None]
        log_p = model()(text[None, :-1])[0][0].log_softmax(-1)
        nats -= log_p[torch.arange(len(text) - 1), text[1:]].sum().item()
        right += (log_p.argmax(-1) == text[1:]).sum().item()
    found = metrics.carried(model(), NUMBERS, piece, strands)
    assert found["nats"] == pytest.approx(nats / 102, rel=1e-12)
    assert found["accuracy"] == right / 102
    with pytest.raises(ValueError, match="numbers must be at least 104 symbols, got 103"):
        metrics.carried(model(), NUMBERS, piece, 103)


def test_the_sums_are_float64_and_what_is_returned_are_plain_numbers() -> None:
    made = model().float()
    log_p = made(NUMBERS[None, :-1])[0][0].double().log_softmax(-1)
    for found in (metrics.carried(made, NUMBERS), metrics.from_zero(made, NUMBERS, 102)):
        expected = -log_p[torch.arange(102), NUMBERS[1:]].mean().item()
        assert found["nats"] == pytest.approx(expected, rel=1e-13)
        assert {type(value) for value in found.values()} == {float}


@pytest.mark.parametrize("T", [1, 10, 34, 52, 60, 101, 102, 103, 104, 500])
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


# ---- sequences of several lengths ---------------------------------------------------------------

LENGTHS = [1, 12, 5, 30, 2, 2, 9, 1, 17]
LINES = list(NUMBERS[: sum(LENGTHS)].split(LENGTHS))


def test_cross_entropy_is_the_mean_over_targets_within_the_lengths() -> None:
    logits, targets = normal(4, 6, K), NUMBERS[:24].view(4, 6)
    lengths = torch.tensor([6, 1, 4, 2])
    log_p = logits.log_softmax(-1)
    nats = [-log_p[n, t, targets[n, t]].item() for n in range(4) for t in range(lengths[n])]
    found = metrics.cross_entropy(logits.requires_grad_(), targets, lengths)
    assert found.item() == pytest.approx(sum(nats) / 13, rel=1e-13)
    (gradient,) = torch.autograd.grad(found, logits)
    within = torch.arange(6) < lengths[:, None]
    assert not gradient[~within].any() and gradient[within].abs().min() > 0
    spoilt, anything = targets.clone(), logits.detach().clone()
    spoilt[~within], anything[~within] = -100, math.nan
    assert metrics.cross_entropy(anything, spoilt, lengths).item() == found.item()
    full = torch.full((4,), 6)
    whole = metrics.cross_entropy(logits, targets)
    assert metrics.cross_entropy(logits, targets, full).item() == pytest.approx(whole.item())


@pytest.mark.parametrize("N", [1, 2, 4, 100])
def test_sequences_of_several_lengths_count_as_each_by_itself(N) -> None:
    lines = [line for line in LINES if len(line) > 1]
    nats, right = 0.0, 0
    for line in lines:
        log_p = model()(line[None, :-1])[0][0].log_softmax(-1)
        nats -= log_p[torch.arange(len(line) - 1), line[1:]].sum().item()
        right += (log_p.argmax(-1) == line[1:]).sum().item()
    targets = sum(len(line) - 1 for line in lines)
    found = metrics.separate(model(), lines, N)
    assert found["nats"] == pytest.approx(nats / targets, rel=1e-12)
    assert found["accuracy"] == right / targets
    order = torch.randperm(len(lines), generator=seeded(1)).tolist()
    again = metrics.separate(model(), [lines[n] for n in order], N)
    assert again == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (
            {"lengths": torch.tensor([1, 0])},
            ValueError,
            r"lengths must be in \[1, 3\], got one of 0",
        ),
        ({"lengths": torch.tensor([4, 1])}, ValueError, r"lengths must be in \[0, 4\)"),
        ({"lengths": torch.ones(2)}, TypeError, "lengths must hold integers"),
        ({"lengths": torch.tensor([1])}, ValueError, r"lengths must have shape \(2,\)"),
        ({"targets": NUMBERS[:4].view(2, 2)}, ValueError, r"targets must have shape \(2, 3\)"),
        ({"targets": NUMBERS[:6].view(2, 3) + K}, ValueError, rf"targets must be in \[0, {K}\)"),
        ({"logits": normal(6, K)}, ValueError, r"logits must have shape \(N, T, K\)"),
    ],
)
def test_what_does_not_fit_a_cross_entropy_is_named(wrong, error, says) -> None:
    right = {"logits": normal(2, 3, K), "targets": NUMBERS[:6].view(2, 3)}
    with pytest.raises(error, match=says):
        metrics.cross_entropy(**right | wrong)


def test_sequences_have_a_symbol_to_predict() -> None:
    for wrong, error, says in [
        (LINES, ValueError, "sequences must be at least 2 symbols each, got 1"),
        ([], ValueError, "sequences must hold at least one, got none"),
        (NUMBERS, TypeError, "sequences must be a sequence of tensors, got Tensor"),
    ]:
        with pytest.raises(error, match=says):
            metrics.separate(model(), wrong)
    with pytest.raises(ValueError, match="N must be at least 1, got 0"):
        metrics.separate(model(), LINES[1:2], 0)


def test_the_nats_of_each_symbol_of_sequences_side_by_side_are_those_of_each_alone() -> None:
    lines = [NUMBERS[a:b] for a, b in ((0, 9), (9, 11), (11, 30), (30, 34))]
    nats, lengths = metrics.symbol_nats(model(), lines, N=3)
    assert nats.shape == (4, 18) and lengths.tolist() == [8, 1, 18, 3]
    for line, found, T in zip(lines, nats, lengths, strict=True):
        log_p = model()(line[None, :-1])[0][0].log_softmax(-1)
        expected = -log_p[torch.arange(len(line) - 1), line[1:]]
        assert torch.allclose(found[:T], expected, rtol=1e-12) and not found[T:].any()
    whole = metrics.separate(model(), lines)
    assert nats.sum().item() / 30 == pytest.approx(whole["nats"], rel=1e-12)
    assert torch.allclose(nats, metrics.symbol_nats(model(), lines, N=1)[0], rtol=1e-12)
    for wrong, says in (([], "at least one, got none"), ([NUMBERS[:1]], "at least 2 symbols")):
        with pytest.raises(ValueError, match=says):
            metrics.symbol_nats(model(), wrong)


def test_one_model_has_four_perplexities_by_what_is_counted_and_how_means_are_taken() -> None:
    nats = torch.tensor([[2.0, 4.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]).double()
    found = metrics.perplexities(nats, torch.tensor([2, 1]))
    assert found.padded == pytest.approx(math.exp(7 / 8))
    assert found.sentence == pytest.approx((math.exp(3) + math.exp(1)) / 2)
    assert found.sentence_padded == pytest.approx((math.exp(6 / 4) + math.exp(1 / 4)) / 2)
    assert found.character == pytest.approx(math.exp(7 / 3))
    learned = metrics.perplexities(nats.where(nats > 0, 0.5), torch.tensor([2, 1]))
    assert learned.padded == pytest.approx(math.exp((7 + 5 * 0.5) / 8))  # padding costs something
    assert learned.sentence_padded == pytest.approx((math.exp(7 / 4) + math.exp(2.5 / 4)) / 2)
    assert (learned.sentence, learned.character) == (found.sentence, found.character)
    even = metrics.perplexities(nats, torch.tensor([4, 4]))  # without padding
    assert even.padded == even.character and even.sentence == even.sentence_padded
    for lengths, says in ((torch.tensor([2, 0]), r"in \[1, 4\]"), (torch.tensor([2]), "shape")):
        with pytest.raises(ValueError, match=says):
            metrics.perplexities(nats, lengths)
