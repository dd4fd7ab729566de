"""One training step of recurrent translators with attention: ours against what others run.

All start from the same parameters, see the same batches and compute the same loss (checked before
anything is timed); each round runs all of them once, and a ratio is the median over the rounds of
peer / ours. OpenNMT-py is used where it can be imported, else its decoder's form written out.

    python benchmarks/recurrent.py --threads 2
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib.data.batching import Batch
from attention_lib.masks import length_mask
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig

VOCABULARY, SIZE, BATCH = 10_000, 256, 64
LUONG = {"attention": "luong", "score": "general", "input_feeding": True}
BAHDANAU = {"attention": "bahdanau", "score": "concat"}
PAD = 0


class Ours(nn.Module):
    """The library's translator with its own loss."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def loss(self, batch: Batch) -> Tensor:
        """Sum the negative log-likelihood of the real words."""
        return self.model.loss(batch)[0]


class Peer(nn.Module):
    """What all peers share: an encoder that packs, and cross-entropy over all positions."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.encoder, self.embedding, self.output = (
            model.encoder,
            model.embedding,
            model.output,
        )

    def encode(self, batch: Batch) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run torch's LSTM over the packed source."""
        embedded = self.encoder.embedding(batch.src)
        lengths = batch.src_lengths.tolist()
        packed = nn.utils.rnn.pack_padded_sequence(
            embedded, lengths, batch_first=True, enforce_sorted=False
        )
        outputs, state = self.encoder.rnn(packed)
        return nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)[0], state

    def loss(self, batch: Batch) -> Tensor:
        """Sum the negative log-likelihood of the real words."""
        logits, targets = self.logits(batch).flatten(0, 1), batch.tgt_out.flatten()
        return F.cross_entropy(logits, targets, ignore_index=PAD, reduction="sum")

    def logits(self, batch: Batch) -> Tensor:
        """Map a batch to (batch, steps, vocabulary)."""
        raise NotImplementedError


def lstm_cell(rnn: nn.LSTM) -> nn.LSTMCell:
    """Take a network of one layer as a cell, with copies of its parameters."""
    cell = nn.LSTMCell(rnn.input_size, rnn.hidden_size)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in rnn.state_dict().items()})
    return cell


class OpenNMTForm(Peer):
    """The form of OpenNMT-py 3.5's ``InputFeedRNNDecoder``: a cell a step, output layer after."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__(model)
        self.cell = lstm_cell(model.rnn)
        self.linear_in = nn.Linear(SIZE, SIZE, bias=False)
        self.linear_in.weight.data = model.attention.weight.data.mT.contiguous()
        self.linear_out = nn.Linear(2 * SIZE, SIZE, bias=False)
        self.linear_out.weight.data = model.w_c.data.clone()

    def logits(self, batch: Batch) -> Tensor:
        """Follow ``_run_forward_pass`` and ``GlobalAttention.forward`` call by call."""
        memory, (h, c) = self.encode(batch)
        h, c = h[0], c[0]
        fed, outputs = torch.zeros_like(h), []
        for word in self.embedding(batch.tgt_in).split(1, dim=1):
            h, c = self.cell(torch.cat([word.squeeze(1), fed], 1), (h, c))
            query = h.unsqueeze(1)
            scores = torch.bmm(self.linear_in(query), memory.transpose(1, 2))
            mask = ~length_mask(batch.src_lengths, memory.shape[1]).unsqueeze(1)
            weights = F.softmax(scores.masked_fill_(mask, -float("inf")), -1)
            joined = torch.cat([torch.bmm(weights, memory), query], 2).view(len(h), -1)
            fed = torch.tanh(self.linear_out(joined))
            outputs.append(fed)
        return self.output(torch.stack(outputs, dim=1))


class OpenNMT(Peer):
    """OpenNMT-py's own ``InputFeedRNNDecoder`` with its ``GlobalAttention``."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__(model)
        from onmt.decoders.decoder import InputFeedRNNDecoder

        self.embedding.embedding_size = SIZE
        self.decoder = InputFeedRNNDecoder(
            "LSTM", False, 1, SIZE, attn_type="general", embeddings=self.embedding
        )
        form = OpenNMTForm(model)
        self.decoder.rnn.layers[0].load_state_dict(form.cell.state_dict())
        self.decoder.attn.linear_in.load_state_dict(form.linear_in.state_dict())
        self.decoder.attn.linear_out.load_state_dict(form.linear_out.state_dict())

    def logits(self, batch: Batch) -> Tensor:
        """Call the decoder as OpenNMT-py's ``NMTModel`` does."""
        memory, state = self.encode(batch)
        self.decoder.init_state(None, None, state)
        outputs, _ = self.decoder(batch.tgt_in, memory, src_len=batch.src_lengths)
        return self.output(outputs)


