"""The race on Tiny Shakespeare: what its model sees, how it is measured, what a run records."""

import itertools
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers import seeded
from torch.nn.functional import cross_entropy

from rnnlib import training
from rnnlib.experiments import shakespeare, study
from rnnlib.experiments.__main__ import main
from rnnlib.experiments.shakespeare import Reader, carried, forget, variants, windowed, windows

K = 5
TEXT = torch.randint(0, K, (1500,), generator=seeded(3))
SMALL: dict[str, Any] = {
    "lstm": "bfloat16", "H": 16, "T": 8, "N": 4, "lr": 0.02, "decay": True, "frequencies": True, "lookback": 2,
    "resets": 0.2, "steps": 100, "threads": 1, "seed": 0, "variant": "small",
}  # fmt: skip


def reader(lookback: int = 1, lstm: str = "float32", H: int = 12) -> Reader:
    """A model whose start is not zero, so that a forgotten start shows."""
    model = Reader(K, H, lookback=lookback, lstm=lstm, generator=seeded(1))
    model.start.data.normal_(generator=seeded(2))
    return model


@pytest.mark.parametrize("lookback", [1, 3])
@torch.no_grad()
def test_strands_with_burn_in_equal_one_strand(lookback) -> None:
    model = reader(lookback)
    one = carried(model, TEXT, strands=1, burn_in=1)
    assert carried(model, TEXT, strands=7, burn_in=60) == pytest.approx(one, abs=1e-6)
    # and one strand is the whole text in one go
    x = torch.cat([torch.full((lookback - 1,), K), TEXT[:-1]])
    p, _ = model(x[:, None])
    assert one == pytest.approx(cross_entropy(p[:, 0], TEXT[1:]).item(), abs=1e-6)


@pytest.mark.parametrize("lookback", [1, 3])
@torch.no_grad()
def test_a_window_is_read_from_the_start_and_sees_only_its_own_characters(lookback) -> None:
    model = reader(lookback)
    losses = []
    for k in range(0, len(TEXT) - 64, 64):
        x = torch.cat([torch.full((lookback - 1,), K), TEXT[k : k + 64]])
        p, _ = model(x[:, None])
        losses.append(cross_entropy(p[:, 0], TEXT[k + 1 : k + 65]).item())
    assert len(losses) == 23
    assert windowed(model, TEXT) == pytest.approx(sum(losses) / 23, abs=1e-6)


@pytest.mark.parametrize("measure", [carried, windowed])
def test_a_model_that_knows_nothing_needs_the_log_of_k_nats(measure) -> None:
    model = reader()
    for weight in model.parameters():
        weight.data.zero_()
    assert measure(model, TEXT) == pytest.approx(math.log(K), abs=1e-6)


@torch.no_grad()
def test_the_three_ways_to_compute_the_lstm_agree() -> None:
    x = TEXT[:200].view(50, 4)
    p = {lstm: reader(2, lstm, H=64)(x)[0] for lstm in shakespeare.LSTMS}
    assert p["float32"] == pytest.approx(p["torch"], abs=1e-5)
    assert p["bfloat16"] == pytest.approx(p["torch"], abs=0.02)
    assert not torch.equal(p["bfloat16"], p["float32"])


def test_each_of_the_last_characters_has_a_column_of_its_own() -> None:
    x = reader(lookback=3).inputs(torch.tensor([[K], [4], [0], [2]]))  # (2, 1, 18)
    assert x.shape == (2, 1, 3 * (K + 1))
    assert x[0, 0].nonzero().flatten().tolist() == [0, (K + 1) + 4, 2 * (K + 1) + K]
    assert x[1, 0].nonzero().flatten().tolist() == [2, (K + 1) + 0, 2 * (K + 1) + 4]


def test_windows_go_on_where_the_last_ended_and_begin_anew_at_the_end() -> None:
    numbers = torch.arange(200)
    source = windows(numbers, T=10, N=2, before=3, generator=seeded())
    first = list(itertools.islice(source, 9))  # of 100 steps a strand, 9 * 10 + 3 + 1 are read
    assert [begins for begins, _ in first] == [True] + [False] * 8
    assert first[0][1].tolist() == [[k, 100 + k] for k in range(14)]
    for (_, one), (_, two) in itertools.pairwise(first):
        assert one.shape == (14, 2)
        assert torch.equal(two[:4], one[-4:])
    begins, window = next(source)
    assert begins and 0 <= window[0, 0] < 10


def test_forgotten_strands_begin_at_the_start_and_the_others_go_on() -> None:
    model = reader(lookback=3)
    window = torch.ones(9, 2, dtype=torch.int64)
    strands = torch.tensor([True, False])
    state = torch.full((2, 12), 7.0), torch.full((2, 12), 8.0)
    forgotten, (h, c) = forget(model, strands, window, state)
    assert forgotten[:, 0].tolist() == [K, K] + 7 * [1]
    assert (forgotten[:, 1] == 1).all() and (window == 1).all()
    assert torch.equal(torch.stack([h[0], c[0]]), model.start)
    assert (h[1] == 7).all() and (c[1] == 8).all()


def test_the_readout_begins_at_the_log_of_the_frequencies() -> None:
    shares = torch.tensor([0.5, 0.2, 0.1, 0.1, 0.1])
    model = Reader(K, 4, frequencies=shares, generator=seeded())
    assert model.readout.bias.detach().softmax(0) == pytest.approx(shares, abs=1e-6)
    assert not Reader(K, 4, generator=seeded()).readout.bias.any()


