"""Frequency discrimination: periods, samplings, lengths, labels, and the study that uses them."""

import copy
import math

import numpy as np
import pytest
import torch
from helpers import same, seeded

from rnnlib import layers, models
from rnnlib.experiments import frequency as study
from rnnlib.tasks import Batches, frequency, frequency_chance

each_sampling = pytest.mark.parametrize("sampling", ["standard", "oversampled", "asynchronous"])


def fitted_period(t: np.ndarray, v: np.ndarray) -> float:
    """The period in [1, 100] of the sine that fits best, by least squares on a fine grid."""
    best, width = 0.0, 0.0
    low, high = math.log(1 / 101), math.log(1 / 0.99)
    for _ in range(3):  # finer and finer around the best
        grid = np.exp(np.linspace(low, high, 1001))
        phase = 2 * np.pi * grid[:, None] * t  # (1001, T)
        A = np.stack([np.sin(phase), np.cos(phase)], axis=2)  # (1001, T, 2)
        A_T = A.swapaxes(1, 2)
        solution = np.linalg.pinv(A_T @ A, hermitian=True) @ (A_T @ v[:, None])  # (1001, 2, 1)
        errors = ((A @ solution - v[:, None]) ** 2).sum(axis=(1, 2))
        best, width = math.log(grid[int(np.argmin(errors))]), (high - low) / 1000
        low, high = best - 2 * width, best + 2 * width
    return 1 / math.exp(best)


@each_sampling
def test_shapes_types_and_padding(sampling) -> None:
    x, times, lengths, y = frequency(40, seeded(), sampling)
    T = int(lengths.max())
    assert (x.shape, times.shape, lengths.shape, y.shape) == ((40, T, 1), (40, T), (40,), (40,))
    assert (x.dtype, times.dtype) == (torch.float32, torch.float32)
    assert (lengths.dtype, y.dtype) == (torch.int64, torch.int64)
    assert set(y.tolist()) == {0, 1}
    for n, length in enumerate(lengths.tolist()):
        assert (x[n, length:] == 0).all()
        assert (times[n, length:] == times[n, length - 1]).all()
        assert (x[n, :length] != 0).sum() >= length - 1
    assert x.abs().max() <= 1


@each_sampling
def test_times_rise_within_125_ms_and_durations_are_from_15_to_125(sampling) -> None:
    _, times, _, _ = frequency(2000, seeded(), sampling)
    assert (times.diff(dim=1) >= 0).all()
    assert times.min() >= 0 and times.max() <= 125
    spans = times[:, -1] - times[:, 0]
    assert spans.max() <= 125
    if sampling != "asynchronous":  # the last sample lies less than a step before the end
        assert spans.min() >= 14 and spans.min() < 16 and spans.max() > 123
        assert spans.mean().item() == pytest.approx(70, abs=3)
    starts = times[:, 0]
    assert starts.min() < 1 and starts.max() > 80


@pytest.mark.parametrize("sampling, step", [("standard", 1.0), ("oversampled", 0.1)])
def test_regular_samples_are_a_step_apart(sampling, step) -> None:
    _, times, lengths, _ = frequency(50, seeded(), sampling)
    for row, length in zip(times, lengths.tolist(), strict=True):
        gaps = row[:length].diff()
        assert (gaps - step).abs().max() < 2e-5
        assert length == pytest.approx((row[length - 1] - row[0]).item() / step + 1, abs=0.01)


def test_oversampled_has_ten_times_the_samples_of_the_same_waves() -> None:
    _, _, few, y = frequency(200, seeded(), "standard")
    _, _, many, y_too = frequency(200, seeded(), "oversampled")
    assert torch.equal(y, y_too)
    assert ((10 * few - many) >= 0).all() and ((10 * few - many) < 10).all()


def test_asynchronous_takes_15_to_124_samples_at_irregular_times() -> None:
    _, times, lengths, _ = frequency(5000, seeded(), "asynchronous")
    assert (lengths.min(), lengths.max()) == (15, 124)
    assert lengths.double().mean().item() == pytest.approx(69.5, abs=2)
    full = times[lengths == 124].diff(dim=1)
    assert full.std() / full.mean() > 0.9  # spacings of uniform points: nearly exponential, 1


def test_the_label_says_whether_the_period_is_from_5_to_6() -> None:
    x, times, lengths, y = frequency(80, seeded(1), "oversampled", durations=(60, 125))
    chosen = [*range(4), *range(40, 80)]
    seen = []
    for n in chosen:
        length = int(lengths[n])
        t = times[n, :length:5].double().numpy()
        period = fitted_period(t, x[n, :length:5, 0].double().numpy())
        seen.append(period)
        if min(abs(period - 5), abs(period - 6)) > 0.02:
            assert y[n] == (5 <= period <= 6), period
    assert all(4.99 < p < 6.01 for p in seen[:4])
    assert min(seen) >= 0.99 and max(seen) <= 101
    assert min(seen) < 3 and max(seen) > 40


def test_the_first_half_is_of_class_1_and_a_few_of_the_others() -> None:
    _, _, _, y = frequency(100_000, seeded(), "standard", durations=(1, 1))
    assert (y[:50_000] == 1).all()
    assert frequency_chance() == pytest.approx(0.5 + 0.5 * math.log(1.2) / math.log(100))
    assert y.double().mean().item() == pytest.approx(frequency_chance(), abs=0.002)
    assert 0.519 < frequency_chance() < 0.521


