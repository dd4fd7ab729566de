"""Wrong windows and wrong local-p weights."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

LOCAL_M_MASK = Bank()
LOCAL_P_WEIGHTS = Bank()


def _last(src_mask: Tensor) -> Tensor:
    """(B, 1) index of each sentence's last real position."""
    return (src_mask.sum(-1, keepdim=True) - 1).clamp(min=0)


def _centres(steps: int, src_mask: Tensor) -> Tensor:
    """(B, T, 1), right."""
    t = torch.arange(steps, device=src_mask.device)
    return torch.minimum(t, _last(src_mask))[..., None]


def _offsets(centre: Tensor, src_mask: Tensor) -> Tensor:
    """(B, T, S): how far each position lies to the right of the centre."""
    return torch.arange(src_mask.shape[1], device=src_mask.device) - centre


@LOCAL_M_MASK.add(
    "the centre runs past the end of the sentence",
    "Your windows are right while t is inside the sentence; after its last word they wander off "
    "and run empty. Where should the centre wait when the target is longer than the source?",
)
def _not_clamped(steps: int, src_mask: Tensor, window: int) -> Tensor:
    t = torch.arange(steps, device=src_mask.device)[:, None]
    return (_offsets(t, src_mask).abs() <= window) & src_mask[:, None]


@LOCAL_M_MASK.add(
    "the centre is held inside the padded length",
    "Your windows are right for the longest sentence; in shorter ones the centre runs on into the "
    "padding. All sentences are padded to S, but each has a last real word of its own: which "
    "argument knows where?",
)
def _padded_clamp(steps: int, src_mask: Tensor, window: int) -> Tensor:
    t = torch.arange(steps, device=src_mask.device).clamp(max=src_mask.shape[1] - 1)[:, None]
    return (_offsets(t, src_mask).abs() <= window) & src_mask[:, None]


@LOCAL_M_MASK.add(
    "the centre is held at the length, one too far",
    "Past the end your windows stay put, but one position too far to the right. A sentence of "
    "n words starts at position 0: what is the position of its last word?",
)
def _clamped_to_length(steps: int, src_mask: Tensor, window: int) -> Tensor:
    t = torch.arange(steps, device=src_mask.device)
    centre = torch.minimum(t, src_mask.sum(-1, keepdim=True))[..., None]
    return (_offsets(centre, src_mask).abs() <= window) & src_mask[:, None]


@LOCAL_M_MASK.add(
    "the window is one position too narrow on each side",
    "Your windows hold up to 2D − 1 positions, and none when D = 0: positions exactly D away are "
    "left out. Does |s − p| ≤ D include them?",
)
def _open_ends(steps: int, src_mask: Tensor, window: int) -> Tensor:
    near = _offsets(_centres(steps, src_mask), src_mask).abs() < window
    return near & src_mask[:, None]


@LOCAL_M_MASK.add(
    "the right end of the window is left out",
    "Your windows reach D to the left, but only D − 1 to the right. The end of a Python slice or "
    "range is not in it: where should yours stop?",
)
def _right_end(steps: int, src_mask: Tensor, window: int) -> Tensor:
    offset = _offsets(_centres(steps, src_mask), src_mask)
    return (offset >= -window) & (offset < window) & src_mask[:, None]


