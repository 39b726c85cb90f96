"""The study of neural n-grams: its text, what a network is measured by, mixtures, the curriculum."""

import itertools
import json
from collections import Counter
from typing import Any

import pytest
import torch
from helpers import seeded
from torch.nn.functional import cross_entropy

from rnnlib import tensorfiles
from rnnlib.experiments import ngram_lm, study, words
from rnnlib.experiments.__main__ import main
from rnnlib.models import NGramLM
from rnnlib.ngram import NGram
from rnnlib.text import UNK, Words

SMALL: dict[str, Any] = ngram_lm.NETWORK | {
    "corpus": "tales", "seed": 0, "hidden": 8, "embedding": 4, "epochs": 2, "lr": 0.01,
}  # fmt: skip


@pytest.fixture(scope="module")
def text() -> words.Text:
    return words.load("tales")


@pytest.fixture(scope="module")
def rows(text) -> torch.Tensor:
    return ngram_lm.windows(text.train, "tales")


# ---- the text -----------------------------------------------------------------------------------


def test_first_lines_are_whole_and_not_blank_until_there_are_enough_words() -> None:
    text = "a b\n\n \nc\nd e f\ng\n"
    assert words.first_lines(text, 1) == "a b\n"
    assert words.first_lines(text, 3) == "a b\n"  # two words and an END
    assert words.first_lines(text, 4) == "a b\nc\n"
    assert words.first_lines(text, 6) == "a b\nc\nd e f\n"
    assert words.first_lines(text, 99) == "a b\nc\nd e f\ng\n"


def test_the_texts_are_apart_and_the_vocabulary_is_of_the_first(text) -> None:
    parts = [set(part.splitlines()) for part in text[:3]]
    assert all(len(a & b) < 8 for a, b in itertools.combinations(parts, 2))  # short replies
    known = Counter(text.vocabulary.cut(text.train))
    assert len(text.vocabulary) == words.TALES_SIZE
    assert all(known[word] > 0 for word in text.vocabulary.symbols[2:])


def test_wikitext_is_cut_to_the_sizes_that_are_said(monkeypatch) -> None:
    whole = {
        name: f"{name} = \n\n" + "a b <unk> c\n" * 60_000 for name in ("train", "valid", "test")
    }
    monkeypatch.setattr(words.corpora, "load", lambda name: whole)
    try:
        text = words.load.__wrapped__("wikitext-2")
    finally:
        words.load.cache_clear()
    assert [len(text.vocabulary.cut(part)) for part in text[:3]] == [300_003, 100_003, 100_003]
    assert [part.splitlines()[0] for part in text[:3]] == ["train = ", "valid = ", "test = "]
    assert UNK in text.vocabulary.symbols


# ---- networks -----------------------------------------------------------------------------------


def test_log_probabilities_are_those_of_each_target_whatever_the_batch(rows) -> None:
    model = NGramLM(words.TALES_SIZE, 3, 4, 8, generator=seeded())
    log_p, right = ngram_lm.log_probabilities(model, rows[:1100])
    logits = model(rows[:1100, :-1])
    expected = -cross_entropy(logits, rows[:1100, -1], reduction="none")
    assert torch.allclose(log_p, expected.double(), rtol=1e-5)
    assert torch.equal(right, logits.argmax(dim=1) == rows[:1100, -1])
    one_by_one = torch.cat([ngram_lm.log_probabilities(model, row[None])[0] for row in rows[:9]])
    assert torch.allclose(one_by_one, log_p[:9], rtol=1e-5)


def test_a_network_begins_with_the_frequencies_of_the_training_words(rows) -> None:
    model = ngram_lm.build(rows, words.TALES_SIZE, SMALL)
    p = model.readout.bias.exp()
    assert p.sum().item() == pytest.approx(1, rel=1e-5)
    counts = torch.bincount(rows[:, -1], minlength=words.TALES_SIZE) + 1
    assert torch.allclose(p * counts.sum(), counts.float(), rtol=1e-4)
    other = ngram_lm.build(rows, words.TALES_SIZE, SMALL | {"frequencies": False})
    assert not other.readout.bias.any()
    assert torch.equal(other.readout.weight, model.readout.weight)


