"""How the functions of ``rnnlib.bptt`` are called: what each takes, refuses by name, and returns."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import bptt_call
from shown_code import mathematics

from rnnlib import bptt

ROOT = Path(__file__).parents[1]
N, T, D, H, K = 2, 4, 3, 5, 7
M, E = 3, 6  # words before, entries of a word's row
V = 6  # nodes of a graph
READOUT = {"h": (N, T, H), "W_ph": (K, H), "b_p": (K,), "dp": (N, T, K), "p": (N, T, K)}
CELLS = {
    "rnn": {"x": (N, T, D), "h0": (N, H), "W_hx": (H, D), "W_hh": (H, H), "b_h": (H,)},
    "lstm": {
        "x": (N, T, D), "h0": (N, H), "c0": (N, H), "W_x": (4 * H, D), "W_h": (4 * H, H),
        "b": (4 * H,), "c": (N, T, H), "gates": (N, T, 4 * H),
    },
    "gru": {
        "x": (N, T, D), "h0": (N, H), "W_x": (3 * H, D), "W_h": (3 * H, H), "b": (3 * H,),
        "b_nh": (H,), "gates": (N, T, 3 * H),
    },
}  # fmt: skip
NGRAM = {
    "C": (K, E), "W_hx": (H, M * E), "b_h": (H,), "x": (N, M * E), "slope": (N, H), "dh": (N, H),
}  # fmt: skip
GCN = {
    "A": (V, V), "x": (V, D), "W_hx": (H, D), "b_h": (H,), "lam": (1,), "u": (V, H), "z": (V, H),
    "da": (V, H),
}  # fmt: skip
DAG = {
    "x": (N, V, D), "h0": (N, H), "W_hx": (H, D), "W_hh": (H, H), "b_h": (H,), "h": (N, V, H),
    "heard": (N, V, H), "dh_immediate": (N, V, H),
}  # fmt: skip
TAKES = {  # every array that a function takes
    "rnn_forward": "x h0 W_hx W_hh b_h",
    "rnn_backward": "dh_immediate x h0 h W_hx W_hh",
    "rnn_loss": "x h0 W_hx W_hh b_h W_ph b_p y",
    "lstm_forward": "x h0 c0 W_x W_h b",
    "lstm_backward": "dh_immediate x h0 c0 h c gates W_x W_h",
    "lstm_loss": "x h0 c0 W_x W_h b W_ph b_p y",
    "gru_forward": "x h0 W_x W_h b b_nh",
    "gru_backward": "dh_immediate x h0 h gates W_x W_h b_nh",
    "gru_loss": "x h0 W_x W_h b b_nh W_ph b_p y",
    "ngram_forward": "words C W_hx b_h",
    "ngram_backward": "dh words C x slope W_hx",
    "ngram_loss": "words C W_hx b_h W_ph b_p y",
    "gcn_forward": "A x W_hx b_h lam",
    "gcn_backward": "da A x u z W_hx lam",
    "gcn_loss": "A x W_hx b_h lam W_ph b_p nodes y",
    "dag_forward": "x h0 edges W_hx W_hh b_h",
    "dag_backward": "dh_immediate x h0 h heard edges W_hx W_hh",
    "readout_forward": "h W_ph b_p",
    "readout_backward": "dp h W_ph",
    "readout_loss": "h W_ph b_p y",
    "softmax": "p",
    "cross_entropy": "p y",
}
FREE = {("softmax", "p", axis) for axis in range(3)} | {  # sizes that nothing else has
    ("rnn_forward", "x", 1), ("lstm_forward", "x", 1), ("gru_forward", "x", 1),
    ("ngram_forward", "words", 0), ("ngram_forward", "C", 0), ("ngram_backward", "C", 0),
    ("gcn_loss", "nodes", 0), ("dag_forward", "x", 1), ("dag_forward", "edges", 0),
    ("dag_backward", "edges", 0),
    ("readout_forward", "h", 0), ("readout_forward", "h", 1), ("cross_entropy", "p", 2),
}  # fmt: skip
EACH = [(name, array) for name, arrays in TAKES.items() for array in arrays.split()]


def right(function: str) -> dict[str, Any]:
    """Arrays at random that fit the function, by their names."""
    rng = np.random.default_rng(0)
    kinds = CELLS | {"ngram": NGRAM, "gcn": GCN, "dag": DAG}
    shapes = READOUT | {"dh_immediate": (N, T, H)} | kinds.get(function.split("_")[0], {})
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    arrays["y"] = rng.integers(0, K, N if function == "ngram_loss" else (N, T))
    arrays["words"] = rng.integers(0, K, (N, M))
    arrays["edges"] = np.array([(v, v + 1) for v in range(V - 1)])
    if function.startswith("gcn"):
        arrays["A"], arrays["lam"] = abs(arrays["A"]), abs(arrays["lam"])  # degrees above zero
        arrays["nodes"], arrays["y"] = rng.integers(0, V, M), rng.integers(0, K, M)
    return {name: arrays[name] for name in TAKES[function].split()}


def refused(function: str, given: dict[str, Any], name: str) -> str:
    """The message with which the call is refused, which has the name."""
    with pytest.raises((TypeError, ValueError)) as caught:
        bptt_call(getattr(bptt, function), given)
    message = str(caught.value)
    assert re.search(rf"(?<!\w){name}(?!\w)", message), message
    return message


def with_entry(a: np.ndarray, value: float) -> np.ndarray:
    a = a.copy()
    a.flat[-1] = value
    return a


SPOILED = {
    "a list": lambda a: a.tolist(),
    "a tensor": torch.from_numpy,
    "nothing": lambda a: None,
    "masked": np.ma.masked_array,
    "complex": lambda a: a + 0j,
    "of another type": lambda a: a.astype(np.float32),
    "whole numbers": lambda a: (10 * a).astype(int),
    "truths": lambda a: a > 0,
    "NaN": lambda a: with_entry(a, np.nan),
    "infinite": lambda a: with_entry(a, -np.inf),
    "empty": lambda a: a[..., :0],
}
SPOILED_WORDS = {k: SPOILED[k] for k in ("a list", "a tensor", "nothing", "masked", "truths")} | {
    "floating": lambda y: y.astype(float),
    "too large": lambda y: with_entry(y, K),
    "negative": lambda y: with_entry(y, -1),
    "one-hot": lambda y: np.eye(K, dtype=int)[y],
    "empty": lambda y: y[..., :0],
}
SPOILED_LABELS = SPOILED_WORDS | {
    "of another shape": lambda y: y[..., 1:],
    "of another batch": lambda y: np.concatenate([y, y]),
    "for each sequence of another batch": lambda y: y.reshape(-1)[:1],
}
SPOILED_NODES = {k: v for k, v in SPOILED_WORDS.items() if k != "one-hot"}
SPOILED_AS = {
    "y": SPOILED_LABELS, "words": SPOILED_WORDS, "nodes": SPOILED_NODES, "edges": SPOILED_NODES,
}  # fmt: skip


@pytest.mark.parametrize("function", TAKES)
def test_arrays_that_fit_are_taken(function) -> None:
    bptt_call(getattr(bptt, function), right(function))


@pytest.mark.parametrize(("function", "array"), EACH)
def test_each_array_that_is_spoiled_is_refused_by_its_name(function, array) -> None:
    given = right(function)
    for what, spoil in SPOILED_AS.get(array, SPOILED).items():
        if (array, what) != ("p", "of another type"):  # p has no other array to differ from
            refused(function, given | {array: spoil(given[array])}, array)
    if given[array].ndim == 2:
        refused(function, given | {array: given[array].view(np.matrix)}, array)


@pytest.mark.parametrize(("function", "array"), EACH)
def test_every_size_counts(function, array) -> None:
    given = right(function)
    a = given[array]
    for axis in range(a.ndim):
        if (function, array, axis) not in FREE:
            longer = np.concatenate([a, a.take([0], axis)], axis)
            with pytest.raises(ValueError, match="must have shape"):
                bptt_call(getattr(bptt, function), given | {array: longer})
    if array not in ("h", "p", "dp", "y") or function in ("rnn_backward", "gru_backward"):
        for other in (a[None], a[..., None], a.flat[:1].reshape(())):
            assert "must have shape" in refused(function, given | {array: other}, array)


@pytest.mark.parametrize(
    "function", [f for f in TAKES if f.split("_")[0] in {*CELLS, "ngram", "gcn", "dag"}]
)
def test_what_holds_the_arrays_is_refused_by_its_name(function) -> None:
    given = right(function)
    names = inspect.signature(getattr(bptt, function)).parameters
    if "weights" in names:
        weights = {name: a for name, a in given.items() if name[0] in "WbC" or name == "lam"}
        for name in weights:
            less = {k: v for k, v in weights.items() if k != name}
            assert repr(name) in refused(function, given | {"weights": less}, "weights")
        for name in ("W_hz", "x", 3):
            more = weights | {name: np.zeros(3)}
            assert repr(name) in refused(function, given | {"weights": more}, "weights")
        for other in (list(weights.values()), None, {}, np.zeros(3)):
            refused(function, given | {"weights": other}, "weights")
    if "state" in names:
        h0, c0 = given["h0"], given["c0"]
        for other in (h0, np.stack([h0, c0]), (h0,), (h0, c0, c0), None, {"h0": h0, "c0": c0}):
            assert "(h0, c0)" in refused(function, given | {"state": other}, "state")
    if "cache" in names:
        kinds = {
            "rnn": bptt.RNNCache, "lstm": bptt.LSTMCache, "gru": bptt.GRUCache,
            "ngram": bptt.NGramCache, "gcn": bptt.GCNCache, "dag": bptt.DAGCache,
        }  # fmt: skip
        kind = kinds.pop(function.split("_")[0])
        fields = [given[name] for name in kind._fields]
        others = [other(*(given["x"] for _ in other._fields)) for other in kinds.values()]
        for other in (*others, tuple(fields), dict(zip(kind._fields, fields, strict=True)), None):
            assert kind.__name__ in refused(function, given | {"cache": other}, "cache")


@pytest.mark.parametrize("cell", CELLS)
def test_forward_also_takes_the_weights_of_a_whole_network(cell) -> None:
    given = right(f"{cell}_loss")
    del given["y"]
    forward = getattr(bptt, f"{cell}_forward")
    h, _ = bptt_call(forward, given)
    assert np.array_equal(h, bptt_call(forward, right(f"{cell}_forward"))[0])


@pytest.mark.parametrize("cell", CELLS)
def test_the_cache_holds_what_backward_takes_and_gradients_are_named_like_weights(cell) -> None:
    given = right(f"{cell}_loss")
    h, cache = bptt_call(getattr(bptt, f"{cell}_forward"), given)
    assert set(cache._fields) | {"dh_immediate"} == set(TAKES[f"{cell}_backward"].split())
    assert cache.h is h
    assert all(getattr(cache, k) is a for k, a in given.items() if k in cache._fields)
    _, grads = bptt_call(getattr(bptt, f"{cell}_loss"), given)
    states = {"h", "c"} & set(cache._fields)
    assert grads.keys() == given.keys() - {"y"} | states
    assert all(grads[k].shape == a.shape for k, a in given.items() if k != "y")


@pytest.mark.parametrize("cell", CELLS)
def test_backward_leaves_the_cache_as_it_was(cell) -> None:
    dh_immediate = right(f"{cell}_backward")["dh_immediate"]
    _, cache = bptt_call(getattr(bptt, f"{cell}_forward"), right(f"{cell}_forward"))
    before = [a.copy() for a in (dh_immediate, *cache)]
    getattr(bptt, f"{cell}_backward")(dh_immediate, cache)
    assert all(map(np.array_equal, (dh_immediate, *cache), before))


def test_no_public_function_has_more_than_five_arguments() -> None:
    public = [getattr(bptt, name) for name in bptt.__all__]
    functions = [f for f in public if inspect.isfunction(f)]
    assert {f.__name__ for f in functions} == {*TAKES, "sigmoid"}
    assert max(len(inspect.signature(f).parameters) for f in functions) <= 5


def test_pages_show_the_mathematics_and_nothing_else() -> None:
    """As ``book/_ext/shown_code.py`` shows it: the line of shapes, the signature, the equations."""
    shown = []
    pattern = r"```\{literalinclude\} \.\./rnnlib/bptt/(\w+)\.py\n:pyobject: (\w+)\n((?::.*\n)*)```"
    for page in sorted((ROOT / "book").glob("*.md")):
        for file, name, options in re.findall(pattern, page.read_text("utf-8")):
            source = (ROOT / "rnnlib" / "bptt" / f"{file}.py").read_text("utf-8")
            nodes = ast.parse(source).body
            node = next(n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == name)
            lines = source.splitlines()[node.decorator_list[0].lineno - 1 : node.end_lineno]
            code = mathematics("\n".join(lines))
            assert options == ":language: python\n", f"{page.name}: {name}"
            assert code.startswith("@shapes(") and f"\ndef {name}(" in code, name
            assert not re.search(r"validate|raise |assert |isinstance|fmt:|\"\"\"", code), name
            shown.append(name)
    both = {
        f"{name}_{way}"
        for name in (*CELLS, "ngram", "gcn", "dag")
        for way in ("forward", "backward")
    }
    assert set(shown) == both | {"cross_entropy"}
