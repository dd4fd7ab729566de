"""Wrong shuffles and wrong clocks: positions told to the words."""

import math

import torch
from torch import Tensor

from attention_lib.positions import sinusoidal_positions
from autograder.checks.bank import Bank
from autograder.specs.position import oracles
from autograder.specs.position.oracles import Params, attend

ORDER_EFFECT = Bank()
ADD_SINUSOIDS = Bank()


@ORDER_EFFECT.add(
    "the places were shuffled together with the words",
    "Your result is 0 everywhere: word and place moved together, and a set does not change when "
    "its members are listed in another order. Which of the two stays where it is when the words "
    "of a sentence change places?",
)
def _moved_together(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    shuffled = attend((x + positions)[:, order], params)
    return shuffled[:, order.argsort()] - attend(x + positions, params)


@ORDER_EFFECT.add(
    "the shuffled answers were not put back",
    "You compare the answer at a place with the answer at the same place, where now another word "
    "stands: even without any positions your result is not 0. How do you get each word's answer "
    "back to where the word was?",
)
def _not_put_back(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    return attend(x[:, order] + positions, params) - attend(x + positions, params)


@ORDER_EFFECT.add(
    "put back with the order itself instead of its inverse",
    "You index with order a second time. That brings words back only if the order is its own "
    "inverse, like a swap. Word order[i] went to place i. What does sorting order tell you, if you "
    "ask for the indices: where, then, is word j now?",
)
def _twice(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    shuffled = attend(x[:, order] + positions, params)
    return shuffled[:, order] - attend(x + positions, params)


@ORDER_EFFECT.add(
    "shuffled with the inverse, put back with the order",
    "You shuffle by the inverse of order and put back by order: everything is consistent, but it "
    "is another shuffle than the one asked for. At place i stands word order[i]: what does your "
    "first indexing put there?",
)
def _inverse_first(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    shuffled = attend(x[:, order.argsort()] + positions, params)
    return shuffled[:, order] - attend(x + positions, params)


@ORDER_EFFECT.add(
    "the places were told to the shuffled sentence only",
    "The straight sentence gets no positions in your code, so your difference mixes two effects: "
    "that of telling the places and that of the order. What else should both sentences have in "
    "common?",
)
def _told_once(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    shuffled = attend(x[:, order] + positions, params)
    return shuffled[:, order.argsort()] - attend(x, params)


@ORDER_EFFECT.add(
    "positions are not used",
    "Your result is 0 everywhere (but for rounding): nothing in your code tells the layer where a "
    "word stands. What is added to the words before they ask?",
)
def _untold(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    # Half of the rounding, so that it is no copy of the places that were shuffled, too.
    return (attend(x[:, order], params)[:, order.argsort()] - attend(x, params)) / 2


@ORDER_EFFECT.add(
    "straight minus shuffled",
    "All your numbers have the wrong sign. The change is what the shuffled sentence says *less* "
    "what the straight one says: which of the two comes first in your difference?",
)
def _wrong_sign(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    return -oracles.order_effect(x, positions, order, params)


@ORDER_EFFECT.add(
    "the size of the change instead of the change",
    "Your numbers are right but for their signs, which are all positive. The change of a vector "
    "has a direction: what did the absolute value do to it?",
)
def _absolute(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    return oracles.order_effect(x, positions, order, params).abs()


@ORDER_EFFECT.add(
    "the scores are not scaled",
    "Your layer compares by plain dot products; only where keys have one number does that make no "
    "difference. What does chapter 7 divide the scores by?",
)
def _unscaled(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    root = math.sqrt(params["W_k"].shape[1])
    return oracles.order_effect(x, positions, order, params | {"W_q": params["W_q"] * root})


@ORDER_EFFECT.add(
    "the scores are divided by √d_model",
    "You divide the scores by the root of d_model, the size of a word. Which two vectors are "
    "multiplied with each other in a score, and how many numbers have they?",
)
def _scaled_by_d_model(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    ratio = math.sqrt(params["W_k"].shape[1] / x.shape[-1])
    return oracles.order_effect(x, positions, order, params | {"W_q": params["W_q"] * ratio})


@ORDER_EFFECT.add(
    "softmax over the queries",
    "In your weights the columns sum to 1: each key shares itself out among the words that ask. "
    "Who shares out a weight of 1 here, and along which axis of (B, L_q, L_k)?",
)
def _over_queries(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    def layer(words: Tensor) -> Tensor:
        query, key, value = (words @ params[name] for name in ("W_q", "W_k", "W_v"))
        return (query @ key.mT / math.sqrt(key.shape[-1])).softmax(-2) @ value

    return layer(x[:, order] + positions)[:, order.argsort()] - layer(x + positions)


@ORDER_EFFECT.add(
    "compared in the order of the shuffled sentence",
    "Your changes are right, but they stand in the order of the shuffled sentence: row i belongs "
    "to the word that has come to place i. In whose order are they asked for, and which of the two "
    "answers must be moved?",
)
def _shuffled_order(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    return oracles.order_effect(x, positions, order, params)[:, order]


@ORDER_EFFECT.add(
    "the caller's words are overwritten",
    "Your result is 0 everywhere: += has written the places into the caller's words, so both move "
    "together afterwards. What does x hold when you shuffle it?",
)
def _written_into_x(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    x += positions
    return attend(x[:, order], params)[:, order.argsort()] - attend(x, params)


@ORDER_EFFECT.add(
    "the sentences are shuffled, not their words",
    "Your order was applied to the batch: whole sentences changed places, or there were too few of "
    "them. On which axis of (B, L, d_model) do the words of a sentence stand?",
)
def _batch_shuffled(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    shuffled = attend(x[order] + positions, params)
    return shuffled[order.argsort()] - attend(x + positions, params)


def _speeds(d: int, device: torch.device) -> Tensor:
    return 10_000.0 ** (-torch.arange(0, d, 2, device=device, dtype=torch.float64) / d)


def _interleaved(angles: Tensor, like: Tensor) -> Tensor:
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2).to(like.dtype)


@ADD_SINUSOIDS.add(
    "sines in one half, cosines in the other",
    "Your numbers are the right ones in another order: first all sines, then all cosines. (Some "
    "programs do it so.) In the formula feature 0 is a sine: what is feature 1?",
)
def _halves(x: Tensor, positions: Tensor) -> Tensor:
    angles = positions.double()[:, None] * _speeds(x.shape[-1], x.device)
    return x + torch.cat([angles.sin(), angles.cos()], -1).to(x.dtype)


@ADD_SINUSOIDS.add(
    "cosine first, sine second",
    "In each pair of features your sine and cosine have changed places: position 0 should read "
    "0, 1, 0, 1. Which of the two belongs to the even features 2i?",
)
def _swapped(x: Tensor, positions: Tensor) -> Tensor:
    angles = positions.double()[:, None] * _speeds(x.shape[-1], x.device)
    return x + torch.stack([angles.cos(), angles.sin()], -1).flatten(-2).to(x.dtype)


@ADD_SINUSOIDS.add(
    "positions counted from 1",
    "Every word gets the vector of its right neighbour's place: you count from 1. What should the "
    "clocks show at position 0?",
)
def _from_one(x: Tensor, positions: Tensor) -> Tensor:
    return oracles.add_sinusoids(x, positions + 1)


@ADD_SINUSOIDS.add(
    "0, 1, 2, … instead of the positions given",
    "Sentences that start at 0 are right, others are not: your code counts for itself. The caller "
    "says where the words stand (the next word of a text already has others before it): which "
    "argument have you not used?",
)
def _own_count(x: Tensor, positions: Tensor) -> Tensor:
    return oracles.add_sinusoids(x, torch.arange(x.shape[-2], device=x.device))


@ADD_SINUSOIDS.add(
    "the exponent is i/d instead of 2i/d",
    "Your first clock is right, and the others run too fast: pair i wants the exponent 2i/d. From "
    "0 to what, and in steps of what, does that exponent run?",
)
def _half_exponent(x: Tensor, positions: Tensor) -> Tensor:
    speeds = _speeds(x.shape[-1], x.device).sqrt()
    return x + _interleaved(positions.double()[:, None] * speeds, x)


@ADD_SINUSOIDS.add(
    "every feature has a speed of its own",
    "Your even features are right. In an odd one, the cosine runs at another speed than its sine: "
    "the exponent was made from the feature's own number. What do features 2i and 2i + 1 have in "
    "common in the formula?",
)
def _own_speed(x: Tensor, positions: Tensor) -> Tensor:
    d = x.shape[-1]
    feature = torch.arange(d, device=x.device)
    angles = positions.double()[:, None] * 10_000.0 ** (-feature.double() / d)
    return x + torch.where(feature % 2 == 0, angles.sin(), angles.cos()).to(x.dtype)


@ADD_SINUSOIDS.add(
    "the exponent is 4i/d",
    "Your first clock is right, and the others run too slowly: the exponent grows twice as fast as "
    "it should. If your numbers already run 0, 2, 4, …, is a factor of 2 still missing?",
)
def _double_exponent(x: Tensor, positions: Tensor) -> Tensor:
    speeds = _speeds(x.shape[-1], x.device) ** 2
    return x + _interleaved(positions.double()[:, None] * speeds, x)


@ADD_SINUSOIDS.add(
    "clocks that speed up: multiplied by 10000^(2i/d)",
    "Your first clock is right, and each one after it is faster instead of slower: from one word "
    "to the next it turns many times. Does the formula multiply the position by the power, or "
    "divide it?",
)
def _faster(x: Tensor, positions: Tensor) -> Tensor:
    speeds = 1 / _speeds(x.shape[-1], x.device)
    return x + _interleaved(positions.double()[:, None] * speeds, x)


@ADD_SINUSOIDS.add(
    "positions added along the batch",
    "With as many sentences as words, all words of a sentence get the same vector, and each "
    "sentence another; otherwise the shapes do not fit. On which axis of (B, L, d_model) do the "
    "words of a sentence stand?",
)
def _along_the_batch(x: Tensor, positions: Tensor) -> Tensor:
    return x + sinusoidal_positions(positions, x.shape[-1], dtype=x.dtype)[:, None]


@ADD_SINUSOIDS.add(
    "the table is returned without the words",
    "Your table is right, but the words are gone: what you return is the same for every sentence. "
    "What is it to be added to?",
)
def _table_alone(x: Tensor, positions: Tensor) -> Tensor:
    return sinusoidal_positions(positions, x.shape[-1], dtype=x.dtype)


@ADD_SINUSOIDS.add(
    "words multiplied by the table",
    "You multiply the words by sines and cosines, so a word's even features vanish at position 0. "
    "How does chapter 9 join the two?",
)
def _multiplied(x: Tensor, positions: Tensor) -> Tensor:
    return x * sinusoidal_positions(positions, x.shape[-1], dtype=x.dtype)


@ADD_SINUSOIDS.add(
    "sines alone",
    "Both features of a pair are the same sine. A clock's hand that casts one shadow only leaves "
    "two times in doubt: what is the second feature for?",
)
def _sines(x: Tensor, positions: Tensor) -> Tensor:
    angles = positions.double()[:, None] * _speeds(x.shape[-1], x.device)
    return x + angles.sin().repeat_interleave(2, -1).to(x.dtype)


@ADD_SINUSOIDS.add(
    "the caller's words are overwritten",
    "Your values are right, but the caller's x has changed with them: += and methods that end in _ "
    "write into the tensor they were given. Which line makes a new one instead?",
)
def _in_place(x: Tensor, positions: Tensor) -> Tensor:
    x += sinusoidal_positions(positions, x.shape[-1], dtype=x.dtype)
    return x


@ADD_SINUSOIDS.add(
    "angles in the words' half precision",
    "All is well until the words are in half precision: there 2049 and 2048 are the same number, "
    "so late positions get the wrong angle. In which precision must an angle be computed, and when "
    "is it early enough to round?",
)
def _half_angles(x: Tensor, positions: Tensor) -> Tensor:
    # Rounding the position alone, as `positions.to(x.dtype)` does; what follows is exact.
    rounded = positions.to(x.dtype) if x.dtype in (torch.float16, torch.bfloat16) else positions
    return oracles.add_sinusoids(x, rounded)
