"""Wrong ways to cut words into heads and to put them together again."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

SPLIT_HEADS = Bank()
MERGE_HEADS = Bank()


@SPLIT_HEADS.add(
    "reshaped to (B, h, L, d) at once: heads mix words",
    "The shape is right and the numbers are in the wrong places: your head 0 holds the first words "
    "whole, cut into pieces, and no later word. A reshape never moves a number in memory. Which "
    "two axes can be made without moving any, and which step must then move them?",
)
def _reshaped(x: Tensor, num_heads: int) -> Tensor:
    b, length, d_model = x.shape
    return x.reshape(b, num_heads, length, d_model // num_heads)


@SPLIT_HEADS.add(
    "heads take every h-th number: interleaved",
    "Your head i holds the numbers i, i + h, i + 2h, … of each word. The task wants a slice that "
    "lies together. When the last axis becomes two, which of them is the outer one?",
)
def _interleaved(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (-1, num_heads)).permute(0, 3, 1, 2)


@SPLIT_HEADS.add(
    "the heads' axis stays behind the words: no transpose",
    "The cut is right, but your result is still (B, L, h, d): the heads stand behind the words. "
    "Attention multiplies the last two axes. Which two should those be?",
)
def _left_behind(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1))


@SPLIT_HEADS.add(
    "words and numbers have changed places",
    "Your result is (B, h, d, L): within each head the numbers stand before the words. Did one "
    "swap of axes too many take place, or another one than you meant?",
)
def _turned(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).permute(0, 2, 3, 1)


@SPLIT_HEADS.add(
    "transposed before the reshape",
    "The shape is right, but the words are scrambled: you swapped words and numbers and then "
    "reshaped, which reads the numbers in that new order. What should the last axis be cut into "
    "before anything moves?",
)
def _turned_first(x: Tensor, num_heads: int) -> Tensor:
    b, length, d_model = x.shape
    return x.transpose(1, 2).reshape(b, num_heads, length, d_model // num_heads)


@SPLIT_HEADS.add(
    "head_dim heads of num_heads numbers",
    "You have d heads of h numbers each: the two sizes have changed places. Of the two factors of "
    "d_model, which one is num_heads?",
)
def _sizes_swapped(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (-1, num_heads)).transpose(1, 2)


@SPLIT_HEADS.add(
    "heads stacked in front of the batch",
    "Your result is (h, B, L, d). In this course the batch comes first. At which axis does a stack "
    "put the pieces if it is not told?",
)
def _in_front(x: Tensor, num_heads: int) -> Tensor:
    return torch.stack(x.chunk(num_heads, -1))


@SPLIT_HEADS.add(
    "heads folded into the batch",
    "Your result has three axes, with B times h in the first. That works for attention, too, but "
    "this function promises four. Which axis is missing?",
)
def _folded(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2).flatten(0, 1)


@SPLIT_HEADS.add(
    "the sentence is cut instead of the words",
    "Each of your heads holds a stretch of the sentence, with words whole. Every head should see "
    "every word, in part. Which axis of (B, L, d_model) is cut?",
)
def _sentence_cut(x: Tensor, num_heads: int) -> Tensor:
    return torch.stack(x.tensor_split(num_heads, dim=1), 1)


@SPLIT_HEADS.add(
    "squeeze() without a dim",
    "With one sentence, word, head or number an axis of your result disappears: squeeze() without "
    "a dim drops every axis of size 1. Which one, if any, do you want gone?",
)
def _squeezed(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2).squeeze()


@SPLIT_HEADS.add(
    "the result is cut off from the inputs: no gradient",
    "Your numbers are right, but no gradient reaches x, so a model could not learn through it. "
    ".detach(), .data, .tolist(), NumPy and a new tensor all cut that line: where does your result "
    "pass through one?",
)
def _no_gradient(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2).detach()


def _sizes(heads: Tensor) -> tuple[int, int, int]:
    b, h, length, d = heads.shape
    return b, length, h * d


@MERGE_HEADS.add(
    "reshaped without moving the axes back",
    "The shape is right and the numbers are in the wrong places: your first word holds pieces of "
    "head 0 of several words, and no other head. A reshape never moves a number in memory. Which "
    "two axes must stand side by side before they can become one?",
)
def _unmoved(heads: Tensor) -> Tensor:
    return heads.reshape(_sizes(heads))


@MERGE_HEADS.add(
    "each head's words are put end to end: nothing is moved",
    "Your result is (B, h, L · d): each head has all its words in one row. A *word's* numbers "
    "belong together. Which axis has to go past which before the last two become one?",
)
def _words_joined(heads: Tensor) -> Tensor:
    return heads.flatten(2)


@MERGE_HEADS.add(
    "a view of what was transposed",
    "You move the right axes, and torch then refuses: a view needs numbers that lie in memory in "
    "the order in which it reads them, and a transpose does not move them. Which function of torch "
    "gives the same shape and copies where it must?",
)
def _viewed(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).view(_sizes(heads))


@MERGE_HEADS.add(
    "the heads' numbers are interleaved",
    "Each word begins with the first number of every head, then comes the second of every head. "
    "The task wants head 0 whole, then head 1. When two axes become one, which is the outer one?",
)
def _interlaced(heads: Tensor) -> Tensor:
    return heads.permute(0, 2, 3, 1).flatten(2)


@MERGE_HEADS.add(
    "the heads are averaged",
    "You average the heads, so that h · d numbers become d and nobody knows who said what. Which "
    "of them would W_o then still be able to weigh?",
)
def _averaged(heads: Tensor) -> Tensor:
    return heads.mean(1)


@MERGE_HEADS.add(
    "the heads are added up",
    "You add the heads up, so that h · d numbers become d. Put side by side they stay apart. What "
    "size should the last axis have?",
)
def _summed(heads: Tensor) -> Tensor:
    return heads.sum(1)


@MERGE_HEADS.add(
    "the heads stand one after the other, as longer sentences",
    "Your result is (B, h · L, d): the heads follow one another along the words. A word's heads "
    "belong to that word. Which axis should grow?",
)
def _end_to_end(heads: Tensor) -> Tensor:
    return heads.flatten(1, 2)


@MERGE_HEADS.add(
    "words and numbers have changed places",
    "Your result is (B, h · d, L): the numbers stand before the words. Which axis comes second in "
    "(B, L, d_model)?",
)
def _numbers_first(heads: Tensor) -> Tensor:
    return heads.transpose(2, 3).flatten(1, 2)


@MERGE_HEADS.add(
    "the words are transposed twice",
    "The shape is right, but words and numbers are scrambled: you swapped the last two axes before "
    "the reshape. Which axis has to go past which, so that each word has its heads beside it?",
)
def _scrambled(heads: Tensor) -> Tensor:
    return heads.transpose(2, 3).reshape(_sizes(heads))


@MERGE_HEADS.add(
    "the sentences of the batch are put side by side, not the heads",
    "You joined the sentences of the batch: a loop over a tensor runs over its first axis. Which "
    "axis are the heads on?",
)
def _sentences_joined(heads: Tensor) -> Tensor:
    return torch.cat(list(heads), -1)


@MERGE_HEADS.add(
    "the axes are moved back, but the heads are not joined",
    "Your result is (B, L, h, d): each word has its heads beside it, still as a table. What is "
    "left to do with the last two axes?",
)
def _unjoined(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2)


@MERGE_HEADS.add(
    "squeeze() without a dim",
    "With one sentence, word or number an axis of your result disappears: squeeze() without a dim "
    "drops every axis of size 1. Which one, if any, do you want gone?",
)
def _axes_dropped(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2).squeeze()


@MERGE_HEADS.add(
    "the result is cut off from the inputs: no gradient",
    "Your numbers are right, but no gradient reaches the heads. .detach(), .data, .tolist(), NumPy "
    "and a new tensor all cut that line: where does your result pass through one?",
)
def _detached(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2).detach()
