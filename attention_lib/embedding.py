"""Tables of word vectors."""

from torch import Tensor, nn

from attention_lib.checks import check_whole


class Embedding(nn.Embedding):
    """A table of vectors that names the id it does not hold.

    >>> import torch
    >>> Embedding(7, 3)(torch.tensor([[0, 6]])).shape
    torch.Size([1, 2, 3])
    """

    def forward(self, ids: Tensor) -> Tensor:
        """Look up ids (...): (..., embedding_dim).

        Raises:
            IndexError: if an id lies outside the table.
            TypeError: if the ids are no whole numbers.
        """
        check_whole(ids=ids)
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < self.num_embeddings:
            raise IndexError(
                f"ids run from {int(ids.min())} to {int(ids.max())}; the vocabulary has ids "
                f"0 … {self.num_embeddings - 1}: encode with the vocabulary the model was built for"
            )
        return super().forward(ids)