@LOCAL_M_MASK.add(
    "D is taken for the whole width",
    "Your windows reach about D/2 to each side: D was taken for the width of the window. How far "
    "does [p − D, p + D] reach?",
)
def _half_width(steps: int, src_mask: Tensor, window: int) -> Tensor:
    offset = _offsets(_centres(steps, src_mask), src_mask)
    return (offset.abs() <= window // 2) & src_mask[:, None]


@LOCAL_M_MASK.add(
    "padding is in the window",
    "Your windows are right in full sentences; in shorter ones they hold padding. Two things must "
    "be true of a position that may be seen: one is being near, and the other?",
)
def _sees_padding(steps: int, src_mask: Tensor, window: int) -> Tensor:
    return _offsets(_centres(steps, src_mask), src_mask).abs() <= window


@LOCAL_M_MASK.add(
    "the mask is upside down",
    "Every cell of your mask is the opposite of what it should be. In this course, does True "
    "mean that a position may be attended to, or that it is blocked?",
)
def _inverted(steps: int, src_mask: Tensor, window: int) -> Tensor:
    near = _offsets(_centres(steps, src_mask), src_mask).abs() <= window
    return ~(near & src_mask[:, None])


@LOCAL_M_MASK.add(
    "steps counted from 1",
    "Your windows lie one position too far to the right from the first step on. The paper counts "
    "from 1: what is the first step's t here?",
)
def _from_one(steps: int, src_mask: Tensor, window: int) -> Tensor:
    t = torch.arange(1, steps + 1, device=src_mask.device)
    centre = torch.minimum(t, _last(src_mask))[..., None]
    return (_offsets(centre, src_mask).abs() <= window) & src_mask[:, None]


@LOCAL_M_MASK.add(
    "the window looks back only",
    "Your windows end at the centre: nothing to its right is seen. The source is known in full "
    "before the first word is written: which sides of p_t may be looked at?",
)
def _looks_back(steps: int, src_mask: Tensor, window: int) -> Tensor:
    offset = _offsets(_centres(steps, src_mask), src_mask)
    return (offset <= 0) & (offset >= -window) & src_mask[:, None]


@LOCAL_M_MASK.add(
    "the centre is stretched to the target's length",
    "Your centres spread over the whole source, from its first to its last word. Local-m assumes "
    "that step t looks at position t: what does the number of steps have to do with it?",
)
def _stretched(steps: int, src_mask: Tensor, window: int) -> Tensor:
    t = torch.arange(steps, device=src_mask.device)
    centre = (t * (_last(src_mask) / max(steps - 1, 1))).round()[..., None]
    return (_offsets(centre, src_mask).abs() <= window) & src_mask[:, None]


@LOCAL_M_MASK.add(
    "a slice that starts below 0",
    "Your first windows are empty or cut: while t < D, the slice starts at a negative number, "
    "which Python counts from the end. Where should a window start that would begin before the "
    "first word?",
)
def _negative_slice(steps: int, src_mask: Tensor, window: int) -> Tensor:
    result = src_mask.new_zeros(src_mask.shape[0], steps, src_mask.shape[1])
    for row, last in enumerate(_last(src_mask)[:, 0].tolist()):
        for t in range(steps):
            centre = min(t, last)
            result[row, t, centre - window : centre + window + 1] = True
    return result & src_mask[:, None]


@LOCAL_M_MASK.add(
    "numbers instead of a boolean mask",
    "The right cells are set, but as numbers: a mask of 0 and 1 cannot be negated with ~ or used "
    "to pick cells. Which dtype do comparisons give, before anything converts it?",
)
def _numbers(steps: int, src_mask: Tensor, window: int) -> Tensor:
    near = _offsets(_centres(steps, src_mask), src_mask).abs() <= window
    return (near & src_mask[:, None]).float()


def _position(
    hidden: Tensor, src_mask: Tensor, w_p: Tensor, v_p: Tensor, lengths: Tensor | None = None
) -> Tensor:
    """(B, T, 1) centres, right unless other lengths are given."""
    size = src_mask.sum(-1) if lengths is None else lengths
    return (size[:, None] * torch.sigmoid(torch.tanh(hidden @ w_p.mT) @ v_p))[..., None]


def _align(scores: Tensor, allowed: Tensor) -> Tensor:
    """A right masked softmax."""
    scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
    return scores.softmax(-1).masked_fill(~allowed, 0.0)


def _around(
    centre: Tensor, scores: Tensor, src_mask: Tensor, window: int, sigma: float | None = None
) -> Tensor:
    """The right weights for given centres (and σ)."""
    offset = _offsets(centre, src_mask)
    allowed = (offset.abs() <= window) & src_mask[:, None]
    sigma = window / 2 if sigma is None else sigma
    return _align(scores, allowed) * torch.exp(-(offset**2) / (2 * sigma**2))


@LOCAL_P_WEIGHTS.add(
    "σ = D instead of D/2",
    "Your weights fall off too slowly: the Gaussian is twice as wide as it should be. How does "
    "the paper choose σ from D?",
)
def _wide_sigma(
    h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int
) -> Tensor:
    return _around(_position(h, mask, w_p, v_p), scores, mask, d, sigma=d)


@LOCAL_P_WEIGHTS.add(
    "the 2 of 2σ² is left out",
    "Your weights fall off too fast, as if the Gaussian were exp(−(s − p)² / σ²). What stands "
    "below the fraction line of a Gaussian?",
)
def _no_two(h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int) -> Tensor:
    return _around(_position(h, mask, w_p, v_p), scores, mask, d, sigma=d / 2 / 2**0.5)


@LOCAL_P_WEIGHTS.add(
    "normalised again after the Gaussian",
    "All your rows sum to 1: something normalises after the Gaussian has acted, be it a division "
    "by the row's sum or a softmax of scores that already hold the distance. In the paper's "
    "equation, what is the last thing that happens?",
)
def _renormalised(
    h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int
) -> Tensor:
    weights = _around(_position(h, mask, w_p, v_p), scores, mask, d)
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)