def test_only_matrices_decay() -> None:
    model = NGramLM(7, 3, 4, 8, generator=seeded())
    matrices, biases = ngram_lm.method(model, SMALL | {"weight_decay": 0.1}).param_groups
    assert (matrices["weight_decay"], biases["weight_decay"]) == (0.1, 0.0)
    assert {w.ndim for w in matrices["params"]} == {2}
    assert len(matrices["params"]) + len(biases["params"]) == len(list(model.parameters()))


def test_training_repeats_by_seed_and_keeps_the_best_epoch(text) -> None:
    model, found = ngram_lm.train(SMALL)
    again, same = ngram_lm.train(SMALL)
    assert found == same
    assert all(map(torch.equal, model.parameters(), again.parameters()))
    assert len(found["evaluations"]) == len(found["loss"]) == 2
    assert found["loss"][1] < found["loss"][0]
    log_p, right = ngram_lm.log_probabilities(model, ngram_lm.windows(text.validation, "tales"))
    best = min(found["evaluations"], key=lambda e: e["validation"])
    assert best == found["best"]
    assert -log_p.mean().item() == pytest.approx(best["validation"], abs=1e-5)
    assert right.double().mean().item() == pytest.approx(best["validation_accuracy"], abs=1e-5)
    other = ngram_lm.train(SMALL | {"seed": 1})[1]
    assert other["loss"] != found["loss"]


@pytest.mark.parametrize("products", [torch.float32, torch.bfloat16])
def test_training_takes_the_products_it_is_told(text, products, monkeypatch) -> None:
    rows = ngram_lm.windows(text.train, "tales")[:64]
    made = ngram_lm.build(rows, len(text.vocabulary), SMALL | {"dropout": 0.0})
    for w in made.parameters():  # large enough to be rounded
        w.data.normal_(generator=seeded())
    exact = cross_entropy(made(rows[:, :-1]), rows[:, -1]).item()
    off = abs(ngram_lm.loss(made, rows, products)[0].item() - exact)
    assert off < 1e-6 if products == torch.float32 else 1e-6 < off < 1e-1
    taken = []
    loss = ngram_lm.loss
    monkeypatch.setattr(
        ngram_lm, "loss", lambda *given, **kind: (taken.append(kind), loss(*given, **kind))[1]
    )
    ngram_lm.train(SMALL | {"epochs": 1}, products)
    assert all(kind == {"products": products} for kind in taken) and taken


def test_a_network_that_gets_worse_is_put_back_to_its_best_epoch(text) -> None:
    model, found = ngram_lm.train(SMALL | {"hidden": 64, "epochs": 6, "lr": 0.05})
    values = [e["validation"] for e in found["evaluations"]]
    assert values.index(min(values)) < 5
    log_p, _ = ngram_lm.log_probabilities(model, ngram_lm.windows(text.validation, "tales"))
    assert -log_p.mean().item() == pytest.approx(min(values), abs=1e-5)


