"""The study of recurrent models of words: gradients of truncated windows, and what a run records."""

import itertools
import json
from typing import Any

import pytest
import torch
from helpers import normal, seeded
from torch.nn.functional import cross_entropy

from rnnlib import LSTM, checkpoints, training
from rnnlib.experiments import rnn_lm, words
from rnnlib.experiments.__main__ import main
from rnnlib.models import RNNLM
from rnnlib.text import Words

K = 12
TEXT = torch.randint(K, (400,), generator=seeded(3))
SMALL: dict[str, Any] = rnn_lm.NETWORK | {
    "corpus": "tiny", "embedding": 5, "hidden": 6, "T": 7, "batch": 4, "epochs": 3, "seed": 1, "lr": 0.02,
}  # fmt: skip


@pytest.fixture(autouse=True)
def tiny(monkeypatch) -> None:
    vocabulary = Words(["<unk>", "\n", *(f"w{k}" for k in range(K - 2))])
    text = [vocabulary.decode(TEXT[a:b]) for a, b in ((0, 300), (300, 350), (350, 400))]
    monkeypatch.setattr(words, "load", lambda _: words.Text(*text, vocabulary))
    monkeypatch.setattr(rnn_lm, "FULL", 24)
    monkeypatch.setattr(rnn_lm, "STRETCHES", 3)
    monkeypatch.setattr(rnn_lm, "STRANDS", 5)


def model(kind: Any = LSTM, scale: float = 2.0) -> RNNLM:
    made = RNNLM(K, kind, 5, 6, 2, generator=seeded(1))
    for weight in made.parameters():
        weight.data *= scale  # so that what is far back matters
    return made


def layer_gradient(made: RNNLM, loss: torch.Tensor) -> torch.Tensor:
    weights = [w for layer in made.layers for w in layer.parameters()]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])


@pytest.mark.parametrize("T", [24, 7])
def test_a_gradient_in_windows_is_that_of_the_mean_loss_cut_between_them(T) -> None:
    made, stretch = model().double(), TEXT[:100].view(4, 25)
    state = tuple(normal(2, 4, 6, seed=k) for k in (1, 2))
    if T == 24:  # no cut: torch's autograd through all steps at once
        logits, last = made(stretch[:, :-1], state)
        loss = cross_entropy(logits.flatten(0, 1), stretch[:, 1:].flatten())
        expected = layer_gradient(made, loss)
    else:
        expected, last = torch.zeros(()), state
        for t in (0, 7, 14, 21):
            x, y = stretch[:, t : min(t + 7, 24)], stretch[:, t + 1 : t + 8]
            logits, last = made(x, tuple(part.detach() for part in last))
            loss = cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum") / (4 * 24)
            expected = expected + layer_gradient(made, loss)
    found, after = rnn_lm.gradient(made, stretch, T, state)
    assert torch.allclose(found.double(), expected, rtol=1e-5, atol=1e-8)
    assert all(torch.allclose(a, b) for a, b in zip(after, last, strict=True))


def test_truncation_is_told_by_angle_and_length(monkeypatch) -> None:
    monkeypatch.setattr(rnn_lm, "WINDOWS", (1, 5, 12))
    made = model()
    found = rnn_lm.truncation(made, TEXT, 4)
    assert made.training
    state: Any = None
    full, cut = [], []
    strands = torch.stack([TEXT[99 * n : 99 * n + 100] for n in range(4)])
    for start in (0, 24, 48):
        stretch = strands[:, start : start + 25]
        full.append(rnn_lm.gradient(made, stretch, 24, state)[0])
        g, state = rnn_lm.gradient(made, stretch, 5, state)
        cut.append(g)
    cosines = [(a @ b / a.norm() / b.norm()).item() for a, b in zip(cut, full, strict=True)]
    lengths = [(a.norm() / b.norm()).item() for a, b in zip(cut, full, strict=True)]
    assert found["windows"] == [1, 5, 12]
    assert found["cosine"][1] == pytest.approx(sum(cosines) / 3, abs=2e-5)
    assert found["cosine_sd"][1] == pytest.approx(torch.tensor(cosines).std().item(), abs=2e-5)
    assert found["length"][1] == pytest.approx(sum(lengths) / 3, abs=2e-5)
    a, b = sum(cut) / 3, sum(full) / 3
    assert found["mean_cosine"][1] == pytest.approx((a @ b / a.norm() / b.norm()).item(), abs=2e-5)
    assert found["mean_length"][1] == pytest.approx((a.norm() / b.norm()).item(), abs=2e-5)
    noise = [(u @ v / u.norm() / v.norm()).item() for u, v in itertools.pairwise(full)]
    assert found["noise"] == pytest.approx(sum(noise) / 2, abs=2e-5)
    assert found["cosine"][0] < found["cosine"][1] < found["cosine"][2] < 1