@LOCAL_P_WEIGHTS.add(
    "the centre is a fraction of the sentence, not a position",
    "Your windows all lie at the beginning: the centre is between 0 and 1. A sigmoid gives "
    "a fraction: of what?",
)
def _no_length(h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int) -> Tensor:
    ones = torch.ones_like(mask.sum(-1))
    return _around(_position(h, mask, w_p, v_p, ones), scores, mask, d)


@LOCAL_P_WEIGHTS.add(
    "the padded length stands for S",
    "Your weights are right for the longest sentence; a shorter one's centre moves when padding "
    "is added. Which S is a sentence's own, and which argument tells it?",
)
def _padded(h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int) -> Tensor:
    padded = torch.full_like(mask.sum(-1), mask.shape[1])
    return _around(_position(h, mask, w_p, v_p, padded), scores, mask, d)


@LOCAL_P_WEIGHTS.add(
    "the number of target steps stands for S",
    "Your centre grows with the number of target steps, which the decoder could not know. It is "
    "a place in the source: whose length belongs there?",
)
def _target_length(
    h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int
) -> Tensor:
    steps = torch.full_like(mask.sum(-1), h.shape[1])
    return _around(_position(h, mask, w_p, v_p, steps), scores, mask, d)


@LOCAL_P_WEIGHTS.add(
    "S − 1 stands for S",
    "Your centres are a little too far left, by less than 1: they are those of S − 1. By what "
    "does the paper multiply the sigmoid?",
)
def _last_index(
    h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int
) -> Tensor:
    return _around(_position(h, mask, w_p, v_p, mask.sum(-1) - 1), scores, mask, d)


@LOCAL_P_WEIGHTS.add(
    "the step t is taken for the centre",
    "Your window moves on by one a step, whatever the hidden state says: that is local-m. What "
    "does local-p predict its centre from?",
)
def _monotonic(h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int) -> Tensor:
    centre = _centres(h.shape[1], mask).to(scores.dtype)
    return _around(centre, scores, mask, d)


@LOCAL_P_WEIGHTS.add(
    "the tanh of the centre is missing",
    "Your centres are too near the sentence's ends: they are those of σ(vᵀ W h). What stands "
    "between v_p and W_p h?",
)
def _no_tanh(h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int) -> Tensor:
    centre = (mask.sum(-1)[:, None] * torch.sigmoid(h @ w_p.mT @ v_p))[..., None]
    return _around(centre, scores, mask, d)


@LOCAL_P_WEIGHTS.add(
    "the centre is rounded",
    "Your centres are whole numbers. A rounded centre stands still when the hidden state moves "
    "a little, so W_p and v_p get no gradient: must p_t be a whole number for |s − p_t| to make "
    "sense?",
)
def _rounded(h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int) -> Tensor:
    return _around(_position(h, mask, w_p, v_p).round(), scores, mask, d)


@LOCAL_P_WEIGHTS.add(
    "the centre is cut to a whole number",
    "Your centres are whole numbers, always rounded down. Such a centre stands still when the "
    "hidden state moves a little, so W_p and v_p get no gradient: must p_t be a whole number for "
    "|s − p_t| to make sense?",
)
def _cut(h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int) -> Tensor:
    return _around(_position(h, mask, w_p, v_p).floor(), scores, mask, d)


