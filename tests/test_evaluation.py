"""Evaluation mode for a while, with each module's own mode put back, and what a model gives."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
import torch
from helpers import seeded
from torch import Tensor, nn

from rnnlib import metrics, sampling
from rnnlib.evaluation import evaluating, predict
from rnnlib.models import CharacterModel
from rnnlib.text import Vocabulary

VOCABULARY = Vocabulary("abcde")
NUMBERS = torch.randint(5, (40,), generator=seeded(3))


class Own(nn.Module):
    """A reader's model with dropout, one frozen part, and a note of the modes it ran in."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = CharacterModel(5, 6, 1, generator=seeded(1))
        self.frozen = nn.Sequential(nn.Dropout(0.5)).eval()
        self.drop = nn.Dropout(0.5)
        self.ran: list[tuple[bool, bool]] = []

    def forward(self, numbers: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        modes = {module.training for module in self.modules()}
        self.ran.append((any(modes), torch.is_grad_enabled()))
        logits, state = self.inner(numbers, state)
        return self.drop(self.frozen(logits)), state

    def modes(self) -> list[bool]:
        return [module.training for module in self.modules()]


USES: dict[str, Callable[[nn.Module], Any]] = {
    "predict": lambda m: predict(m, NUMBERS[None])[0].tolist(),
    "carried": lambda m: metrics.carried(m, NUMBERS, 7),
    "from_zero": lambda m: metrics.from_zero(m, NUMBERS, 7),
    "read": lambda m: sampling.read(m, VOCABULARY, "cab")[0].tolist(),
    "generate": lambda m: sampling.generate(m, VOCABULARY, "cab", 30, temperature=0),
}


@pytest.mark.parametrize("use", USES)
def test_what_measures_and_writes_does_so_without_dropout_and_puts_each_mode_back(use) -> None:
    own = Own()
    before = own.modes()
    assert True in before and False in before
    found = USES[use](own)
    assert own.modes() == before
    assert own.ran and set(own.ran) == {(False, False)}
    assert torch.is_grad_enabled()
    assert found == USES[use](own) == USES[use](own.eval()) == USES[use](own.inner.train())


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_the_modes_come_back_after_an_error_too(error) -> None:
    own = Own()
    before = own.modes()
    with pytest.raises(error), evaluating(own):
        assert not any(own.modes()) and not torch.is_grad_enabled()
        raise error
    assert own.modes() == before and torch.is_grad_enabled()


def test_between_two_characters_of_a_stream_the_model_is_in_its_own_mode() -> None:
    own = Own()
    before = own.modes()
    written = sampling.stream(own, VOCABULARY, "cab", seed=2)
    for _ in range(3):
        next(written)
        assert own.modes() == before and torch.is_grad_enabled()
    whole = "".join(islice(sampling.stream(own.eval(), VOCABULARY, "cab", seed=2), 6))
    own.train()  # another mode than at the start: it stays
    assert "".join(islice(written, 3)) == whole[3:]
    assert all(own.modes())
    written.close()  # type: ignore[attr-defined]
    assert all(own.modes())


def test_a_pair_may_be_a_list_and_the_logits_are_the_model_s_own() -> None:
    class Listed(Own):
        def forward(self, numbers: Tensor, state: Any = None) -> Any:
            return list(super().forward(numbers, state))

    listed, state = Listed(), (torch.ones(1, 2, 6), torch.ones(1, 2, 6))
    numbers = NUMBERS[:12].view(2, 6)
    logits, after = predict(listed, numbers, state)
    expected, state = listed.inner(numbers, state)
    assert torch.equal(logits, expected)
    assert all(torch.equal(a, b) for a, b in zip(after, state, strict=True))


class Gives(nn.Module):
    """A model that returns what it is told."""

    def __init__(self, returned: Any):
        super().__init__()
        self.returned = returned

    def forward(self, numbers: Tensor, state: Any = None) -> Any:
        return self.returned


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("model", "error", "says"),
    [
        (lambda numbers, state: None, TypeError, "model must be a torch.nn.Module, got function"),
        (Own, TypeError, "model must be a torch.nn.Module, got type"),
        (None, TypeError, "model must be a torch.nn.Module, got NoneType"),
        (nn.Linear(5, 5), TypeError, r"model must take numbers \(N, T\) and a state, got Linear"),
        (Gives(torch.zeros(1, 3, 5)), TypeError, r"model returns .*\(logits, state\), got Tensor"),
        (Gives((1, 2, 3)), TypeError, r"model returns .*\(logits, state\), got tuple of 3"),
        (Gives((None, None)), TypeError, "the model's logits must be a torch.Tensor, got None"),
        (Gives((torch.zeros(5), None)), ValueError, r"model's logits must have shape .*, K\)"),
        (Gives((torch.zeros(9, 9, 5), None)), ValueError, r"model's logits must have shape"),
        (Gives((torch.zeros(1, 3, 5).long(), None)), (TypeError, ValueError), "model's logits"),
    ],
)
def test_a_model_that_is_none_is_named(use, model, error, says) -> None:
    with pytest.raises(error, match=says):
        USES[use](model)


def test_what_fails_inside_a_model_is_said_too() -> None:
    with pytest.raises(TypeError, match=r"got CharacterModel: state must be .*\(h, c\), got float"):
        predict(CharacterModel(5, 6, 1), NUMBERS[None], 3.0)


# ---- a device without float64 -------------------------------------------------------------------


class NoDouble(Tensor):
    """A tensor as on Apple's GPUs: it has no float64, and leaves by ``cpu()`` only."""

    @classmethod
    def __torch_function__(cls, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if f is Tensor.cpu:
            with torch._C.DisableTorchFunctionSubclass():
                return args[0].clone().as_subclass(Tensor)
        for a in (*args, *kwargs.values()):
            plain = isinstance(a, Tensor) and not isinstance(a, NoDouble)
            if f is Tensor.double or a is torch.float64 or (plain and a.dtype == torch.float64):
                raise TypeError("no float64 here")
        return super().__torch_function__(f, types, args, kwargs)


class There(nn.Module):
    """A model on such a device."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, numbers: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        logits, state = self.inner(numbers.as_subclass(Tensor), state)
        return logits.as_subclass(NoDouble), state


def test_no_float64_is_made_where_the_model_is() -> None:
    here = CharacterModel(5, 6, 1, generator=seeded(1))
    there = There(here)
    with pytest.raises(TypeError, match="no float64"):
        predict(there, NUMBERS[None])[0].double()
    for measure in (metrics.carried, lambda m, n: metrics.from_zero(m, n, 7)):
        assert measure(there, NUMBERS.clone().as_subclass(NoDouble)) == measure(here, NUMBERS)
    texts = [sampling.generate(m, VOCABULARY, "cab", 30, top_k=3, top_p=0.9) for m in (here, there)]
    assert texts[0] == texts[1]
    logits, _ = sampling.read(there, VOCABULARY, "cab")
    p = sampling.probabilities(logits, 0.5)
    assert type(p) is Tensor and p.device.type == "cpu" and p.dtype == torch.float64


class Bigrams(nn.Module):
    """A model whose only tensor is a buffer, or none at all."""

    def __init__(self, buffer: bool):
        super().__init__()
        self.register_buffer("table", torch.eye(5).roll(1, 1)) if buffer else None

    def forward(self, numbers: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return torch.eye(5).roll(1, 1)[numbers], state


@pytest.mark.parametrize("buffer", [False, True])
def test_a_model_without_parameters_writes_too(buffer) -> None:
    written = sampling.generate(Bigrams(buffer), VOCABULARY, "c", 7, temperature=0)
    assert written == "deabcde"