def test_forget_gates_begin_at_one_and_every_other_bias_at_zero() -> None:
    _, _, b, b_2 = Reader(K, 4, generator=seeded()).rnn.all_weights[0]
    assert b.tolist() == 4 * [0] + 4 * [1] + 8 * [0] and not b_2.any()


@pytest.fixture
def tiny(monkeypatch) -> None:
    """A text that repeats every 6 characters, with 5 of them."""
    numbers = torch.tensor([0, 1, 2, 0, 3, 4]).repeat(500)
    monkeypatch.setattr(shakespeare, "text", lambda: (numbers[:2400], numbers[2400:], K))


def test_a_run_learns_and_repeats(tiny) -> None:
    first, again, other = (shakespeare.run(**SMALL | {"seed": s}) for s in (0, 0, 1))
    assert first["carried"] < 0.05 < first["loss"][0]
    assert first["windows"] < 0.2
    assert len(first["loss"]) == 20
    same = ("carried", "windows", "loss", "parameters")
    assert [first[k] for k in same] == [again[k] for k in same]
    assert first["loss"] != other["loss"]


def test_a_run_is_evaluated_in_float32_with_its_threads_and_puts_the_threads_back(
    tiny, monkeypatch
) -> None:
    before, seen = torch.get_num_threads(), []

    def measure(model, numbers) -> float:
        seen.append((model.lstm, torch.get_num_threads()))
        return 0.0

    monkeypatch.setattr(shakespeare, "carried", measure)
    monkeypatch.setattr(shakespeare, "windowed", measure)
    shakespeare.run(**SMALL | {"threads": before + 1, "steps": 2})
    assert seen == 2 * [("torch", before + 1)]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", shakespeare.CHANGES)
def test_each_variant_runs(tiny, name) -> None:
    small = {"H": 8, "T": 4, "N": 2, "steps": 3, "threads": 1, "seed": 0}
    result = shakespeare.run(variant=name, **variants()[name] | small)
    assert 0 < result["windows"] < 2


def test_a_run_says_how_many_seconds_it_took_and_how_many_of_them_the_evaluation(
    tiny, monkeypatch
) -> None:
    clock = iter([10.0, 13.25, 13.5])  # at the beginning, before the evaluation and after it
    monkeypatch.setattr(shakespeare, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    result = shakespeare.run(**SMALL | {"steps": 2})
    assert (result["wall_seconds"], result["evaluation_seconds"]) == (3.5, 0.25)


def test_resets_put_strands_back_to_the_learned_start(tiny) -> None:
    """With every strand reset at every window the start gets a gradient, so it moves."""
    never, always = (shakespeare.run(**SMALL | {"resets": r, "steps": 60}) for r in (0.0, 1.0))
    assert always["windows"] < never["windows"]


def test_a_run_that_blows_up_says_so(tiny) -> None:
    with pytest.raises(training.Diverged, match=r"step \d+: loss .*Lower the learning rate"):
        shakespeare.run(**SMALL | {"lr": 1e30})


def test_training_begins_at_the_first_rate_and_clips(tiny, monkeypatch) -> None:
    train, seen = training.train, []

    def watched(model, source, loss_fn, optimizer, steps, **options) -> training.History:
        seen.append((optimizer.param_groups[0]["lr"], options["clip_norm"]))
        return train(model, source, loss_fn, optimizer, steps, **options)

    monkeypatch.setattr(training, "train", watched)
    shakespeare.run(**SMALL | {"steps": 2})
    assert seen == [(shakespeare.learning_rate(0, 2, SMALL["lr"], True), 1.0)]


def test_the_rate_rises_and_falls_in_lines() -> None:
    rates = [shakespeare.learning_rate(k, 1000, 0.01, True) for k in range(1000)]
    assert rates[0] == pytest.approx(0.01 / shakespeare.WARM_UP)
    assert max(rates) == rates[shakespeare.WARM_UP - 1] <= 0.01
    assert rates[-1] == pytest.approx(0.01 / 1000)
    assert shakespeare.learning_rate(999, 1000, 0.01, False) == 0.01


def test_variants_add_up() -> None:
    plain, *_, last = variants().values()
    assert plain == shakespeare.PLAIN
    for change in shakespeare.CHANGES.values():
        assert change.keys() <= plain.keys()
    assert last.keys() == plain.keys() and last["lstm"] == "bfloat16"


def test_the_command_line_asks_for_every_variant_and_seed_one_at_a_time(
    monkeypatch, tmp_path
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(study, "data_dir", lambda: tmp_path)  # no record is there

    def run_study(name, run, settings, workers, threads) -> None:
        asked.update(name=name, settings=settings, workers=workers, threads=threads)

    monkeypatch.setattr(shakespeare, "run_study", run_study)
    main(["shakespeare", "--seeds", "2"])
    assert asked["workers"] == 1 and asked["threads"] == 1
    assert [s["seed"] for s in asked["settings"]] == [0] * len(variants()) + [1] * len(variants())
    main(["shakespeare", "--seeds", "1", "--variants", "plain", "--steps", "7"])
    assert [(s["variant"], s["steps"]) for s in asked["settings"]] == [("plain", 7)]
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        main(["shakespeare", "--threads", "0"])
    with pytest.raises(SystemExit, match="--workers must be 1"):
        main(["shakespeare", "--workers", "2"])
