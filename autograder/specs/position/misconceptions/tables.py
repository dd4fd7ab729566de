"""Wrong tables: learned positions, and what happens where they end."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank
from autograder.specs.position import oracles

EMBED = Bank()


def _refuse(tokens: Tensor, table: Tensor) -> int:
    """The right refusal, around another mistake."""
    if tokens.shape[1] > len(table):
        raise ValueError(f"{tokens.shape[1]} tokens for {len(table)} positions")
    return tokens.shape[1]


@EMBED.add(
    "the word vectors are not scaled by √d_model",
    "Your words are too quiet beside their positions: a factor is missing from the words, and with "
    "d_model 1 nothing is missing. How large is a word vector made for the output, and what "
    "brings it up to the size of the table's rows?",
)
def _unscaled_words(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    return words[tokens] + table[: _refuse(tokens, table)]


@EMBED.add(
    "words and positions are both scaled",
    "The words are right, the positions are too loud by the root of d_model. What does the factor "
    "stand beside in the formula?",
)
def _both_scaled(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    return (words[tokens] + table[: _refuse(tokens, table)]) * words.shape[1] ** 0.5


@EMBED.add(
    "√d_model at the positions instead of the words",
    "Your positions are too loud and your words too quiet: the factor stands at the wrong one of "
    "the two. Which of them starts small?",
)
def _positions_scaled(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    return words[tokens] + table[: _refuse(tokens, table)] * words.shape[1] ** 0.5


@EMBED.add(
    "the positions are missing",
    "The words come back, rightly scaled, and nothing says where they stand. Which term of the sum "
    "is still to be added?",
)
def _words_alone(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    _refuse(tokens, table)
    return words[tokens] * words.shape[1] ** 0.5


@EMBED.add(
    "the whole table is added, however short the sentence",
    "You add all rows of the table, so a sentence that is shorter than it does not fit, and a "
    "single word becomes as many as there are rows. Which rows belong to the words 0 to L − 1?",
)
def _whole_table(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    _refuse(tokens, table)
    return words[tokens] * words.shape[1] ** 0.5 + table


@EMBED.add(
    "the whole table is added, and nothing is refused",
    "You add all rows of the table, so whatever is shorter or longer than it does not fit. Which "
    "rows belong to the words 0 to L − 1, and what about a sentence that needs more of them?",
)
def _whole_table_unlimited(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    return words[tokens] * words.shape[1] ** 0.5 + table


@EMBED.add(
    "divided by √d_model",
    "Your words became quieter: you divide by the root of d_model, as the scores of chapter 7 do. "
    "Word vectors start small; which way should they go?",
)
def _divided(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    return words[tokens] / words.shape[1] ** 0.5 + table[: _refuse(tokens, table)]


@EMBED.add(
    "scaled by d_model instead of its root",
    "Your words are too loud: they are multiplied by d_model itself. What of it does the formula "
    "take?",
)
def _by_d_model(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    return words[tokens] * words.shape[1] + table[: _refuse(tokens, table)]


@EMBED.add(
    "too long sentences stop with another error",
    "Your values are right. A sentence that is too long does stop, but with an error of torch's "
    "about sizes that do not fit, from which a user would not guess what is wrong. What could you "
    "ask, and raise, before you add?",
)
def _no_limit(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    return words[tokens] * words.shape[1] ** 0.5 + table[: tokens.shape[1]]


@EMBED.add(
    "too long sentences run into the end of the table",
    "Your values are right. A sentence that is too long does stop, but with an IndexError of the "
    "look-up, which tells the user neither the sentence's length nor the table's. What could you "
    "ask, and raise, before you look up?",
)
def _index_error(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    places = torch.arange(tokens.shape[1], device=tokens.device)
    return words[tokens] * words.shape[1] ** 0.5 + table[places]


@EMBED.add(
    "refused without the numbers",
    "You refuse the right sentences, but your message does not say how long the sentence was and "
    "how many positions there are. What would you want to read at three in the morning?",
)
def _no_numbers(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    if tokens.shape[1] > len(table):
        raise ValueError("the sentence is too long")
    return oracles.embed(tokens, words, table)


@EMBED.add(
    "a sentence as long as the table is refused",
    "Your limit is one word too strict: a table of 7 rows has room for 7 words, at positions 0 to "
    "6. Which comparison lets the last one in?",
)
def _too_strict(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    if tokens.shape[1] >= len(table):
        raise ValueError(f"{tokens.shape[1]} tokens, {len(table)} positions")
    return oracles.embed(tokens, words, table)


@EMBED.add(
    "what is too long shares the last row",
    "A sentence that is too long gets an answer: all words beyond the end share the last position, "
    "so the model confuses them in silence. What is a user better served with?",
)
def _clamped(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    places = torch.arange(tokens.shape[1], device=tokens.device).clamp(max=len(table) - 1)
    return words[tokens] * words.shape[1] ** 0.5 + table[places]


@EMBED.add(
    "what is too long starts from the first row again",
    "A sentence that is too long gets an answer: its positions start again from 0, so two words "
    "share a place in silence. What is a user better served with?",
)
def _wrapped(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    places = torch.arange(tokens.shape[1], device=tokens.device) % len(table)
    return words[tokens] * words.shape[1] ** 0.5 + table[places]


@EMBED.add(
    "what is too long is cut off",
    "A sentence that is too long loses its end: fewer vectors come back than words went in, and "
    "nobody is told. What is a user better served with?",
)
def _cut(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    return oracles.embed(tokens[:, : len(table)], words, table)


@EMBED.add(
    "positions added along the batch",
    "With as many sentences as words, all words of a sentence get the same position; otherwise the "
    "shapes do not fit. On which axis of (B, L, d_model) do the words of a sentence stand?",
)
def _table_along_the_batch(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    length = _refuse(tokens, table)
    return words[tokens] * words.shape[1] ** 0.5 + table[:length, None]


@EMBED.add(
    "the word's id used as its position",
    "The same word gets the same row of the table wherever it stands, or an id lies beyond the "
    "table: you look the tokens up in both. Which numbers say where a word stands?",
)
def _ids_as_places(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    _refuse(tokens, table)
    return words[tokens] * words.shape[1] ** 0.5 + table[tokens]


@EMBED.add(
    "the result is cut off from the tables: no gradient",
    "Your values are right, but no gradient reaches words or table, so neither could be learned. "
    ".detach(), .data, .tolist() and a new tensor made of tensors cut that line: where does your "
    "result pass through one?",
)
def _no_gradient(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    return oracles.embed(tokens, words, table).detach()