class TutorialLuong(Peer):
    """The usual tutorial: a network called step by step, all of a step inside the loop."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__(model)
        self.rnn, self.w_c = model.rnn, nn.Parameter(model.w_c.data.clone())
        self.attn = nn.Linear(SIZE, SIZE, bias=False)
        self.attn.weight.data = model.attention.weight.data.clone()

    def logits(self, batch: Batch) -> Tensor:
        """Recompute W_a h̄_s at each step, and fill the logits in word by word."""
        memory, state = self.encode(batch)
        mask = length_mask(batch.src_lengths, memory.shape[1])
        fed = memory.new_zeros(len(memory), SIZE)
        logits = torch.zeros(*batch.tgt_in.shape, VOCABULARY)
        for t in range(batch.tgt_in.shape[1]):
            word = self.embedding(batch.tgt_in[:, t])
            out, state = self.rnn(torch.cat([word, fed], 1).unsqueeze(1), state)
            energy = torch.sum(out * self.attn(memory), dim=2)
            weights = F.softmax(energy.masked_fill(~mask, -1e10), dim=1).unsqueeze(1)
            joined = torch.cat([weights.bmm(memory), out], dim=2).squeeze(1)
            fed = torch.tanh(F.linear(joined, self.w_c))
            logits[:, t] = self.output(fed)
        return logits


class TutorialBahdanau(Peer):
    """The usual tutorial of additive attention: state and memory joined pair by pair."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__(model)
        self.rnn, self.w_c = model.rnn, nn.Parameter(model.w_c.data.clone())
        self.attn = nn.Linear(2 * SIZE, SIZE, bias=False)
        read = model.attention
        self.attn.weight.data = torch.cat([read.w_query.data, read.w_key.data], dim=1)
        self.v = nn.Linear(SIZE, 1, bias=False)
        self.v.weight.data = read.v.data[None].clone()

    def logits(self, batch: Batch) -> Tensor:
        """Repeat the state over the source at each step, and fill the logits in word by word."""
        memory, state = self.encode(batch)
        length = memory.shape[1]
        mask = length_mask(batch.src_lengths, length)
        logits = torch.zeros(*batch.tgt_in.shape, VOCABULARY)
        for t in range(batch.tgt_in.shape[1]):
            word = self.embedding(batch.tgt_in[:, t]).unsqueeze(1)
            hidden = state[0][-1].unsqueeze(1).repeat(1, length, 1)
            energy = torch.tanh(self.attn(torch.cat([hidden, memory], dim=2)))
            scores = self.v(energy).squeeze(2).masked_fill(~mask, -1e10)
            context = torch.bmm(F.softmax(scores, dim=1).unsqueeze(1), memory)
            out, state = self.rnn(torch.cat([word, context], dim=2), state)
            joined = torch.cat([context, out], dim=2).squeeze(1)
            logits[:, t] = self.output(torch.tanh(F.linear(joined, self.w_c)))
        return logits


@dataclass(frozen=True)
class Row:
    """A peer in one setting: ms a step, and the median ratio peer / ours in wall and CPU time."""

    model: str
    data: str
    peer: str
    milliseconds: float
    ratio: float
    cpu_ratio: float


