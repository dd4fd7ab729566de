"""Looking at a picture while describing it: softly, or at one place at a time.

Shapes, throughout: features (batch, locations, d_features), the grid of what a convolutional
network sees, a_i, row by row; weights (batch, steps, locations), α_ti; hidden (batch, d_hidden).
"""

import torch
from torch import Tensor

from attention_lib.attention import attend
from attention_lib.checks import check_columns, check_floating
from attention_lib.scores import additive_score


def soft_attention(
    hidden: Tensor, features: Tensor, w_hidden: Tensor, w_features: Tensor, v: Tensor
) -> tuple[Tensor, Tensor]:
    r"""Look at a picture from one decoder state; the context is what is expected to be seen.

    .. math:: e_{ti} &= v^\top \tanh(W_h h_{t-1} + W_a a_i) \\
              \alpha_t &= \mathrm{softmax}(e_t) \\
              \hat z_t &= \sum_i \alpha_{ti} a_i

    Args:
        hidden: (batch, d_hidden), h_{t−1}.
        features: (batch, locations, d_features), a_i.
        w_hidden: (d_a, d_hidden), W_h.
        w_features: (d_a, d_features), W_a.
        v: (d_a,).

    Returns:
        context ẑ_t (batch, d_features) and weights α_t (batch, locations).

    Raises:
        TypeError: if the tensors are not of one floating dtype.
        ValueError: if the sizes do not fit.

    Xu et al. (2015), equations 4, 5 and 13, with the additive score of Bahdanau et al. as f_att.

    >>> features = torch.tensor([[[0.0], [20.0]]])
    >>> context, weights = soft_attention(
    ...     torch.zeros(1, 3), features, torch.ones(2, 3), torch.ones(2, 1), torch.zeros(2)
    ... )
    >>> context, weights
    (tensor([[10.]]), tensor([[0.5000, 0.5000]]))
    """
    check_columns(w_hidden=(w_hidden, hidden), w_features=(w_features, features))
    query = (hidden @ w_hidden.mT)[:, None]
    context, weights = attend(additive_score(query, features @ w_features.mT, v), features)
    return context[:, 0], weights[:, 0]


