"""The Stanford Sentiment Treebank's sentences with a side: positive or negative."""

from pathlib import Path
from typing import Literal, get_args

from attention_lib.data.documents import Document
from attention_lib.data.download import DataFile, fetch, read_lines

Split = Literal["train", "dev", "test"]


def sst2(split: Split, folder: Path | str | None = None) -> list[Document]:
    """Read sentences from film reviews, label 1 if they praise: 6,920 train, 872 dev, 1,821 test.

    The treebank is distributed as trees in a zip archive; these files hold its whole sentences
    without the neutral ones, lower-cased and tokenised, one a line, a tab and the label. Several
    repositories keep them, none officially, so they are not downloaded for you.

    Args:
        split: which.
        folder: holds ``sst2/``; the environment's ``ATTENTION_DATA`` if not given.

    Returns:
        documents of one sentence each, in the file's order.

    Raises:
        FileNotFoundError: if there is no such file; the message says how to get it.
        ValueError: if there is no such split, a line is not as described, or the file holds none.

    Socher et al. (2013).
    """
    if split not in get_args(Split):
        raise ValueError(f"split is {split!r}; wanted one of {', '.join(get_args(Split))}")
    how = (
        f"Write the {split} sentences of SST-2 (nlp.stanford.edu/sentiment; {split}.tsv in many "
        "repositories) as lines of sentence, tab and 0 or 1, and compress them as "
        f"sst2/{split}.tsv.gz"
    )
    path = fetch(DataFile(f"sst2/{split}.tsv.gz", how), folder)
    documents = []
    for number, line in enumerate(read_lines(path), start=1):
        words, _, label = line.rpartition("\t")
        if not words.split() or label not in ("0", "1"):
            raise ValueError(
                f"line {number} of {path} is {line[:60]!r}; wanted a sentence, a tab and 0 or 1"
            )
        documents.append(Document((tuple(words.split()),), int(label)))
    if not documents:
        raise ValueError(f"{path} holds no sentences; get the file again")
    return documents