def test_a_mixture_is_measured_on_words_that_did_not_choose_it(text) -> None:
    model, _ = ngram_lm.train(SMALL)
    found = ngram_lm.mixture(model, "tales")
    counted = NGram(text.train, 4, text.vocabulary)
    P = counted.log_probabilities(text.validation)[-1].exp()
    Q = ngram_lm.log_probabilities(model, ngram_lm.windows(text.validation, "tales"))[0].exp()
    half = len(P) // 2
    shares = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)[:, None]
    chosen = (shares * P[:half] + (1 - shares) * Q[:half]).log().mean(dim=1).argmax()
    assert found["share"] == pytest.approx(shares[chosen].item(), abs=2e-3)
    P, Q = P[half:], Q[half:]
    both = found["share"] * P + (1 - found["share"]) * Q
    for name, p in {"counts": P, "network": Q, "mixture": both}.items():
        assert found["validation"][name] == pytest.approx(-p.log().mean().item(), abs=1e-5)
        for groups in (found["by_seen"].values(), found["by_rank"]):
            parts = sum(group["share"] * group[name] for group in groups)
            assert parts == pytest.approx(found["validation"][name], abs=2e-4)
    assert found["validation"]["mixture"] < found["validation"]["counts"]
    test = -counted.log_probabilities(text.test)[-1].mean().item()
    assert found["test"]["counts"] == pytest.approx(test, abs=1e-5)
    gains = [p - q for _, p, q in found["examples"]["counts"]]
    assert len(gains) == ngram_lm.EXAMPLES
    assert min(gains) > 0 > max(p - q for _, p, q in found["examples"]["network"])


def test_the_longest_ngram_that_was_seen() -> None:
    text = "said the old woman\nthe fox\n"
    counted = NGram(text, 4, Words.of(text))
    for gram, expected in [
        ("said the old woman", 4), ("fox the old woman", 3), ("the fox old woman", 2),
        ("said the old fox", 1), ("said the old he", 0),
    ]:  # fmt: skip
        assert ngram_lm.seen_order(counted, tuple(gram.split())) == expected


# ---- the curriculum -----------------------------------------------------------------------------


def test_groups_are_by_rank_of_the_target(rows) -> None:
    groups = ngram_lm.rank_groups(rows, rows)
    ranked = [word for word, _ in Counter(rows[:, -1].tolist()).most_common()]
    places = {word: rank for rank, word in enumerate(ranked)}
    sizes = [10, 90, 900]
    assert [len(set(rows[groups == k, -1].tolist())) for k in range(3)] == sizes
    counts = torch.bincount(rows[:, -1])
    for k in range(3):  # ties may be broken in another way
        assert counts[rows[groups == k, -1]].min() >= counts[rows[groups == k + 1, -1]].max()
    assert places[int(rows[groups == 0, -1][0])] < 10


def test_phases_leave_out_the_most_frequent_targets_one_after_the_other(rows) -> None:
    ranked = [word for word, _ in Counter(rows[:, -1].tolist()).most_common(10)]
    settings = SMALL | {"batch": 200, "curriculum": True}
    batches = list(ngram_lm.phases(rows, 80, settings))
    assert len(batches) == 80
    for phase, dropped in enumerate((10, 5, 2, 0)):
        targets = torch.cat(batches[20 * phase : 20 * phase + 20])[:, -1]
        present = [word in targets for word in ranked]
        assert present == [False] * dropped + [True] * (10 - dropped)
    plain = list(ngram_lm.phases(rows, 80, settings | {"curriculum": False}))
    assert len(plain) == 80
    assert all(word in torch.cat(plain[:20])[:, -1] for word in ranked)


def test_a_curriculum_unlearns_the_frequent_words_and_learns_them_at_the_end() -> None:
    settings = SMALL | {"epochs": 4, "frequencies": False, "curriculum": True}
    found = ngram_lm.curriculum(settings)["evaluations"]
    plain = ngram_lm.curriculum(settings | {"curriculum": False})["evaluations"]
    assert len(found) == len(plain) == ngram_lm.POINTS
    assert found[2]["train_0"] > plain[2]["train_0"] + 1  # after the first phase
    assert found[2]["train_2"] < plain[2]["train_2"]
    assert found[-1]["train_0"] < found[2]["train_0"] - 1
    assert found[2]["bias"] < plain[2]["bias"]
    begun = ngram_lm.curriculum(settings | {"frequencies": True})["evaluations"]
    assert begun[0]["bias"] > 0.9


# ---- the study ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "data_dir", lambda: tmp_path)
    return tmp_path