def gated_context(context: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    r"""Let the decoder decide how much of the picture a word needs: :math:`\beta_t \hat z_t`.

    .. math:: \beta_t = \sigma(f_\beta(h_{t-1})) = \sigma(w_\beta^\top h_{t-1} + b_\beta)

    Args:
        context: (batch, d_features), Σ_i α_ti a_i.
        hidden: (batch, d_hidden), h_{t−1}.
        weight: (d_hidden,), w_β.
        bias: (), b_β.

    Returns:
        (batch, d_features).

    Raises:
        TypeError: if the tensors are not of one floating dtype.
        ValueError: if ``weight`` is not one number for each feature of ``hidden``.

    Xu et al. (2015), section 4.2.1.

    >>> gated_context(torch.tensor([[4.0, 8.0]]), torch.zeros(1, 3), torch.ones(3), torch.zeros(()))
    tensor([[2., 4.]])
    """
    check_floating(context=context, hidden=hidden, weight=weight, bias=bias)
    if weight.shape != hidden.shape[-1:]:
        raise ValueError(
            f"weight is {tuple(weight.shape)}, hidden {tuple(hidden.shape)}; wanted one number for "
            f"each feature, {tuple(hidden.shape[-1:])}"
        )
    return torch.sigmoid(hidden @ weight + bias)[:, None] * context


def doubly_stochastic_penalty(weights: Tensor, step_mask: Tensor) -> Tensor:
    r"""How far a caption is from looking at every place once, all in all.

    .. math:: \sum_i \Bigl(1 - \sum_t \alpha_{ti}\Bigr)^2

    The weights of a step sum to 1 over the locations; this asks that those of a location sum to 1
    over the steps, too.

    Args:
        weights: (batch, steps, locations), α.
        step_mask: (batch, steps) bool, True where a word is written; other steps do not count.

    Returns:
        (batch,), one penalty a caption.

    Raises:
        TypeError: if ``step_mask`` is not boolean.

    Xu et al. (2015), equation 14 without its factor λ.

    >>> weights = torch.tensor([[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    >>> doubly_stochastic_penalty(weights, torch.tensor([[True, True]]))
    tensor([3.])
    >>> doubly_stochastic_penalty(weights, torch.tensor([[True, False]]))
    tensor([2.])
    """
    if step_mask.dtype != torch.bool:
        raise TypeError(
            f"step_mask has dtype {step_mask.dtype}; wanted torch.bool with True = a word"
        )
    looked = weights.masked_fill(~step_mask[..., None], 0.0).sum(-2)
    return (1 - looked).square().sum(-1)


def sample_locations(weights: Tensor, sampled: Tensor) -> tuple[Tensor, Tensor]:
    r"""Draw a location a row, :math:`s_t \sim \mathrm{Multinoulli}(\alpha_t)`, in the rows chosen.

    Args:
        weights: (batch, locations), α_t, each row summing to 1.
        sampled: (batch,) bool; the other rows keep α_t, the location's expectation.

    Returns:
        (batch, locations), one-hot in the rows chosen, without a gradient there; and the log α of
        the location drawn, (batch,), 0 in the other rows.

    >>> used, log_prob = sample_locations(
    ...     torch.tensor([[0.0, 1.0], [0.5, 0.5]]), torch.tensor([True, False])
    ... )
    >>> used, log_prob
    (tensor([[0.0000, 1.0000],
            [0.5000, 0.5000]]), tensor([0., 0.]))
    """
    drawn = torch.multinomial(weights.detach().float(), 1)
    one_hot = torch.zeros_like(weights).scatter(-1, drawn, 1.0)
    # Rows that are not drawn go through log(1): log(0) would give them NaN gradients.
    chosen = weights.gather(-1, drawn)[:, 0].where(sampled, 1.0)
    return torch.where(sampled[:, None], one_hot, weights), chosen.log()


def hard_attention_loss(
    word_log_prob: Tensor,
    location_log_prob: Tensor,
    entropy: Tensor,
    baseline: Tensor,
    *,
    reward_weight: float = 1.0,
    entropy_weight: float = 0.0,
) -> Tensor:
    r"""A loss whose gradient is the sampled estimator for hard attention.

    Hard attention looks at one location a step, :math:`s_t \sim \mathrm{Multinoulli}(\alpha_t)`,
    and is trained on a lower bound of log p(y | a), :math:`L_s = \sum_s p(s|a) \log p(y|s,a)`. With
    one sample s̃ the gradient of the bound is estimated by

    .. math:: \frac{\partial \log p(y|\tilde s, a)}{\partial W}
              + \lambda_r (\log p(y|\tilde s, a) - b)
                \frac{\partial \log p(\tilde s | a)}{\partial W}
              + \lambda_e \frac{\partial H[\tilde s]}{\partial W}

    The loss is minus what has this gradient: its value says little. With λ_r = 1 and λ_e = 0 the
    estimator is unbiased for every b that does not depend on s̃; b decides how it scatters.

    Args:
        word_log_prob: (batch,), log p(y | s̃, a) of whole captions.
        location_log_prob: (batch,), log p(s̃ | a) = Σ_t log α_{t,s̃_t}; a constant for a caption
            whose locations were not sampled.
        entropy: (batch,), H[s] = −Σ_t Σ_i α_ti log α_ti.
        baseline: () or (batch,), b.
        reward_weight: λ_r.
        entropy_weight: λ_e.

    Returns:
        (batch,), one loss a caption.

    Xu et al. (2015), section 4.1, equations 9 to 12.

    >>> log_alpha = torch.tensor([[0.2, 0.8]]).log().requires_grad_()
    >>> words, baseline, zero = torch.tensor([-2.0]), torch.tensor(-3.0), torch.zeros(1)
    >>> hard_attention_loss(words, log_alpha[:, 1], zero, baseline).backward()
    >>> log_alpha.grad  # the look paid off: the gradient step makes it more probable
    tensor([[ 0., -1.]])
    """
    advantage = (word_log_prob - baseline).detach()
    surrogate = word_log_prob + reward_weight * advantage * location_log_prob
    return -(surrogate + entropy_weight * entropy)
