"""The Phased LSTM's cell: an LSTM whose units are open only part of the time.

Shapes: N sequences in a batch, T steps, D inputs, H hidden units; a timestamp a step.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor, nn

from rnnlib import init, validate
from rnnlib.cells.cell import State
from rnnlib.cells.lstm import LSTMCell

SMALLEST = 1e-3  # the least tau and r_on that ``PhasedLSTMCell.project_`` leaves
ADVICE = "after each step of an optimizer call project_(), which puts it back"


def time_gate(t: Tensor, tau: Tensor, s: Tensor, r_on: Tensor, leak: float) -> Tensor:
    r"""How far each unit is open at each time: $k$ in [0, 1].

    $$\phi = \frac{(t - s) \bmod \tau}{\tau}, \qquad
      k = \begin{cases} 2\phi/r_{on} & \phi < r_{on}/2 \\
      2 - 2\phi/r_{on} & r_{on}/2 \le \phi < r_{on} \\ \alpha\,\phi & \text{else} \end{cases}$$

    Times ``t`` (...), for one step (N,) or for a batch (N, T); period ``tau``, shift ``s`` and
    open share ``r_on`` (H,); ``leak`` is $\alpha$. Returns k (..., H) in the type of ``tau``.
    The times may have another floating type: seconds since 1970 need float64.
    Raises TypeError or ValueError for what is no such tensor and for a leak outside [0, 1]; and,
    where values can be looked at (see ``_readable``), for tau not above 0, r_on outside (0, 1],
    and times so large that their type cannot tell a quarter of the shortest period.
    Source: Neil, Pfeiffer and Liu (2016).
    """
    validate.tensor("tau", tau, ("H",))
    for name, value in [("s", s), ("r_on", r_on)]:
        validate.tensor(name, value, tau.shape, like=tau)
    validate.tensor("t", t, (...,))
    if t.device != tau.device:
        raise ValueError(f"t must be on the device {tau.device} of tau, got {t.device}")
    validate.real("leak", leak, low=0.0, high=1.0)
    if _readable(t, tau, s, r_on):
        _check_values(t, tau, s, r_on)
    return openness(t, tau, s, r_on, leak)


def openness(t: Tensor, tau: Tensor, s: Tensor, r_on: Tensor, leak: float) -> Tensor:
    """Times t (...), tau, s, r_on (H,) -> k (..., H); nothing is checked, see time_gate."""
    phi = (torch.remainder(t[..., None] - s, tau) / tau).to(tau.dtype)  # (..., H), in [0, 1)
    ramp = 2 * phi / r_on
    return torch.where(phi < r_on / 2, ramp, torch.where(phi < r_on, 2 - ramp, leak * phi))


def _readable(*tensors: Tensor) -> bool:
    """Whether a look at values costs nothing: on a CPU, and nothing compiles, exports or maps."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    return all(
        value.device.type == "cpu"
        and type(value) in (Tensor, nn.Parameter)  # no FakeTensor
        and not torch._C._functorch.is_functorch_wrapped_tensor(value)
        for value in tensors
    )


def _check_values(t: Tensor, tau: Tensor, s: Tensor, r_on: Tensor) -> None:
    for name, value in [("t", t), ("tau", tau), ("s", s), ("r_on", r_on)]:
        if not torch.isfinite(value).all():
            advice = f"; {ADVICE}" if name != "t" else ""
            raise ValueError(f"{name} must be finite, got NaN or infinity{advice}")
    if (tau <= 0).any():
        raise ValueError(f"tau must be above 0, got {tau.min():g}; {ADVICE}")
    if (r_on <= 0).any() or (r_on > 1).any():
        raise ValueError(
            f"r_on must be in (0, 1], got values from {r_on.min():g} to {r_on.max():g}; {ADVICE}"
        )
    latest, shortest = t.abs().max(), tau.min()
    if (spacing := torch.finfo(t.dtype).eps * latest) > shortest / 4:
        raise ValueError(
            f"t must be known to a quarter of the shortest period, {shortest:g}, got up to "
            f"{latest:g}, where {t.dtype} has steps of {spacing:g}: take the first time off, or "
            "give the times as torch.float64"
        )


