import pytest

from attention_lib.data.copy_task import copy_task


@pytest.mark.parametrize("reverse", [False, True])
def test_the_target_is_the_source_or_the_source_backwards(reverse):
    for pair in copy_task(101, reverse=reverse):
        assert list(pair.tgt) == (list(reversed(pair.src)) if reverse else list(pair.src))


def test_lengths_and_letters_stay_within_bounds_and_reach_them():
    pairs = copy_task(997, min_length=3, max_length=7, symbols=5)
    assert {len(pair.src) for pair in pairs} == {3, 4, 5, 6, 7}
    assert {letter for pair in pairs for letter in pair.src} == set("abcde")


def test_the_seed_decides_the_pairs():
    assert copy_task(13, seed=1) == copy_task(13, seed=1) != copy_task(13, seed=2)


@pytest.mark.parametrize(
    "bounds", [{"min_length": 0}, {"min_length": 5, "max_length": 3}, {"symbols": 0}]
)
def test_impossible_sequences_are_refused(bounds):
    with pytest.raises(ValueError, match="wanted 1 <= min_length <= max_length and symbols >= 1"):
        copy_task(3, **bounds)
