"""Wrong masks, and attention that uses a mask wrongly."""

import math

import torch
from torch import Tensor

from autograder.checks.bank import Bank
from autograder.specs.self_attention import oracles

ATTENTION_MASK = Bank()
MASKED_ATTENTION = Bank()

Pair = tuple[Tensor, Tensor]


def _lower(tokens: Tensor, diagonal: int = 0) -> Tensor:
    length = tokens.shape[1]
    square = torch.ones(length, length, dtype=torch.bool, device=tokens.device)
    return square.tril(diagonal)


def _real(tokens: Tensor, pad: int) -> Tensor:
    length = tokens.shape[1]
    return (tokens != pad)[:, None].expand(-1, length, length)


@ATTENTION_MASK.add(
    "the mask is upside down",
    "Your mask is True exactly where it should be False. Some libraries mark what is *forbidden*: "
    "what does True mean in this course?",
)
def _inverted(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    return ~oracles.attention_mask(tokens, pad, causal)


@ATTENTION_MASK.add(
    "a word may not see itself",
    "Your causal mask is False on the diagonal, so the first word has nothing left to look at. May "
    "a word look at itself?",
)
def _strict(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    return _real(tokens, pad) & _lower(tokens, -1) if causal else _real(tokens, pad).clone()


@ATTENTION_MASK.add(
    "a word sees the next one",
    "Your causal mask reaches one cell too far: each word sees the next, which is the very one it "
    "is to predict. Which is the last position that word i may see?",
)
def _ahead(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    return _real(tokens, pad) & _lower(tokens, 1) if causal else _real(tokens, pad).clone()


@ATTENTION_MASK.add(
    "words look ahead instead of back",
    "Your causal mask is the other triangle: each word sees itself and what comes *after* it. A "
    "row is the word that asks: on which side of the diagonal do earlier words lie?",
)
def _upper(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    return _real(tokens, pad) & _lower(tokens).mT if causal else _real(tokens, pad).clone()


@ATTENTION_MASK.add(
    "padding and causal joined by or",
    "With padding and causal together your mask is open where *either* allows it: real words ahead "
    "can be seen, and so can padding behind. When must both agree?",
)
def _either(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    return _real(tokens, pad) | _lower(tokens) if causal else _real(tokens, pad).clone()


@ATTENTION_MASK.add(
    "always causal",
    "Your mask is causal even when causal is False: an encoder's words should see the whole "
    "sentence. Where do you look at that argument?",
)
def _always_causal(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    return _real(tokens, pad) & _lower(tokens)


@ATTENTION_MASK.add(
    "never causal",
    "Your mask only knows padding: with causal=True each word still sees what comes after it. "
    "Where do you look at that argument?",
)
def _never_causal(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    return _real(tokens, pad).clone()


@ATTENTION_MASK.add(
    "padding is forgotten where the mask is causal",
    "Causal alone and padding alone are right; together the padding can be seen again. Does the "
    "causal mask take the other one's place, or join it?",
)
def _causal_only(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    if causal:
        return _lower(tokens).expand(len(tokens), -1, -1).clone()
    return _real(tokens, pad).clone()


@ATTENTION_MASK.add(
    "padding is not masked",
    "Padding can be seen: your mask does not depend on the tokens at all. Which of them are "
    "nobody's words?",
)
def _sees_padding(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    everyone = torch.ones_like(_real(tokens, pad))
    return everyone & _lower(tokens) if causal else everyone


@ATTENTION_MASK.add(
    "the rows of the padding are masked instead of its columns",
    "You keep the padding from *asking*; but it can still be looked at by every word. A row asks, "
    "a column answers: which of the two should padding not do?",
)
def _rows(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    mask = _real(tokens, pad).mT
    return mask & _lower(tokens) if causal else mask.clone()


@ATTENTION_MASK.add(
    "the rows of the padding are masked as well",
    "Nobody sees padding, as it should be, but the padding's own rows are empty, too. What a pad "
    "gets back hurts nobody, and an empty row is a row to worry about: does the task ask for it?",
)
def _rows_too(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    mask = _real(tokens, pad) & _real(tokens, pad).mT
    return mask & _lower(tokens) if causal else mask


@ATTENTION_MASK.add(
    "0 is taken for the padding, whatever pad says",
    "You compare with 0, but the padding's id is the argument pad. What if a vocabulary keeps 0 "
    "for another word?",
)
def _zero_is_pad(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    return oracles.attention_mask(tokens, 0, causal)


@ATTENTION_MASK.add(
    "padding is taken to stand at the end",
    "With padding at the end your mask is right; on the left it blocks the wrong positions: you "
    "count the real words and open that many columns from the start. Can you ask each token "
    "instead?",
)
def _counted(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    length = tokens.shape[1]
    counts = (tokens != pad).sum(1, keepdim=True)
    real = torch.arange(length, device=tokens.device) < counts
    mask = real[:, None].expand(-1, length, length)
    return mask & _lower(tokens) if causal else mask.clone()


@ATTENTION_MASK.add(
    "without causal one row is left for all queries",
    "With causal=True your mask is complete; without it your mask has shape (B, 1, L), one row for "
    "all. It would broadcast, but the task asks for a row for each word: which axis must grow, and "
    "what makes a view of it that is as long as the sentence?",
)
def _one_row(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    real = (tokens != pad)[:, None]
    return real & _lower(tokens) if causal else real


@ATTENTION_MASK.add(
    "numbers instead of True and False",
    "Your mask holds numbers. A mask of this course is boolean, so that nobody can take a 0 for a "
    "score: which comparison, or which dtype, gives True and False?",
)
def _numbers(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    return oracles.attention_mask(tokens, pad, causal).float()


@ATTENTION_MASK.add(
    "0 and −∞ instead of True and False",
    "Your mask is one to be added to scores: 0 where a word may look and −∞ where it may not. That "
    "is another kind of mask: what should stand in its cells here?",
)
def _additive(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    mask = oracles.attention_mask(tokens, pad, causal)
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, -torch.inf)


def _scores(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.mT / math.sqrt(key.shape[-1])


def _attend(weights: Tensor, value: Tensor) -> Pair:
    return weights @ value, weights


@MASKED_ATTENTION.add(
    "the mask is ignored",
    "Your rows sum to 1, but masked cells get a share of it: your numbers are those of attention "
    "that has never seen the mask. Is it used before the softmax?",
)
def _no_mask(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return oracles.attention(query, key, value)


@MASKED_ATTENTION.add(
    "the mask is used upside down",
    "The weight lies exactly on the cells that should have none. In this course True means that a "
    "position may be attended to: which cells does your fill hit?",
)
def _upside_down(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _attend(_scores(query, key).masked_fill(mask, -torch.inf).softmax(-1), value)


@MASKED_ATTENTION.add(
    "masked scores set to about 0",
    "Masked cells still get weight, as if their score were 0: so it is when scores are multiplied "
    "by the mask, or filled with 0 or 1e-9. But exp(0) is 1, and a score of 0 beats every negative "
    "one. Which score makes an exponential vanish?",
)
def _zero_scores(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _attend((_scores(query, key) * mask).softmax(-1), value)


@MASKED_ATTENTION.add(
    "masked after the softmax, without normalising again",
    "Masked cells are 0, but your rows sum to less than 1, and the masked keys still count: they "
    "stood in the softmax's denominator. 'Values become 0' is not what a mask does: what happens "
    "to the *scores*?",
)
def _mask_after(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _attend(_scores(query, key).softmax(-1) * mask, value)


@MASKED_ATTENTION.add(
    "masked after the softmax and divided by what is left",
    "Most weights are right. But where the masked scores are far above the open ones, the softmax "
    "gave all to the masked cells, and you divide by the 0 that is left, as in a row with nothing "
    "to attend to. Can the softmax be kept from ever seeing the masked scores?",
)
def _rescaled(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    weights = _scores(query, key).softmax(-1) * mask
    return _attend(weights / weights.sum(-1, keepdim=True), value)


@MASKED_ATTENTION.add(
    "divided by what is left after the softmax, or by a tiny number",
    "Rows sum to 1 and empty rows are 0, as they should be. But where the masked scores are far "
    "above the open ones, the softmax gives all to the masked cells, and after the mask nothing is "
    "left to share out. Can the softmax be kept from ever seeing their scores?",
)
def _rescaled_safely(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    weights = _scores(query, key).softmax(-1) * mask
    return _attend(weights / weights.sum(-1, keepdim=True).clamp(min=1e-9), value)


@MASKED_ATTENTION.add(
    "NaN for a query with nothing to attend to",
    "All is well until a query may look nowhere: there your weights are NaN. If every score of a "
    "row is −∞, what is the sum of the exponentials that you divide by?",
)
def _nan_rows(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _attend(_scores(query, key).masked_fill(~mask, -torch.inf).softmax(-1), value)


@MASKED_ATTENTION.add(
    "NaN replaced after the softmax: gradients are still NaN",
    "Your values are right, but the gradient of a query that may look nowhere is NaN. Replacing "
    "NaN afterwards mends the way forward only: the division 0/0 still happened, and the way back "
    "goes through it. Can the softmax of such a row get harmless numbers to begin with?",
)
def _hidden_nan(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    # With masked_fill this would be right: its backward pass gives masked cells a 0 by itself.
    scores = _scores(query, key)
    bias = torch.zeros_like(scores).masked_fill(~mask, -torch.inf)
    return _attend((scores + bias).softmax(-1).nan_to_num(0.0), value)


@MASKED_ATTENTION.add(
    "a finite fill such as −1e9",
    "A query with nothing to attend to comes out looking everywhere: when every score is the same "
    "−1e9, the softmax sees a tie. Such a number does not fit into float16 either. What should the "
    "weights of masked cells be, whatever the softmax made of them?",
)
def _finite_fill(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _attend(_scores(query, key).masked_fill(~mask, -1e9).softmax(-1), value)


@MASKED_ATTENTION.add(
    "a finite fill that fits into float16",
    "A query with nothing to attend to comes out looking everywhere: when all scores of a row are "
    "the same large negative number, the softmax sees a tie, however large it is. What should the "
    "weights of masked cells be, whatever the softmax made of them?",
)
def _modest_fill(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _attend(_scores(query, key).masked_fill(~mask, -3e4).softmax(-1), value)


@MASKED_ATTENTION.add(
    "the scores are not scaled",
    "Your weights are those of plain dot products over the open cells. The mask is right: what are "
    "the scores divided by?",
)
def _unscaled(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return oracles.masked_attention(query * math.sqrt(key.shape[-1]), key, value, mask)


@MASKED_ATTENTION.add(
    "softmax over the queries instead of the keys",
    "Your columns sum to 1 and your rows do not: the softmax ran over the query axis. Each query "
    "shares out one unit of attention: which axis of (B, L_q, L_k) are its choices on?",
)
def _queries_axis(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _attend(_scores(query, key).masked_fill(~mask, -torch.inf).softmax(-2), value)


@MASKED_ATTENTION.add(
    "exponentials of unshifted scores overflow",
    "Moderate scores are right, large ones are not: the exponential of 1000 is infinite. Taking "
    "the same amount from all scores of a row leaves its weights as they are: which amount keeps "
    "the exponentials in range?",
)
def _unshifted(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    exponentials = _scores(query, key).exp() * mask
    total = exponentials.sum(-1, keepdim=True)
    return _attend(exponentials / torch.where(total == 0, 1.0, total), value)


@MASKED_ATTENTION.add(
    "the formula as it is printed, and NaN replaced",
    "You compute the fraction as it is printed. The exponential of 1000 is infinite, so large "
    "scores are lost, and where the sum is 0 the gradient is NaN: replacing NaN afterwards does "
    "not undo the division. Which function of torch takes the exponentials safely, and which score "
    "makes it leave a cell out?",
)
def _as_printed(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    exponentials = _scores(query, key).exp() * mask
    weights = exponentials / exponentials.sum(-1, keepdim=True)
    return _attend(weights.nan_to_num(), value)


@MASKED_ATTENTION.add(
    "weights renormalised without a softmax",
    "Your rows sum to 1, but some weights are negative or out of proportion: you divide the open "
    "scores by their sum. What turns scores of any sign into positive numbers?",
)
def _proportional(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    scores = _scores(query, key) * mask
    return _attend(scores / scores.sum(-1, keepdim=True), value)


@MASKED_ATTENTION.add(
    "the result is cut off from the inputs: no gradient",
    "Your values are right, but no gradient reaches query, key or value. .detach(), .data, "
    ".tolist(), NumPy and torch.no_grad() all cut that line: where does your result pass through "
    "one?",
)
def _cut_off(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    context, weights = oracles.masked_attention(query, key, value, mask)
    return context.detach(), weights.detach()