def contestants(options: dict[str, object]) -> dict[str, nn.Module]:
    """Build ours and its peers with the same parameters."""

    def model() -> Seq2Seq:
        torch.manual_seed(0)
        sizes = {"d_embed": SIZE, "d_hidden": SIZE, "dropout": 0.0}
        return Seq2Seq(Seq2SeqConfig(VOCABULARY, VOCABULARY, **sizes, **options))

    if options["attention"] == "bahdanau":
        return {"ours": Ours(model()), "tutorial": TutorialBahdanau(model())}
    runs = {"ours": Ours(model()), "tutorial": TutorialLuong(model())}
    runs["OpenNMT-py's form"] = OpenNMTForm(model())
    try:
        runs["OpenNMT-py"] = OpenNMT(model())
    except ImportError as error:
        print(f"OpenNMT-py is not there ({error}): its form stands for it")
    return runs


def make_data(kind: str) -> Batch:
    """Draw a batch: sentences of 25 words, or of lengths spread as Multi30k's are."""
    torch.manual_seed(1)
    if kind == "25 words":
        src_lengths = tgt_lengths = torch.full((BATCH,), 25)
    else:
        src_lengths = (13 + 4 * torch.randn(BATCH)).round().clamp(4, 40).long()
        tgt_lengths = (src_lengths + 2 * torch.randn(BATCH)).round().clamp(4, 40).long()

    def words(lengths: Tensor) -> Tensor:
        ids = torch.randint(4, VOCABULARY, (BATCH, int(lengths.max())))
        return ids.masked_fill(~length_mask(lengths), PAD)

    return Batch(words(src_lengths), src_lengths, words(tgt_lengths), words(tgt_lengths), PAD)


def training_step(model: nn.Module, batch: Batch) -> Callable[[], float]:
    """Make the step: forward, backward, Adam; it returns the loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    tokens = int((batch.tgt_out != PAD).sum())

    def step() -> float:
        optimizer.zero_grad()
        loss = model.loss(batch) / tokens
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def compare(name: str, options: dict[str, object], data: str, rounds: int) -> list[Row]:
    """Time all contestants, one after the other in each round."""
    batch = make_data(data)
    steps = {key: training_step(run, batch) for key, run in contestants(options).items()}
    for _ in range(3):  # the second and third losses are equal only if the gradients are
        losses = {key: step() for key, step in steps.items()}
        if max(losses.values()) - min(losses.values()) > 1e-3:
            raise AssertionError(f"the contestants disagree about the loss: {losses}")
    wall: dict[str, list[float]] = {key: [] for key in steps}
    cpu: dict[str, list[float]] = {key: [] for key in steps}
    for _ in range(rounds):
        for key, step in steps.items():
            started, used = time.perf_counter(), time.process_time()
            step()
            wall[key].append(time.perf_counter() - started)
            cpu[key].append(time.process_time() - used)
    return [
        Row(
            name,
            data,
            key,
            1000 * statistics.median(wall[key]),
            median_ratio(wall[key], wall["ours"]),
            median_ratio(cpu[key], cpu["ours"]),
        )
        for key in steps
    ]


def median_ratio(times: list[float], ours: list[float]) -> float:
    """Median over the rounds of peer / ours."""
    return statistics.median(a / b for a, b in zip(times, ours, strict=True))


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {args.threads} threads on {os.cpu_count()} cores")
    print(
        f"batch {BATCH}, d {SIZE}, vocabulary {VOCABULARY}; load before {os.getloadavg()[0]:.1f}\n"
    )
    print("| model | sentences | | ms a step | × | × in CPU time |\n|---|---|---|---|---|---|")
    for name, options in (("Luong, general, fed back", LUONG), ("Bahdanau", BAHDANAU)):
        for data in ("25 words", "as Multi30k's"):
            for row in compare(name, options, data, args.rounds):
                figures = f"{row.milliseconds:.0f} | {row.ratio:.2f} | {row.cpu_ratio:.2f}"
                print(f"| {row.model} | {row.data} | {row.peer} | {figures} |", flush=True)
    print(f"\nload after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
