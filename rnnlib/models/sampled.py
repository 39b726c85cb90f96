r"""Sampled softmax: the loss of a readout over many words from a part of them, drawn each time.

In $-\ln \hat y[y] = \ln Z - p[y]$ only $Z = \sum_k e^{p_k}$ needs all K words. If each word k is
drawn with the chance $q_k$, and those drawn make the set S, then $\sum_{k \in S} e^{p_k} / q_k$
has the mean Z.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from rnnlib import fused, validate


def chances(frequencies: Tensor, size: int) -> Tensor:
    r"""How likely each of K words is to be drawn, so that ``size`` of them are in the mean.

    $$q_k = \min(1, a \sqrt{f_k}), \qquad \sum_k q_k = \text{size}$$

    frequencies f (K,), all above zero -> q (K,). Frequent words are always there.
    The root, as the estimate of Z varies least if $q_k$ is in proportion to the root of the mean
    of $\hat y_k^2$, and $\hat y_k$ is large about as often as word k comes.
    Raises ValueError if ``size`` is above K, or a frequency is not above zero.
    """
    K = len(validate.tensor("frequencies", frequencies, ("K",)))
    if validate.positive_int("size", size) > K:
        raise ValueError(f"size must be at most the number of words, {K}, got {size}")
    if not bool((frequencies > 0).all()):
        raise ValueError("frequencies must all be above zero: a word with none is never drawn")
    root = frequencies.double().sqrt()
    first, _ = root.sort(descending=True)
    rest = first.flip(0).cumsum(0).flip(0)  # (K,): the sum of the roots from here on
    a = (size - torch.arange(K, device=root.device)) / rest  # if all words before are certain
    n = int((a * first <= 1 + 1e-9).nonzero()[0])  # and so many are: no other would be above 1
    return (a[n] * root).clamp(max=1).to(frequencies)


def sampled_cross_entropy(
    h: Tensor,
    W: Tensor,
    b: Tensor,
    y: Tensor,
    chance: Tensor,
    products: torch.dtype | None = None,
    generator: Generator | None = None,
) -> Tensor:
    r"""An estimate of ``fused.cross_entropy`` from the classes y and some others, drawn.

    $$L = \frac{1}{N} \sum_n \Big( \ln \sum_{k \in S} e^{p_{nk} - \ln q_k} - p_n[y_n] \Big),
    \qquad p_n = W h_n + b$$

    h (N, H), W (K, H), b (K,), y (N,) int64, chance q (K,) -> L (). The set S has all of the
    classes y, for which q is 1, and each other class k with the chance ``chance[k]``. So the inner
    sum has the mean Z of the softmax; its logarithm has a mean that is a little smaller.
    With all chances 1 it is ``fused.cross_entropy``.
    Source: after Jean, Cho, Memisevic and Bengio (2015), who draw a fixed number of words.
    """
    validate.tensor("W", W, ("K", "H"))
    K = len(W)
    validate.tensor("chance", chance, (K,), like=W)
    validate.labels("y", y, (len(h),), K)
    chance = chance.index_fill(0, y, 1.0)  # (K,)
    drawn = torch.rand(K, generator=generator, device=W.device) < chance
    S = drawn.nonzero()[:, 0]  # (|S|,), sorted
    place = torch.searchsorted(S, y)  # (N,): of each class y in S
    return fused.cross_entropy(h, W[S], b[S] - chance[S].log(), place, products)