def test_the_plan_has_all_that_is_asked() -> None:
    hidden = {(s["activation"], s["hidden"], s["seed"]) for s in ngram_lm.plan("hidden", 3)}
    assert hidden == set(itertools.product(("linear", "tanh"), (128, 256, 512), range(3)))
    assert {s["embedding"] for s in ngram_lm.plan("embedding", 3)} >= {32, 64, 128}
    names = ("optimizer", "frequencies", "curriculum", "seed")
    found = [tuple(s[name] for name in names) for s in ngram_lm.plan("curriculum", 3)]
    every = set(itertools.product(("sgd", "adam"), (False, True), (False, True), range(3)))
    assert len(found) == len(every) == len(every & set(found))
    assert [s["embedding"] for s in ngram_lm.plan("map", 3)] == [2]


def test_a_map_has_the_learned_table_and_the_principal_directions_of_the_best(folder) -> None:
    with pytest.raises(ValueError, match=r"there is no file .*ngram_lm_best"):
        ngram_lm.run(part="map", **SMALL | {"embedding": 2})
    ngram_lm.run(part="best", **SMALL)
    found = ngram_lm.run(part="map", **SMALL | {"embedding": 2})["words"]
    symbols = words.load("tales").vocabulary.symbols[3:503]
    assert found["words"] == list(symbols)
    rows = tensorfiles.load(ngram_lm.kept())[0]["embedding.weight"][3:503].double()  # (V, E)
    model, _ = ngram_lm.train(SMALL | {"embedding": 2})
    places = {
        name: torch.tensor(part["xy"]).view(-1, 2) * part["unit"]
        for name, part in found["maps"].items()
    }
    learned = model.embedding.weight.detach()[3:503]
    apart = torch.nn.functional.pdist
    assert torch.allclose(apart(places["learned, 2 numbers"]), apart(learned), atol=1e-3)
    variance = torch.linalg.eigvalsh(rows.T.cov())  # of the principal directions, from the lowest
    assert torch.allclose(places["projected"].double().var(dim=0), variance[[-1, -2]], rtol=1e-3)
    nearest = torch.cosine_similarity(rows[7], rows, dim=1).topk(6).indices[1:].tolist()
    assert found["neighbours"][str(len(symbols))]["index"][35:40] == nearest


def test_what_is_kept_of_the_best_is_the_whole_network(folder, text) -> None:
    found = ngram_lm.run(part="best", **SMALL)
    weights, about = tensorfiles.load(folder / "checkpoints" / "ngram_lm_best.safetensors")
    model = NGramLM(words.TALES_SIZE, 3, SMALL["embedding"], SMALL["hidden"])
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    log_p, _ = ngram_lm.log_probabilities(model, ngram_lm.windows(text.validation, "tales"))
    assert -log_p.mean().item() == pytest.approx(found["best"]["validation"], abs=2e-3)
    assert about["settings"] == SMALL


def test_the_command_records_the_counts(folder) -> None:
    main(["ngram_lm", "--part", "counts", "--corpus", "tales", "--workers", "1"])
    record = json.loads((folder / "results" / "ngram_lm_counts.json").read_text("utf-8"))
    (run,) = record["runs"]
    found, text = run["result"], words.load("tales")
    model = NGram(text.train, 5, text.vocabulary)
    expected = (-model.log_probabilities(text.test).mean(dim=1)).tolist()
    assert found["nats"]["test"] == pytest.approx(expected, rel=1e-12)
    known, pairs = (
        [tuple(pair) for pair in ngram_lm.windows(part, "tales")[:, -2:].tolist()]
        for part in (text.train, text.validation)
    )
    seen = set(known)
    share = sum(pair in seen for pair in pairs) / len(pairs)
    assert found["seen"]["validation"][1] == pytest.approx(share, rel=1e-12)
    assert found["different"][1] == len(seen)
    assert found["words"]["train"] == len(text.vocabulary.cut(text.train))
