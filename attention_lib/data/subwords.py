"""Subwords: a vocabulary that can write every text, learnt with the ``tokenizers`` library."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from attention_lib.data.vocabulary import BOS, EOS, PAD, UNK

_MARKS = [PAD, BOS, EOS, UNK]
# Chinese has no spaces: left alone, whole sentences would become one "word" to learn from.
_CHINESE = Regex(r"[\u3400-\u9fff\uf900-\ufaff]")


class Subwords:
    """A subword model with the interface of :class:`attention_lib.data.vocabulary.Vocabulary`.

    Text is seen as bytes, of which frequent sequences within a word have ids of their own. So
    nothing is unknown, and what is decoded is what was encoded, spaces included. A Chinese
    character is a word. Learn one model from both languages for a joint vocabulary.

    Args:
        tokenizer: made by :meth:`learn` or :meth:`load`.

    Attributes:
        pad, bos, eos, unk: ids of the four marks, 0 … 3.

    >>> subwords = Subwords.learn(["lower and slower", "über und drüber"] * 5, size=300)
    >>> subwords.text(subwords.encode("drüber, slowly  ☃"))
    'drüber, slowly  ☃'
    >>> subwords.decode(subwords.encode(["und", "lower"]))
    ['und', 'lower']
    """

    pad, bos, eos, unk = range(4)

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        # A text that says "<eos>" means the five characters.
        self._tokenizer.encode_special_tokens = True

    def __reduce__(self) -> tuple[type["Subwords"], tuple[Tokenizer]]:
        # A copied or pickled tokenizer forgets encode_special_tokens.
        return type(self), (self._tokenizer,)

    @classmethod
    def learn(cls, texts: Iterable[str | Sequence[str]], *, size: int) -> "Subwords":
        """Learn a vocabulary by merging the most frequent pairs of neighbours again and again.

        Args:
            texts: sentences, as text or as words.
            size: of the vocabulary, marks and the 256 bytes included; fewer if the texts have
                fewer different sequences.

        Raises:
            TypeError: if ``texts`` is one text: its sentences would be single letters.
            ValueError: if ``size`` does not hold the marks and the bytes.

        Sennrich et al. (2016), on bytes.
        """
        if isinstance(texts, str):
            raise TypeError(f"texts is the text {texts[:40]!r}; wanted several, e.g. in a list")
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        if size < len(_MARKS) + len(alphabet):
            raise ValueError(
                f"size is {size}; wanted at least {len(_MARKS) + len(alphabet)}: four marks and "
                "every byte"
            )
        tokenizer = Tokenizer(models.BPE())
        by_byte = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alone = pre_tokenizers.Split(_CHINESE, "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([alone, by_byte])
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=_MARKS,
            initial_alphabet=alphabet,
            show_progress=False,
        )
        tokenizer.train_from_iterator(map(_joined, texts), trainer)
        return cls(tokenizer)

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def encode(self, words: str | Sequence[str]) -> list[int]:
        """Map a text, or words that are joined by spaces, to ids."""
        ids: list[int] = self._tokenizer.encode(_joined(words)).ids
        return ids

    def text(self, ids: Iterable[int]) -> str:
        """Map ids to the text they were encoded from; marks go.

        Raises:
            IndexError: if an id is not in the table.
        """
        ids = list(ids)
        if ids and not 0 <= min(ids) <= max(ids) < len(self):
            raise IndexError(f"ids reach from {min(ids)} to {max(ids)}; wanted 0 … {len(self) - 1}")
        return str(self._tokenizer.decode(ids))

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Map ids to words: what stood between single spaces.

        Raises:
            IndexError: if an id is not in the table.
        """
        text = self.text(ids)
        return text.split(" ") if text else []

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Map each id to its own piece of text, e.g. for the axes of an attention map.

        A piece that cuts a character in two shows as �.
        """
        return [self.text([i]) or _MARKS[i] for i in ids]

    def save(self, path: Path | str) -> None:
        """Write the model as the ``tokenizers`` library's JSON."""
        self._tokenizer.save(str(path))

    @classmethod
    def load(cls, path: Path | str) -> "Subwords":
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is no such model.
        """
        content = Path(path).read_text(encoding="utf-8")
        try:
            tokenizer = Tokenizer.from_str(content)
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"{path} is no subword model: {error}") from error
        if [tokenizer.token_to_id(mark) for mark in _MARKS] != [0, 1, 2, 3]:
            raise ValueError(f"{path} is a subword model whose first ids are not {_MARKS}")
        return cls(tokenizer)


def _joined(words: str | Sequence[str]) -> str:
    return words if isinstance(words, str) else " ".join(words)