class PhasedLSTMCell(LSTMCell):
    r"""Phased LSTM (Neil, Pfeiffer and Liu, 2016), without peepholes.

    The LSTM proposes $\tilde c_t, \tilde h_t$; the time gate $k_t$ of ``time_gate`` says how much
    of the proposal is taken:

    $$c_t = k_t \odot \tilde c_t + (1 - k_t) \odot c_{t-1} \qquad
      h_t = k_t \odot \tilde h_t + (1 - k_t) \odot h_{t-1}$$

    $\tilde h_t = \tanh(\tilde c_t) \odot o_t$ is made of the candidate cell state, as in the
    authors' code. ``W_x``, ``W_h`` and ``b`` are the LSTM's; ``tau``, ``s`` and ``r_on`` (H,) are
    learned as well.

    leak: $\alpha$, what an open share of time leaves to the rest.
    r_on: the open share that every unit starts with, in (0, 1].
    log_tau: periods start as $e^u$ with u from U(low, high).
    shift: shifts start from U(low, high).
    A call takes the times of the step; ``forward`` is the step itself, with the openness k.
    """

    tau: Tensor  # (H,) period
    s: Tensor  # (H,) shift
    r_on: Tensor  # (H,) share of the period, open

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        leak: float = 1e-3,
        r_on: float = 0.05,
        log_tau: tuple[float, float] = (1.0, 3.0),
        shift: tuple[float, float] = (0.0, 100.0),
        **options: Any,
    ):
        self.leak = validate.real("leak", leak, low=0.0, high=1.0)
        self.start = (_range("log_tau", log_tau), _range("shift", shift), _open_share(r_on))
        super().__init__(input_size, hidden_size, **options)

    def shapes(self, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """The weights and their shapes: the LSTM's, and the gate's period, shift and open share."""
        return super().shapes(D, H) | {"tau": (H,), "s": (H,), "r_on": (H,)}

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """The LSTM's default for its weights; ``log_tau``, ``shift`` and ``r_on`` for the gate."""
        for weight in (self.W_x, self.W_h, self.b):
            init.uniform_(weight, 1 / math.sqrt(self.hidden_size), generator)
        self.reset_gate(generator)

    @torch.no_grad()
    def reset_gate(self, generator: Generator | None = None) -> None:
        """Draw periods and shifts anew, and set the open share."""
        log_tau, shift, r_on = self.start
        self.tau.uniform_(*log_tau, generator=generator).exp_()
        self.s.uniform_(*shift, generator=generator)
        self.r_on.fill_(r_on)

    def forward(  # type: ignore[override]
        self, x: Tensor, k: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """x (N, D), openness k (N, H), state h, c (N, H) each -> the next (h, c)."""
        h, c = state
        h_new, c_new = super().forward(x, state)  # the LSTM's proposal
        c = torch.lerp(c, c_new, k)  # (1 - k) * c + k * c_new
        h = torch.lerp(h, h_new, k)
        return h, c

    def __call__(  # type: ignore[override]
        self, x: Tensor, t: Tensor, state: State | None = None
    ) -> tuple[Tensor, Tensor]:
        """One step at the times t (N,): x (N, D), state h, c (N, H) or zeros -> the next (h, c)."""
        validate.tensor("x", x, ("N", self.input_size), like=self.W_x)
        validate.tensor("t", t, (x.shape[0],))
        state = self.zero_state(x.shape[0]) if state is None else state
        return self._step(x, self.gate(t), self.check_state(state, x.shape[0]))

    def step(self, x: Tensor, k: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """One step with a given openness k (N, H) in [0, 1]: x (N, D), state -> the next (h, c)."""
        validate.tensor("x", x, ("N", self.input_size), like=self.W_x)
        validate.tensor("k", k, (x.shape[0], self.hidden_size), like=self.W_x)
        if _readable(k) and not ((k >= 0) & (k <= 1)).all():
            raise ValueError(f"k must be in [0, 1], got values from {k.min():g} to {k.max():g}")
        return self._step(x, k, self.check_state(state, x.shape[0]))

    def gate(self, t: Tensor) -> Tensor:
        """Times (N,) or (N, T) -> openness k (N, H) or (N, T, H)."""
        return time_gate(t, self.tau, self.s, self.r_on, self.leak)

    def over_time(  # type: ignore[override]  # the gates do not depend on the states: all at once
        self, x: Tensor, state: Any, times: Tensor
    ) -> list[Any]:
        """x (N, T, D), the state before it and the times (N, T) of the steps -> the T states."""
        k = self.gate(validate.tensor("times", times, x.shape[:2]))  # (N, T, H)
        states = []
        for x_t, k_t in zip(x.unbind(dim=1), k.unbind(dim=1), strict=True):
            state = self._step(x_t, k_t, state)
            states.append(state)
        return states

    @torch.no_grad()
    def project_(self) -> None:
        """Put tau and r_on back into their range after an optimizer's step.

        tau to at least 0.001, r_on into [0.001, 1]. For every step of a training:
        ``optimizer.register_step_post_hook(lambda *_: cell.project_())``.
        """
        self.tau.clamp_(min=SMALLEST)
        self.r_on.clamp_(min=SMALLEST, max=1.0)


def _range(name: str, value: tuple[float, float]) -> tuple[float, float]:
    low, high = (validate.real(name, end) for end in validate.pair(name, value, "(low, high)"))
    if low > high:
        raise ValueError(f"{name} must be (low, high) with low <= high, got {value}")
    return low, high


def _open_share(r_on: float) -> float:
    share = validate.real("r_on", r_on)
    if not 0 < share <= 1:
        raise ValueError(f"r_on must be in (0, 1], got {r_on}")
    return share