def test_a_run_keeps_its_best_epoch_and_repeats() -> None:
    made, found = rnn_lm.train(SMALL | {"epochs": 12})
    epochs = found["evaluations"]
    assert [e["step"] for e in epochs] == [10 * k for k in range(1, 13)]
    assert found["best"] == min(epochs, key=lambda e: e["validation"])
    assert found["best"]["step"] < 120  # a text without rules is learned by heart
    now = rnn_lm.measured(made, TEXT[300:350])
    assert now["nats"] == pytest.approx(found["best"]["validation"], abs=1e-5)
    again = rnn_lm.run(part="embedding", **SMALL | {"epochs": 12})
    assert again == found


@pytest.mark.parametrize("products", [torch.float32, torch.bfloat16])
def test_training_takes_the_products_it_is_told(products, monkeypatch) -> None:
    made = model().eval()  # weights large enough to be rounded
    x, y = TEXT[:28].view(4, 7), TEXT[1:29].view(4, 7)
    logits, _ = made(x)
    exact = cross_entropy(logits.flatten(0, 1), y.flatten()).item()
    off = abs(rnn_lm.loss(made, x, y, None, products)[0].item() - exact)
    assert off < 1e-6 if products == torch.float32 else 1e-6 < off < 1e-2
    taken = []
    loss = RNNLM.loss
    monkeypatch.setattr(RNNLM, "loss", lambda *given: (taken.append(given[-1]), loss(*given))[1])
    rnn_lm.train(SMALL | {"epochs": 1}, products)
    assert set(taken) == {products}


def test_the_rate_falls_in_a_line(monkeypatch) -> None:
    rates = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self, *a: (rates.append(self.param_groups[0]["lr"]), step(self, *a))
    )  # fmt: skip
    rnn_lm.train(SMALL)
    assert rates == pytest.approx([0.02 * (1 - k / 30) for k in range(30)])


@pytest.mark.parametrize("resets", [0.0, 1.0])
def test_windows_are_compared_at_equal_steps_words_and_time(resets, monkeypatch) -> None:
    equal = {"steps": 9, "words": 15 * 28, "seconds": 0.0}
    found = rnn_lm.run(part="window", **SMALL | {"resets": resets, "equal": equal})["equal"]
    assert {name: e["steps"] for name, e in found.items()} == {
        "steps": 9,
        "words": 15,
        "seconds": 1,
    }
    assert found["words"]["words"] == 420 and found["seconds"]["seconds"] > 0

    made = rnn_lm.build(TEXT[:300], K, SMALL, seeded(1))  # the same by hand, to step 9
    method = rnn_lm.method(made, 0.02)
    source = rnn_lm.Contiguous(TEXT[:300], 7, 4)
    state: Any = None
    for _ in range(9):
        window = next(source)
        if resets or source.begins:
            state = None
        loss, state = rnn_lm.loss(made, window[:, :-1], window[:, 1:], state)
        state = tuple(part.detach() for part in state)
        method.zero_grad()
        loss.backward()
        training.clip_gradient(made.parameters(), 1.0)
        method.step()
    expected = rnn_lm.measured(made, TEXT[300:350])["nats"]
    assert found["steps"]["nats"] == pytest.approx(expected, abs=1e-5)


def test_the_best_reads_the_test_text_and_keeps_its_weights(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rnn_lm.study, "data_dir", lambda: tmp_path)
    settings = SMALL | {"embedding": 6, "layers": 2, "tied": True, "seed": 0, "dropout": 0.2}
    found = rnn_lm.run(part="best", **settings)
    made, vocabulary, kept = checkpoints.load_model(
        tmp_path / "checkpoints" / "rnn_lm_best.safetensors"
    )
    assert kept == settings and len(vocabulary) == K
    test = rnn_lm.measured(made, TEXT[350:400])["nats"]
    assert found["test"]["nats"] == pytest.approx(test, abs=2e-3)  # rounded to half precision


def test_the_plan_has_every_setting_once_for_each_seed() -> None:
    sizes = {part: len(rnn_lm.plan(part, 3)) for part in rnn_lm.PARTS}
    assert sizes == {"kinds": 18, "embedding": 12, "best": 3, "window": 42}
    for part in rnn_lm.PARTS:
        plan = [json.dumps(s, sort_keys=True) for s in rnn_lm.plan(part, 3)]
        assert len(set(plan)) == len(plan)


def test_the_command_writes_a_record_a_part(tmp_path, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(rnn_lm, "run_study", lambda *a: asked.append(a))
    monkeypatch.setattr(rnn_lm.study, "data_dir", lambda: tmp_path)
    monkeypatch.setattr(words, "available", lambda corpus, study: "tales")
    assert main("rnn_lm --part kinds window --seeds 2 --epochs 1 --workers 1".split()) == 0
    assert [(name, len(settings), workers) for name, _, settings, workers in asked] == [
        ("rnn_lm_kinds", 12, 1),
        ("rnn_lm_window", 28, 1),
    ]
    assert {(s["corpus"], s["epochs"]) for _, _, some, _ in asked for s in some} == {("tales", 1)}