def test_phases_are_uniform() -> None:
    x, times, _, _ = frequency(10_000, seeded(), durations=(125, 125))
    assert times[:, 0].abs().max() < 1e-4  # all start at 0, so the first value is the phase's
    angle = torch.asin(x[:, 0, 0].double().clamp(-1, 1)) / math.pi + 0.5  # uniform in (0, 1)
    counts = (10 * angle).long().clamp(max=9).bincount(minlength=10)
    assert ((counts - 1000.0) ** 2 / 1000).sum() < 33.7  # 9 degrees of freedom: p = 1e-4


@each_sampling
def test_the_seed_alone_decides_and_a_source_goes_on_where_it_stood(sampling) -> None:
    before = torch.get_rng_state()
    assert same(frequency(8, seeded(1), sampling), frequency(8, seeded(1), sampling))
    assert not same(
        frequency(8, seeded(1), sampling)[3:], frequency(8, seeded(2), sampling)[3:]
    ) or (
        not torch.equal(
            frequency(8, seeded(1), sampling)[0][0], frequency(8, seeded(2), sampling)[0][0]
        )
    )
    source = Batches(frequency, 3, N=8, sampling=sampling)
    next(source)
    state = source.state_dict()
    later = [next(source) for _ in range(2)]
    source.load_state_dict(state)
    assert all(same(batch, next(source)) for batch in later)
    assert torch.equal(torch.get_rng_state(), before)


@each_sampling
@pytest.mark.parametrize("kind", study.MODELS)
def test_padding_does_not_change_the_answer(sampling, kind) -> None:
    x, times, lengths, _ = frequency(6, seeded(), sampling, durations=(15, 40))
    model = study.build(kind, 7, seeded())
    p = study.logits(model, kind, x, times, lengths)
    more = x.shape[1] + 3
    x_more, times_more = torch.full((6, more, 1), 9.0), torch.full((6, more), 130.0)
    for n, length in enumerate(lengths.tolist()):
        x_more[n, :length], times_more[n, :length] = x[n, :length], times[n, :length]
        alone = study.logits(
            model, kind, x[n : n + 1, :length], times[n : n + 1, :length], lengths[n : n + 1]
        )
        assert torch.allclose(alone, p[n : n + 1], atol=1e-6)
    assert torch.allclose(study.logits(model, kind, x_more, times_more, lengths), p, atol=1e-6)


def test_the_lstms_get_the_time_as_a_second_input_in_a_sensible_range() -> None:
    seen = {}

    class Spy(torch.nn.Module):
        def forward(self, x, *, lengths):
            seen["x"], seen["lengths"] = x, lengths
            return x[:, 0]

    x, times, lengths, _ = frequency(20, seeded(), "asynchronous")
    model = Spy()
    study.logits(model, "lstm", x, times, lengths)
    assert torch.equal(seen["lengths"], lengths)
    assert torch.equal(seen["x"][:, :, :1], x)
    assert torch.allclose((seen["x"][:, :, 1] + 1) * 62.5, times, atol=1e-4)
    study.logits(model, "lstm dt", x, times, lengths)
    assert (seen["x"][:, 0, 1] == 0).all()
    assert torch.equal(seen["x"][:, 1:, 1], times[:, 1:] - times[:, :-1])


def test_the_twin_is_our_lstm_in_its_answers_and_in_every_step_of_training() -> None:
    ours = models.Classifier(layers.LSTM(2, 5, generator=seeded()), 2, generator=seeded()).double()
    twin = copy.deepcopy(ours)
    twin.rnn.compute_with("torch")
    x, times, lengths, y = frequency(8, seeded(), "asynchronous")
    x = torch.cat([x, times[..., None] / 125], dim=2).double()
    losses = []
    for net in (ours, twin):
        adam = torch.optim.Adam(net.parameters(), lr=0.1)
        losses.append([])
        for _ in range(5):
            loss = torch.nn.functional.cross_entropy(net(x, lengths=lengths), y)
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses[-1].append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    assert losses[0][0] > losses[0][-1]


SMALL = {
    "durations": [15.0, 20.0], "hidden": 6, "batch": 4, "lr": 1e-3, "clip": 1.0, "steps": 4,
    "eval_every": 2, "eval_size": 20, "test_size": 300, "seed": 0,
}  # fmt: skip


@pytest.mark.parametrize("kind", study.MODELS)
def test_a_run_gives_the_same_numbers_again(kind) -> None:
    first, again = (study.run(model=kind, sampling="standard", **SMALL) for _ in range(2))
    assert first == again
    assert first["steps"] == 4
    assert [e["step"] for e in first["evaluations"]] == [2, 4]
    assert 0 <= first["test_accuracy"] <= 1
    assert ("gate" in first) == (kind == "plstm")


def test_training_keeps_the_gate_in_range() -> None:
    wild = SMALL | {"lr": 0.5, "steps": 20, "hidden": 20}
    gate = study.run(model="plstm", sampling="standard", **wild)["gate"]
    assert min(gate["r_on"]) == 0.001 and max(gate["r_on"]) <= 1
    assert min(gate["tau"]) >= 0.001


def test_accuracy_is_that_of_all_parts_together() -> None:
    batch = frequency(2 * study.PART + 7, seeded(), durations=(15, 20))
    model = study.build("plstm", 5, seeded())
    p = study.logits(model, "plstm", *batch[:3])
    expected = (p.argmax(dim=1) == batch[3]).double().mean().item()
    assert study.accuracy(model, "plstm", batch) == pytest.approx(expected, abs=1e-12)
