"""Words and their ids."""

from collections import Counter
from collections.abc import Iterable, Sequence

PAD, BOS, EOS, UNK = "<pad>", "<bos>", "<eos>", "<unk>"


def refuse_text(words: Sequence[str]) -> Sequence[str]:
    """Give words back as they are, but no string: its words would be single letters.

    Raises:
        TypeError: if ``words`` is a string.
    """
    if isinstance(words, str):
        raise TypeError(
            f"got the text {words[:40]!r}; wanted its words, e.g. text.split(), or learn "
            "attention_lib.data.subwords.Subwords from the texts"
        )
    return words


class Vocabulary:
    """A two-way table of words and ids; <pad>, <bos>, <eos> and <unk> are 0, 1, 2 and 3.

    Args:
        sentences: sentences of words to collect the words from.
        min_count: words seen less often become <unk>.

    Raises:
        TypeError: if a sentence is text that was not split into words.

    Attributes:
        words: the word of each id, the most frequent first.
        pad, bos, eos, unk: ids of the four marks.

    >>> vocabulary = Vocabulary([["我", "是", "一", "个", "学生", "。"]])
    >>> len(vocabulary), vocabulary.decode(vocabulary.encode(["我", "是", "老师", "。"]))
    (10, ['我', '是', '<unk>', '。'])
    """

    pad, bos, eos, unk = range(4)

    def __init__(self, sentences: Iterable[Sequence[str]], *, min_count: int = 1) -> None:
        counts = Counter(word for sentence in sentences for word in refuse_text(sentence))
        marks = [PAD, BOS, EOS, UNK]
        kept = [word for word, count in counts.items() if count >= min_count and word not in marks]
        # The order of equal counts must not depend on the order of the sentences.
        self.words = marks + sorted(kept, key=lambda word: (-counts[word], word))
        self._ids = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Sequence[str]) -> list[int]:
        """Map words to ids; words that are not in the table become <unk>.

        Raises:
            TypeError: if ``words`` is text that was not split.
        """
        return [self._ids.get(word, self.unk) for word in refuse_text(words)]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Map ids to words.

        Raises:
            IndexError: if an id is not in the table.
        """
        ids = list(ids)
        if ids and not 0 <= min(ids) <= max(ids) < len(self):
            raise IndexError(f"ids reach from {min(ids)} to {max(ids)}; wanted 0 … {len(self) - 1}")
        return [self.words[i] for i in ids]
