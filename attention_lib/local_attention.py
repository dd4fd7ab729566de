"""Luong's local attention: look only near a position, given (local-m) or predicted (local-p)."""

import torch
from torch import Tensor

from attention_lib.attention import masked_softmax
from attention_lib.checks import check_columns
from attention_lib.masks import window_mask


def monotonic_centre(steps: Tensor, src_mask: Tensor) -> Tensor:
    """Look where the target step itself points: p_t = t, held inside the sentence.

    Past the end of a short sentence the paper's window would be empty; the centre stays on the
    last real position instead.

    Args:
        steps: (L_q,) target steps t, from 0.
        src_mask: (batch, L_k) bool, True at real source positions, which come first.

    Returns:
        (batch, L_q) positions.
    """
    last = (src_mask.sum(-1) - 1).clamp(min=0)
    return torch.minimum(steps[None, :], last[:, None])


def local_m_mask(steps: int, src_mask: Tensor, window: int) -> Tensor:
    """Let target step t attend to the source positions within ``window`` of position t (local-m).

    Args:
        steps: L_q, the number of target steps.
        src_mask: (batch, L_k) bool, True at real source positions, which come first.
        window: the half-width D, in positions.

    Returns:
        (batch, L_q, L_k) bool, True where s is real and at most D from p_t, with p_t = t, or the
        last real position once t has passed it.

    Raises:
        ValueError: if ``window`` is negative.

    Luong et al. (2015), section 3.2.

    >>> local_m_mask(4, torch.tensor([[True, True, True, False]]), window=0)
    tensor([[[ True, False, False, False],
             [False,  True, False, False],
             [False, False,  True, False],
             [False, False,  True, False]]])
    """
    centre = monotonic_centre(torch.arange(steps, device=src_mask.device), src_mask)
    return window_mask(centre, src_mask, window)


def local_p_centre(hidden: Tensor, w_p: Tensor, v_p: Tensor, lengths: Tensor) -> Tensor:
    r"""Predict where to look: :math:`p_t = S \cdot \sigma(v_p^\top \tanh(W_p h_t))`.

    Args:
        hidden: (batch, L_q, d_q), decoder states h_t.
        w_p: (d_p, d_q), W_p.
        v_p: (d_p,), v_p.
        lengths: (batch,) true source lengths S.

    Returns:
        (batch, L_q) real-valued positions in [0, S], at least in float32: bfloat16 knows no
        number between 64 and 64.5.

    Raises:
        TypeError: if ``hidden`` and ``w_p`` are not of one floating dtype.
        ValueError: if ``w_p`` does not fit ``hidden``.

    Luong et al. (2015), equation 9 of section 3.2.

    >>> hidden, lengths = torch.zeros(1, 2, 3), torch.tensor([6])
    >>> local_p_centre(hidden, torch.zeros(4, 3), torch.zeros(4), lengths)
    tensor([[3., 3.]])
    """
    check_columns(w_p=(w_p, hidden))
    wide = torch.promote_types(hidden.dtype, torch.float32)
    with torch.autocast(hidden.device.type, enabled=False):
        share = torch.sigmoid(torch.tanh(hidden.to(wide) @ w_p.to(wide).mT) @ v_p.to(wide))
        return lengths[:, None] * share


def local_p_weights(
    hidden: Tensor, scores: Tensor, src_mask: Tensor, w_p: Tensor, v_p: Tensor, window: int
) -> Tensor:
    r"""Favour the source positions near the predicted centre (local-p).

    .. math:: a_{ts} = \mathrm{align}(h_t, \bar h_s)
              \exp\left(-\frac{(s - p_t)^2}{2\sigma^2}\right), \qquad \sigma = D/2

    where align is the softmax of the scores over the real positions with \|s − p_t\| ≤ D. As in
    the paper the product is not normalised again: a row sums to at most 1.

    Args:
        hidden: (batch, L_q, d_q), decoder states h_t.
        scores: (batch, L_q, L_k) of any kind.
        src_mask: (batch, L_k) bool, True at real source positions, which come first.
        w_p: (d_p, d_q), W_p.
        v_p: (d_p,), v_p.
        window: the half-width D ≥ 1, in positions.

    Returns:
        weights (batch, L_q, L_k).

    Raises:
        ValueError: if ``window`` is below 1 (σ would be 0).

    Luong et al. (2015), equations 9 and 10 of section 3.2.

    >>> hidden, scores = torch.zeros(1, 1, 3), torch.zeros(1, 1, 4)
    >>> src_mask = torch.ones(1, 4, dtype=torch.bool)
    >>> local_p_weights(hidden, scores, src_mask, torch.zeros(2, 3), torch.zeros(2), window=1)
    tensor([[[0.0000, 0.0451, 0.3333, 0.0451]]])
    """
    if window < 1:
        raise ValueError(f"window is {window}; local-p wants at least 1, since σ = window / 2")
    centre = local_p_centre(hidden, w_p, v_p, src_mask.sum(-1))
    align = masked_softmax(scores, window_mask(centre, src_mask, window))
    positions = torch.arange(scores.shape[-1], device=scores.device)
    distance = positions - centre[..., None]
    return align * torch.exp(-2 * (distance / window) ** 2).to(align.dtype)