@LOCAL_P_WEIGHTS.add(
    "positions counted from 1",
    "Your windows lie one position too far to the left: your first word stands at position 1. "
    "The paper counts from 1: what is the first position here?",
)
def _from_one_too(
    h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int
) -> Tensor:
    return _around(_position(h, mask, w_p, v_p) - 1, scores, mask, d)


@LOCAL_P_WEIGHTS.add(
    "the exponent has no minus",
    "Your weights grow with the distance from the centre, beyond 1 even: the bell stands upside "
    "down. Is the exponent of a Gaussian positive or negative?",
)
def _no_minus(h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int) -> Tensor:
    offset = _offsets(_position(h, mask, w_p, v_p), mask)
    allowed = (offset.abs() <= d) & mask[:, None]
    return _align(scores, allowed) * torch.exp(offset**2 / (2 * (d / 2) ** 2))


@LOCAL_P_WEIGHTS.add(
    "divided by 2, then multiplied by σ²",
    "Your Gaussian gets narrower when D grows. Python reads a / 2 * b from left to right, as "
    "(a / 2) * b: on which side of the fraction line did your σ² end up?",
)
def _precedence(
    h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int
) -> Tensor:
    return _around(_position(h, mask, w_p, v_p), scores, mask, d, sigma=2 / d)


@LOCAL_P_WEIGHTS.add(
    "σ is rounded down: D // 2",
    "Your weights are right for an even D; for an odd one the Gaussian is too narrow, and for "
    "D = 1 it is 0 wide. Which of Python's two divisions leaves no remainder behind?",
)
def _whole_sigma(
    h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int
) -> Tensor:
    return _around(_position(h, mask, w_p, v_p), scores, mask, d, sigma=d // 2)


@LOCAL_P_WEIGHTS.add(
    "the Gaussian is multiplied into the scores",
    "Your rows sum to 1: the Gaussian went in before the softmax and shrinks the scores. A score "
    "near 0 is not a weight near 0. In the paper's equation, what does it multiply?",
)
def _bell_in_scores(
    h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int
) -> Tensor:
    offset = _offsets(_position(h, mask, w_p, v_p), mask)
    allowed = (offset.abs() <= d) & mask[:, None]
    return _align(scores * torch.exp(-2 * (offset / d) ** 2), allowed)


@LOCAL_P_WEIGHTS.add(
    "no window: only the Gaussian",
    "Positions outside the window still get a little weight, and take their share of the softmax: "
    "the Gaussian only fades. Over which positions does the softmax run?",
)
def _no_window(h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int) -> Tensor:
    offset = _offsets(_position(h, mask, w_p, v_p), mask)
    return _align(scores, mask[:, None].expand_as(scores)) * torch.exp(-2 * (offset / d) ** 2)


@LOCAL_P_WEIGHTS.add(
    "the window is cut out after the softmax",
    "Outside the window your weights are 0, but inside they are too small: the positions outside "
    "took their share of the softmax first. Over which positions does it run?",
)
def _window_after(
    h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int
) -> Tensor:
    offset = _offsets(_position(h, mask, w_p, v_p), mask)
    weights = _align(scores, mask[:, None].expand_as(scores)) * (offset.abs() <= d)
    return weights * torch.exp(-2 * (offset / d) ** 2)


@LOCAL_P_WEIGHTS.add(
    "no Gaussian: only the window",
    "Your rows sum to 1 and do not favour the centre: they are the softmax in the window. What "
    "does the paper multiply it by?",
)
def _no_gaussian(
    h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int
) -> Tensor:
    offset = _offsets(_position(h, mask, w_p, v_p), mask)
    return _align(scores, (offset.abs() <= d) & mask[:, None])


@LOCAL_P_WEIGHTS.add(
    "padding is in the window",
    "Full sentences are right; near the end of a shorter one, padding gets weight. The window is "
    "made of positions that are near and what else?",
)
def _sees_padding_too(
    h: Tensor, scores: Tensor, mask: Tensor, w_p: Tensor, v_p: Tensor, d: int
) -> Tensor:
    offset = _offsets(_position(h, mask, w_p, v_p), mask)
    return _align(scores, offset.abs() <= d) * torch.exp(-2 * (offset / d) ** 2)
