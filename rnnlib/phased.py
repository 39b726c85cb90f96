"""The Phased LSTM's cell: an LSTM whose units are open only part of the time.

Shapes: N sequences in a batch, T steps, D inputs, H hidden units; a timestamp a step.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import Parameter

from rnnlib import validate
from rnnlib.cells import LSTMCell

SMALLEST = 1e-3  # the least tau and r_on that ``PhasedLSTMCell.project_`` leaves


def time_gate(t: Tensor, tau: Tensor, s: Tensor, r_on: Tensor, leak: float) -> Tensor:
    r"""How far each unit is open at each time: $k$ in [0, 1].

    $$\phi = \frac{(t - s) \bmod \tau}{\tau}, \qquad
      k = \begin{cases} 2\phi/r_{on} & \phi < r_{on}/2 \\
      2 - 2\phi/r_{on} & r_{on}/2 \le \phi < r_{on} \\ \alpha\,\phi & \text{else} \end{cases}$$

    Times ``t`` (...), for one step (N,) or for a batch (N, T); period ``tau``, shift ``s`` and
    open share ``r_on`` (H,); ``leak`` is $\alpha$. Returns k (..., H).
    Raises ValueError for tau not above 0, r_on outside (0, 1] or a leak outside [0, 1].
    Source: Neil, Pfeiffer and Liu (2016).
    """
    validate.tensor("tau", tau, ("H",))
    for name, value in [("s", s), ("r_on", r_on)]:
        validate.tensor(name, value, tau.shape, like=tau)
    validate.tensor("t", t, (...,), like=tau)
    if bool((tau <= 0).any()):
        raise ValueError(f"tau must be above 0, got {tau.min().item():g}")
    if bool((r_on <= 0).any()) or bool((r_on > 1).any()):
        low, high = r_on.min().item(), r_on.max().item()
        raise ValueError(f"r_on must be in (0, 1], got values from {low:g} to {high:g}")
    validate.real("leak", leak, low=0.0, high=1.0)
    phi = torch.remainder(t[..., None] - s, tau) / tau  # (..., H), in [0, 1)
    ramp = 2 * phi / r_on
    return torch.where(phi < r_on / 2, ramp, torch.where(phi < r_on, 2 - ramp, leak * phi))


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
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        leak: float = 1e-3,
        r_on: float = 0.05,
        log_tau: tuple[float, float] = (1.0, 3.0),
        shift: tuple[float, float] = (0.0, 100.0),
        generator: Generator | None = None,
    ):
        super().__init__(input_size, hidden_size, generator=generator)
        self.leak = validate.real("leak", leak, low=0.0, high=1.0)
        self.start = (_range("log_tau", log_tau), _range("shift", shift), _open_share(r_on))
        self.tau = Parameter(torch.empty(self.hidden_size))  # (H,) period
        self.s = Parameter(torch.empty(self.hidden_size))  # (H,) shift
        self.r_on = Parameter(torch.empty(self.hidden_size))  # (H,) share of the period, open
        self.reset_gate(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """The LSTM's default for its weights; ``log_tau``, ``shift`` and ``r_on`` for the gate."""
        super().reset_parameters(generator)
        if hasattr(self, "tau"):
            self.reset_gate(generator)

    @torch.no_grad()
    def reset_gate(self, generator: Generator | None = None) -> None:
        """Draw periods and shifts anew, and set the open share."""
        log_tau, shift, r_on = self.start
        self.tau.uniform_(*log_tau, generator=generator).exp_()
        self.s.uniform_(*shift, generator=generator)
        self.r_on.fill_(r_on)

    def forward(  # type: ignore[override]  # the LSTM's step, and the time
        self, x: Tensor, t: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """x (N, D), times t (N,), state h, c (N, H) each -> the next (h, c)."""
        validate.tensor("t", t, (len(x),), like=self.W_x)
        return self.step(x, self.gate(t), state)

    def gate(self, t: Tensor) -> Tensor:
        """Times (N,) or (N, T) -> openness k (N, H) or (N, T, H)."""
        return time_gate(t, self.tau, self.s, self.r_on, self.leak)

    def step(self, x: Tensor, k: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """One step with a given openness: x (N, D), k (N, H), state (h, c) -> the next (h, c)."""
        h, c = validate.pair("state", state)
        h_new, c_new = super().forward(x, (h, c))  # the LSTM's proposal
        c = torch.lerp(c, c_new, k)  # (1 - k) * c + k * c_new
        h = torch.lerp(h, h_new, k)
        return h, c

    @torch.no_grad()
    def project_(self) -> None:
        """Put tau and r_on back into their range after an optimizer's step.

        tau to at least 0.001, r_on into [0.001, 1]. For every step of a training:
        ``optimizer.register_step_post_hook(lambda *_: cell.project_())``.
        """
        self.tau.clamp_(min=SMALLEST)
        self.r_on.clamp_(min=SMALLEST, max=1.0)


def _range(name: str, value: tuple[float, float]) -> tuple[float, float]:
    low, high = validate.pair(name, value, "(low, high)")
    if not validate.real(name, low) <= validate.real(name, high):
        raise ValueError(f"{name} must be (low, high) with low <= high, got {value}")
    return float(low), float(high)


def _open_share(r_on: float) -> float:
    if not 0 < validate.real("r_on", r_on) <= 1:
        raise ValueError(f"r_on must be in (0, 1], got {r_on}")
    return float(r_on)
