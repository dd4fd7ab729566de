"""Checks of the exercises that count: sequential_steps and path_lengths."""

from collections.abc import Sequence

import torch
from torch import Tensor

from autograder.checks.compare import at
from autograder.checks.draw import Rng
from autograder.checks.properties import inputs_unchanged, resembling, zero_where_oracle_is
from autograder.checks.spec import Answer, Case, Check
from autograder.specs.recurrent.inputs import all_strided, chain, random_needs

_SHOWN = 8  # steps of a chain that fit into a message


def _chain_of_right_length(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """The number is right; if not, a longest chain of a small case is shown."""
    for case, answer, wanted in zip(cases, answers, expected, strict=True):
        if float(answer.value) != wanted.value:
            walk = " → ".join(map(str, _longest_chain(case.args[0])))
            shown = f", e.g. {walk}" if wanted.value <= _SHOWN else ""
            said = f"you say {float(answer.value):g}; the longest chain has {wanted.value} steps"
            return at(case, said + shown)
    return None


def _longest_chain(needs: Tensor) -> list[int]:
    """One of the longest chains, the first step first."""
    chains: list[list[int]] = []
    for t, row in enumerate(needs):
        before = [chains[s] for s in row.nonzero().flatten().tolist()]
        chains.append([*max(before, key=len, default=[]), t])
    return max(chains, key=len, default=[])


def _lengths_right(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """All lengths are right; if not, one that is wrong is named."""
    for case, answer, wanted in zip(cases, answers, expected, strict=True):
        off = (answer.value != wanted.value).nonzero()
        if len(off):
            t, s = off[0].tolist()
            said, want = float(answer.value[t, s]), int(wanted.value[t, s])
            truth = f"the shortest way has {want} steps" if want else "there is no way, wanted 0"
            return at(
                case,
                f"{len(off)} of {wanted.value.numel()} values differ; from word {s} to step {t} "
                f"you say {said:g}, and {truth}",
            )
    return None


def _steps(needs: Tensor, label: str) -> Case:
    return Case((needs,), label=f"{label}: {len(needs)} steps")


def _links(steps: int, pairs: Sequence[tuple[int, int]]) -> Tensor:
    """Step t needs step s, for each (t, s)."""
    needs = torch.zeros(steps, steps, dtype=torch.bool)
    for t, s in pairs:
        needs[t, s] = True
    return needs


def _steps_random(rng: Rng) -> list[Case]:
    return [
        _steps(random_needs(rng, 7, 0.4), "random"),
        _steps(random_needs(rng, 11, 0.25), "random"),
        _steps(random_needs(rng, 13, 0.15), "random"),
        _steps(_links(5, [(1, 0), (2, 1), (4, 0)]), "the last step is not the end of the chain"),
        _steps(_links(5, [(1, 0), (2, 1), (4, 2), (4, 3)]), "a step needs a late and an early one"),
    ]


def _chains(rng: Rng) -> list[Case]:
    free = torch.zeros(7, 7, dtype=torch.bool)
    return [
        _steps(chain(5), "each needs the one before"),
        _steps(chain(13), "each needs the one before"),
        _steps(free, "none needs another"),
        _steps(torch.ones(11, 11).tril(-1).bool(), "each needs all before"),
    ]


def _side_by_side(rng: Rng) -> list[Case]:
    """Two chains in turn, as of the two directions of an encoder; one longer than the other."""
    both = torch.zeros(11, 11, dtype=torch.bool)
    for t in range(2, 11):
        both[t, t - 2] = t % 2 == 0 or t < 8
    joined = both.clone()
    joined[10, 7] = True
    return [_steps(both, "two chains"), _steps(joined, "two chains that meet at the end")]


def _stacked(rng: Rng) -> list[Case]:
    """Two layers of a recurrent network: a step needs the one to its left and the one below."""
    length = int(rng.integers(4, 7))
    needs = torch.zeros(2 * length, 2 * length, dtype=torch.bool)
    needs[:length, :length] = needs[length:, length:] = chain(length)
    needs[length:, :length] = torch.eye(length).bool()
    return [_steps(needs, "two layers"), _steps(chain(28), "an encoder and a decoder of 14")]


def _few(rng: Rng) -> list[Case]:
    return [
        _steps(torch.zeros(1, 1, dtype=torch.bool), "one step"),
        _steps(torch.zeros(0, 0, dtype=torch.bool), "no step"),
        _steps(chain(2), "one after the other"),
    ]


def _steps_inputs(rng: Rng) -> list[Case]:
    odd = _steps(random_needs(rng, 7, 0.5), "an input that is not contiguous")
    return [
        _steps(chain(5), "each needs the one before"),
        _steps(random_needs(rng, 11, 0.3), "random"),
        _steps(torch.zeros(7, 7, dtype=torch.bool), "none needs another"),
        Case(all_strided(odd.args), label=odd.label),
    ]


SEQUENTIAL_STEPS = (
    Check("the longest chain is counted", 5, _steps_random,
          _chain_of_right_length),
    Check("n steps take n if each needs the one before, 1 if none needs another", 2.5, _chains,
          _chain_of_right_length),
    Check("chains side by side take as long as the longer", 2, _side_by_side,
          _chain_of_right_length),
    Check("two layers overlap; an encoder and a decoder do not", 2, _stacked,
          _chain_of_right_length),
    Check("one step takes 1, no step 0", 1.5, _few,
          _chain_of_right_length),
    Check("inputs are left as they were", 1, _steps_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _paths(reads: Tensor, needs: Tensor, label: str) -> Case:
    return Case((reads, needs), label=f"{label}: {reads.shape[0]} steps, {reads.shape[1]} words")


def _random_paths(rng: Rng, steps: int, words: int, label: str = "random") -> Case:
    reads = torch.from_numpy(rng.random((steps, words)) < 0.15)
    # Each word but one is read early, so that there are ways to go.
    for s in range(1, words):
        reads[int(rng.integers(0, 3)), s] = True
    reads[:, 0] &= torch.arange(steps) > steps - 3
    return _paths(reads, random_needs(rng, steps, 0.3), label)


def _paths_random(rng: Rng) -> list[Case]:
    return [
        _random_paths(rng, 7, 3),
        _random_paths(rng, 11, 5),
        _random_paths(rng, 13, 7),
    ]


def _recurrent(rng: Rng) -> list[Case]:
    return [
        _paths(torch.eye(length).bool(), chain(length), "a recurrent layer")
        for length in (5, 7, 13)
    ]


def _windows(rng: Rng) -> list[Case]:
    """Three layers that each see one neighbour to each side; and attention, which sees all."""
    length = 7
    near = torch.ones(length, length).tril(1).triu(-1).bool()
    reads = torch.zeros(3 * length, length, dtype=torch.bool)
    reads[:length] = near
    needs = torch.zeros(3 * length, 3 * length, dtype=torch.bool)
    needs[length : 2 * length, :length] = needs[2 * length :, length : 2 * length] = near
    free = torch.zeros(11, 11, dtype=torch.bool)
    return [
        _paths(reads, needs, "three layers of windows"),
        _paths(~free, free, "a layer of attention"),
    ]


def _unreached(rng: Rng) -> list[Case]:
    """Words that some steps never hear of, though they need steps."""
    reads = torch.zeros(7, 3, dtype=torch.bool)
    reads[0, 0] = reads[3, 1] = reads[4, 2] = True
    return [
        _paths(reads, chain(7), "words that come late"),
        _paths(reads, _links(7, [(2, 1), (5, 3), (6, 4), (6, 2)]), "steps that hear of little"),
    ]


def _shortcuts(rng: Rng) -> list[Case]:
    """A way of many steps and one of few; also one that was never walked."""
    reads = torch.zeros(7, 2, dtype=torch.bool)
    reads[0] = reads[6, 1] = True
    skip = chain(7)
    skip[5, 0] = skip[6, 2] = True
    dead = _links(7, [(2, 0), (3, 1), (3, 2), (4, 1), (4, 3), (6, 5), (6, 4)])
    return [_paths(reads, skip, "with two shortcuts"), _paths(reads, dead, "with dead ends")]


def _few_paths(rng: Rng) -> list[Case]:
    one = torch.ones(1, 1, dtype=torch.bool)
    return [
        _paths(one, ~one, "one of each"),
        _paths(~one, ~one, "a word that is not read"),
        _paths(torch.eye(5).bool()[:, :1], chain(5), "one word"),
        _paths(torch.tensor([[True, False, True]]), ~one, "one step"),
    ]


def _paths_inputs(rng: Rng) -> list[Case]:
    odd = _random_paths(rng, 7, 3, "inputs that are not contiguous")
    return [_random_paths(rng, 11, 5), Case(all_strided(odd.args), label=odd.label)]


PATH_LENGTHS = (
    Check("steps on the shortest way are counted", 5, _paths_random,
          _lengths_right),
    Check("in a recurrent layer the length grows with the distance", 2.5, _recurrent,
          _lengths_right),
    Check("in layers of windows, and of attention, it is as short as can be", 2.5, _windows,
          _lengths_right),
    Check("a word that never gets there has length 0", 2, _unreached,
          resembling(zero_where_oracle_is())),
    Check("of several ways the shortest counts", 2, _shortcuts,
          _lengths_right),
    Check("one word and one step are enough", 1, _few_paths,
          _lengths_right),
    Check("inputs are left as they were", 1, _paths_inputs, resembling(inputs_unchanged)),
)  # fmt: skip
