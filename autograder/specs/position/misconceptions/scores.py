"""Wrong biases: positions told to the scores."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank
from autograder.specs.position import oracles

RELATIVE_BIAS = Bank()
ADD_ALIBI = Bank()


def _looked_up(table: Tensor, distance: Tensor) -> Tensor:
    """The right number for each distance, whatever that distance is."""
    farthest = table.shape[1] // 2
    return table[:, distance.clamp(-farthest, farthest) + farthest]


@RELATIVE_BIAS.add(
    "query minus key instead of key minus query",
    "Left and right have changed places: a key to the right gets the number of the left. The "
    "distance is the key's position less the query's: which one do you take away?",
)
def _mirrored(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    return _looked_up(table, query_positions[:, None] - key_positions)


@RELATIVE_BIAS.add(
    "the sign of the distance is lost",
    "Keys on both sides get the same number: you took the absolute value of the distance. The "
    "table has 2k + 1 columns for a reason: what are the first k for?",
)
def _unsigned(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    return _looked_up(table, (key_positions - query_positions[:, None]).abs())


@RELATIVE_BIAS.add(
    "distances are not clipped",
    "Near keys are right. Beyond the farthest the index leaves the table: on one side that is an "
    "error, and on the other a negative index that quietly counts from the table's end. What "
    "should happen to a distance that is larger than k?",
)
def _unclipped(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    distance = key_positions - query_positions[:, None]
    return table[:, distance + table.shape[1] // 2]


@RELATIVE_BIAS.add(
    "negative distances used as indices",
    "Column 0 of the table belongs to the farthest key on the left, but you index with the "
    "distance itself: 0 for the word's own place, and a negative number counts from the end of the "
    "table. What must be added to a distance to get its column?",
)
def _no_offset(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    farthest = table.shape[1] // 2
    return table[:, (key_positions - query_positions[:, None]).clamp(-farthest, farthest)]


@RELATIVE_BIAS.add(
    "distances start again beyond the farthest",
    "Near keys are right. Beyond the farthest your columns start again from the other side: a "
    "remainder is no clipping. Which number should all far keys of one side share?",
)
def _modulo(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    distance = key_positions - query_positions[:, None]
    return table[:, (distance + table.shape[1] // 2) % table.shape[1]]


@RELATIVE_BIAS.add(
    "keys to the left get the farthest number",
    "Your distances are right to the right, and clipped at 0 to the left: all keys before the "
    "query share a number. On how many sides does a distance have to be clipped, and where?",
)
def _one_side(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    farthest = table.shape[1] // 2
    return table[:, (key_positions - query_positions[:, None]).clamp(0, farthest) + farthest]


@RELATIVE_BIAS.add(
    "clipped one step too early",
    "The farthest distance of each side shares the number of the one before it. A table of 2k + 1 "
    "columns knows the distances −k to k: where do you clip?",
)
def _too_early(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    farthest = table.shape[1] // 2
    near = max(farthest - 1, 0)
    distance = key_positions - query_positions[:, None]
    return table[:, distance.clamp(-near, near) + farthest]


@RELATIVE_BIAS.add(
    "what is farther than k gets nothing",
    "Near keys are right; beyond the farthest your bias is 0, which is a number like any other. "
    "Which number of the table do all far keys of one side share?",
)
def _far_is_nothing(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    distance = key_positions - query_positions[:, None]
    return _looked_up(table, distance) * (distance.abs() <= table.shape[1] // 2)


@RELATIVE_BIAS.add(
    "k is taken for the number of columns",
    "Your k is the whole width of the table, so the middle of the distances falls beyond its last "
    "column. It has 2k + 1 of them: how large is k if there are five?",
)
def _k_is_the_width(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    width = table.shape[1]
    return table[:, (key_positions - query_positions[:, None]).clamp(-width, width) + width]


@RELATIVE_BIAS.add(
    "distances look into the heads' axis",
    "Your index goes into the first axis of the table, and there are the heads: it soon runs off "
    "their end. On which axis of (heads, 2k + 1) do the distances lie?",
)
def _in_the_heads(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    farthest = table.shape[1] // 2
    distance = key_positions - query_positions[:, None]
    return table[distance.clamp(-farthest, farthest) + farthest]


@RELATIVE_BIAS.add(
    "rows are keys, columns are queries",
    "Your matrices are turned: rows belong to the keys. Scores are (L_q, L_k): who asks in row i?",
)
def _turned(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    return _looked_up(table, key_positions - query_positions[:, None]).mT


@RELATIVE_BIAS.add(
    "heads on the last axis",
    "Your numbers are right, but the heads are on the last axis, (L_q, L_k, heads). Scores have "
    "them before the two lengths: which axis must move?",
)
def _heads_last(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    return _looked_up(table, key_positions - query_positions[:, None]).movedim(0, -1)


@RELATIVE_BIAS.add(
    "places counted instead of the positions given",
    "Where positions run 0, 1, 2, … you are right, elsewhere not: your code counts rows and "
    "columns. One query, the newest word, stands at position 6: which argument says so?",
)
def _own_count(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    rows, columns = (
        torch.arange(len(p), device=table.device) for p in (query_positions, key_positions)
    )
    return _looked_up(table, columns - rows[:, None])


@RELATIVE_BIAS.add(
    "the result is cut off from the table: no gradient",
    "Your values are right, but no gradient reaches the table, so it could not be learned. "
    ".detach(), .item(), .tolist() and a new tensor made of tensors cut that line: where does your "
    "result pass through one?",
)
def _no_gradient(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    return oracles.relative_bias(table, query_positions, key_positions).detach()


def _penalised(scores: Tensor, distance: Tensor, slopes: Tensor) -> Tensor:
    return scores - (slopes[:, None, None] * distance).to(scores.dtype)


def _distance(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    return (query_positions[:, None] - key_positions).abs()


def _exponents(scores: Tensor) -> Tensor:
    """1 to n, in float64."""
    heads = scores.shape[1]
    return torch.arange(1, heads + 1, device=scores.device, dtype=torch.float64)


@ADD_ALIBI.add(
    "distance is rewarded",
    "Your scores grow with the distance: the sign is wrong. Should a word that is far away get "
    "more weight, or less?",
)
def _rewarded(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    slopes = 2 ** (-8 * _exponents(scores) / scores.shape[1])
    return _penalised(scores, _distance(query_positions, key_positions), -slopes)


@ADD_ALIBI.add(
    "slopes 1/2, 1/4, 1/8, … whatever the number of heads",
    "Eight heads are right, other numbers of heads are not: your slopes are 1/2, 1/4, 1/8 and so "
    "on. However many heads there are, the last slope is 1/256: by which factor must each follow "
    "the one before it?",
)
def _eight_heads(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    slopes = 2 ** -_exponents(scores)
    return _penalised(scores, _distance(query_positions, key_positions), slopes)


@ADD_ALIBI.add(
    "heads counted from 0",
    "Your first slope is 1, and each head has that of the head before it: you count heads from 0. "
    "With which number does the formula begin?",
)
def _from_zero(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    slopes = 2 ** (-8 * (_exponents(scores) - 1) / scores.shape[1])
    return _penalised(scores, _distance(query_positions, key_positions), slopes)


@ADD_ALIBI.add(
    "all heads have the same slope",
    "All your heads punish distance alike, with the first head's slope. What would heads with "
    "different slopes be good for?",
)
def _one_slope(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    slopes = torch.full_like(_exponents(scores), 2 ** (-8 / scores.shape[1]))
    return _penalised(scores, _distance(query_positions, key_positions), slopes)


@ADD_ALIBI.add(
    "keys ahead are rewarded",
    "Keys before the query are right; those after it get a bonus, because their distance comes out "
    "negative. A distance has no sign: what is missing?",
)
def _signed(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    slopes = 2 ** (-8 * _exponents(scores) / scores.shape[1])
    return _penalised(scores, query_positions[:, None] - key_positions, slopes)


@ADD_ALIBI.add(
    "keys behind are rewarded",
    "Keys after the query are right; those before it get a bonus, because their distance comes out "
    "negative. A distance has no sign: what is missing?",
)
def _signed_backwards(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    slopes = 2 ** (-8 * _exponents(scores) / scores.shape[1])
    return _penalised(scores, key_positions - query_positions[:, None], slopes)


@ADD_ALIBI.add(
    "keys ahead are masked as well",
    "Keys that stand after the query are hidden in your scores. ALiBi is mostly used under a "
    "causal mask, but the mask is put on elsewhere: what does the formula take from the score of a "
    "key ahead?",
)
def _masked(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    right = oracles.add_alibi(scores, query_positions, key_positions)
    return right.masked_fill(key_positions > query_positions[:, None], -torch.inf)


@ADD_ALIBI.add(
    "the slopes run backwards",
    "Your slopes are the right ones in the opposite order: the first head should have the "
    "steepest. Does your exponent grow with the head, or fall?",
)
def _backwards(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    slopes = (2 ** (-8 * _exponents(scores) / scores.shape[1])).flip(0)
    return _penalised(scores, _distance(query_positions, key_positions), slopes)


@ADD_ALIBI.add(
    "the distance is squared",
    "Your penalty grows with the square of the distance. What is *linear* about attention with "
    "linear biases?",
)
def _squared(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    slopes = 2 ** (-8 * _exponents(scores) / scores.shape[1])
    return _penalised(scores, _distance(query_positions, key_positions) ** 2, slopes)


@ADD_ALIBI.add(
    "slopes by e instead of 2",
    "Your slopes fall too fast: they are powers of e. Which number is raised to −8j/h in the "
    "formula?",
)
def _natural(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    slopes = torch.exp(-8 * _exponents(scores) / scores.shape[1])
    return _penalised(scores, _distance(query_positions, key_positions), slopes)


@ADD_ALIBI.add(
    "the bias is returned without the scores",
    "Your penalties are right, but there is no batch in what you return: the scores are gone. What "
    "is the bias to be added to?",
)
def _bias_alone(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    return oracles.add_alibi(torch.zeros_like(scores[:1]), query_positions, key_positions)[0]


@ADD_ALIBI.add(
    "the bias is repeated over the batch, without the scores",
    "Your penalties are right, but the scores are gone: what you return is the same for every "
    "sentence. What is the bias to be added to?",
)
def _bias_repeated(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    return oracles.add_alibi(torch.zeros_like(scores), query_positions, key_positions)


@ADD_ALIBI.add(
    "places counted instead of the positions given",
    "Where positions run 0, 1, 2, … you are right, elsewhere not: your code counts rows and "
    "columns. One query, the newest word, stands at position 6: which argument says so?",
)
def _rows_counted(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    rows, columns = (torch.arange(n, device=scores.device) for n in scores.shape[-2:])
    return oracles.add_alibi(scores, rows, columns)


@ADD_ALIBI.add(
    "the caller's scores are overwritten",
    "Your values are right, but the caller's scores have changed with them: -= and methods that "
    "end in _ write into the tensor they were given. Which line makes a new one instead?",
)
def _in_place(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    scores += oracles.add_alibi(torch.zeros_like(scores), query_positions, key_positions)
    return scores


@ADD_ALIBI.add(
    "slopes of the next number of heads",
    "Your slopes are a little too flat, the more so the fewer heads there are: they are those of "
    "one head more. Is h the number of heads, or that and one?",
)
def _one_more(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    slopes = 2 ** (-8 * _exponents(scores) / (scores.shape[1] + 1))
    return _penalised(scores, _distance(query_positions, key_positions), slopes)


@ADD_ALIBI.add(
    "multiplied by the penalty",
    "Your scores are scaled by a function of the distance, so a negative score grows when it is "
    "far away. Does the penalty stand beside the score, or before it?",
)
def _multiplied(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    slopes = 2 ** (-8 * _exponents(scores) / scores.shape[1])
    distance = _distance(query_positions, key_positions)
    return scores * (-slopes[:, None, None] * distance).to(scores.dtype)
