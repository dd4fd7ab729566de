"""Multi30k: captions of pictures in English, translated into German."""

from pathlib import Path
from typing import Literal, get_args

from attention_lib.data.download import DataFile, fetch, read_lines
from attention_lib.data.pairs import TextPair

Split = Literal["train", "val", "test_2016_flickr"]

_FOLDER = "multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"
_SHA256 = {
    "train.en": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.de": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "val.en": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.de": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "test_2016_flickr.en": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.de": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
}


def multi30k(split: Split, folder: Path | str | None = None) -> list[TextPair]:
    """Read English→German pairs of raw text: 29,000 train, 1,014 val, 1,000 test_2016_flickr.

    Args:
        split: which.
        folder: holds ``multi30k/``; the environment's ``ATTENTION_DATA`` if not given. Without
            it the files are downloaded from the project's repository.

    Returns:
        the pairs in the file's order.

    Raises:
        ConnectionError: if the files are neither there nor to be downloaded.
        ValueError: if there is no such split, or a file has other bytes than the project's.

    Elliott et al. (2016); for non-commercial research and education.
    """
    if split not in get_args(Split):
        raise ValueError(f"split is {split!r}; wanted one of {', '.join(get_args(Split))}")
    sides = [
        list(read_lines(fetch(multi30k_file(f"{split}.{language}"), folder)))
        for language in ("en", "de")
    ]
    return [TextPair(src.strip(), tgt.strip()) for src, tgt in zip(*sides, strict=True)]


def multi30k_file(name: str) -> DataFile:
    """Describe the file of a split and a language, e.g. "train.de"."""
    return DataFile(
        path=f"multi30k/{name}.gz",
        how=f"Download data/task1/raw/{name}.gz from github.com/multi30k/dataset into multi30k/",
        url=f"https://raw.githubusercontent.com/{_FOLDER}/{name}.gz",
        sha256=_SHA256[name],
    )
