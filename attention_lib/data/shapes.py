"""A world of coloured shapes: small pictures, what they show in words, and which pixels are meant.

The larger shape is named first, and each relation is meant as the larger distance goes: a picture
has one right caption. Every word that names a shape or its colour comes with the shape's pixels,
so that what a model looks at can be held against what it talks about.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from attention_lib.data.batching import pad_ids, shuffled_groups
from attention_lib.data.vocabulary import Vocabulary

SIZE = 48  # pixels, both ways
KINDS = ("circle", "square", "triangle")
# Paul Tol's bright colours: told apart in every colour vision, and on the dark ground.
COLOURS = {
    "red": (0xEE, 0x66, 0x77),
    "green": (0x22, 0x88, 0x33),
    "blue": (0x44, 0x77, 0xAA),
    "yellow": (0xCC, 0xBB, 0x44),
    "purple": (0xAA, 0x33, 0x77),
    "cyan": (0x66, 0xCC, 0xEE),
}
LARGEST = (7.5, 9.5)  # radius of a picture's largest shape: of the circle of its area, in pixels
LARGER = (1.25, 1.4)  # each shape is so many times wider than the next, to be seen as larger
GAP = 1.5  # pixels of ground between two shapes, at least
CLEAR = 1.5  # the distance that decides the relation is so many times the other one

# From the centre to the farthest point, for a shape of radius 1 (in the sense above).
_REACH = {
    "circle": 1.0,
    "square": math.sqrt(math.pi / 2),
    "triangle": 2 * math.sqrt(math.pi / (3 * math.sqrt(3))),
}


@dataclass(frozen=True)
class Shape:
    """One coloured shape.

    Attributes:
        kind: one of ``KINDS``.
        colour: one of ``COLOURS``.
        x, y: its centre in pixels, from the left and from the top.
        radius: of the circle with the same area, in pixels.
    """

    kind: str
    colour: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """A picture, before it is drawn.

    Attributes:
        shapes: one to three that do not touch, the larger before the smaller.
        ground: brightness of the background, 0 … 1.

    >>> left, right = Shape("circle", "red", 12, 20, 9), Shape("square", "blue", 36, 24, 6)
    >>> scene = Scene((left, right), ground=0.2)
    >>> " ".join(scene.caption)
    'a red circle left of a blue square'
    >>> scene.picture.shape, scene.word_masks.shape
    (torch.Size([3, 48, 48]), torch.Size([8, 48, 48]))
    """

    shapes: tuple[Shape, ...]
    ground: float

    @property
    def caption(self) -> tuple[str, ...]:
        """What the picture shows, in words: each shape, and how it lies to the next."""
        return tuple(word for word, _ in self._named_words())

    @property
    def picture(self) -> Tensor:
        """The picture, (3, SIZE, SIZE) float32 in 0 … 1: red, green, blue from the top left."""
        return draw([self])[0]

    @property
    def word_masks(self) -> Tensor:
        """For each word of the caption the pixels of the shape that it names or colours.

        Returns:
            (words, SIZE, SIZE) bool; all False for words that name no shape.
        """
        pixels = torch.from_numpy(_coverage(self.shapes) >= 0.5)
        nothing = torch.zeros(SIZE, SIZE, dtype=torch.bool)
        named = [number for _, number in self._named_words()]
        return torch.stack([nothing if number is None else pixels[number] for number in named])

    def _named_words(self) -> list[tuple[str, int | None]]:
        """List the caption's words, each with the number of the shape that it names."""
        words: list[tuple[str, int | None]] = []
        for number, shape in enumerate(self.shapes):
            words += [("a", None), (shape.colour, number), (shape.kind, number)]
            if number + 1 < len(self.shapes):
                words += [(word, None) for word in relation(shape, self.shapes[number + 1])]
        return words


def relation(first: Shape, second: Shape) -> tuple[str, ...]:
    """Say how the first shape lies to the second, by the larger of the two distances.

    >>> relation(Shape("circle", "red", 24, 9, 6), Shape("square", "blue", 20, 30, 6))
    ('above',)
    """
    dx, dy = first.x - second.x, first.y - second.y
    if abs(dy) > abs(dx):
        return ("above",) if dy < 0 else ("below",)
    return ("left", "of") if dx < 0 else ("right", "of")


def shapes_world(count: int, *, seed: int = 0) -> list[Scene]:
    """Make scenes of one to three shapes; the same seed makes the same scenes.

    A longer list of the same seed begins with the shorter one.

    Args:
        count: number of scenes.
        seed: decides everything.

    Raises:
        ValueError: if ``count`` is negative.

    >>> " ".join(shapes_world(1)[0].caption)
    'a green triangle right of a green circle'
    """
    if count < 0:
        raise ValueError(f"count is {count}; wanted a number of scenes, at least 0")
    generator = random.Random(seed)
    return [_scene(generator) for _ in range(count)]


def _scene(generator: random.Random) -> Scene:
    """Make one scene; large shapes that cannot keep apart are replaced by others."""
    number = generator.randint(1, 3)
    while True:
        looks = generator.sample([(kind, colour) for kind in KINDS for colour in COLOURS], number)
        radius = generator.uniform(*LARGEST)
        shapes: list[Shape] = []
        for kind, colour in looks:
            shape = _placed(kind, colour, radius, shapes, generator)
            if shape is None:
                break
            shapes.append(shape)
            radius /= generator.uniform(*LARGER)
        else:
            return Scene(tuple(shapes), ground=generator.uniform(0.1, 0.3))


def _placed(
    kind: str, colour: str, radius: float, others: Sequence[Shape], generator: random.Random
) -> Shape | None:
    """Put a shape whole inside the picture beside the others, if a few tries find a place."""
    reach = _REACH[kind] * radius
    for _ in range(20):
        x, y = (generator.uniform(reach, SIZE - reach) for _ in range(2))
        shape = Shape(kind, colour, x, y, radius)
        if all(_apart(shape, other) for other in others):
            if not others:
                return shape
            near, far = sorted([abs(x - others[-1].x), abs(y - others[-1].y)])
            if far >= CLEAR * near:
                return shape
    return None


def _apart(one: Shape, other: Shape) -> bool:
    """Whether there is ground to be seen between two shapes."""
    reaches = _REACH[one.kind] * one.radius + _REACH[other.kind] * other.radius
    return math.hypot(one.x - other.x, one.y - other.y) >= reaches + GAP


def draw(scenes: Sequence[Scene]) -> Tensor:
    """Draw scenes as pictures with soft edges.

    Returns:
        (scenes, 3, SIZE, SIZE) float32 in 0 … 1.
    """
    grounds = np.array([scene.ground for scene in scenes], dtype=np.float32)
    pictures = np.broadcast_to(grounds[:, None, None, None], (len(scenes), 3, SIZE, SIZE)).copy()
    shapes = [shape for scene in scenes for shape in scene.shapes]
    owners = [row for row, scene in enumerate(scenes) for _ in scene.shapes]
    for row, shape, part in zip(owners, shapes, _coverage(shapes), strict=True):
        colour = np.array(COLOURS[shape.colour], dtype=np.float32) / 255
        pictures[row] += part * (colour[:, None, None] - pictures[row])
    return torch.from_numpy(pictures)


def _coverage(shapes: Sequence[Shape]) -> np.ndarray:
    """How much of each pixel each shape covers, (shapes, SIZE, SIZE) float32 in 0 … 1."""
    centres = np.arange(SIZE, dtype=np.float32) + 0.5
    covered = np.empty((len(shapes), SIZE, SIZE), dtype=np.float32)
    for row, shape in zip(covered, shapes, strict=True):
        depth = _depth(shape, centres[None] - shape.x, centres[:, None] - shape.y)
        np.clip(depth + 0.5, 0, 1, out=row)
    return covered


def _depth(shape: Shape, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """How far inside a shape's edge each place lies, in pixels; outside it is negative.

    Args:
        shape: whose kind and radius count.
        dx: (1, SIZE), how far right of the centre.
        dy: (SIZE, 1), how far below the centre.
    """
    match shape.kind:
        case "circle":
            return shape.radius - np.sqrt(dx * dx + dy * dy)
        case "square":
            half_side = _REACH["square"] / math.sqrt(2) * shape.radius
            return half_side - np.maximum(abs(dx), abs(dy))
        case _:  # a triangle, standing on one side
            inner = _REACH["triangle"] / 2 * shape.radius
            return inner - np.maximum(dy, math.sqrt(3) / 2 * abs(dx) - dy / 2)


@dataclass(frozen=True)
class CaptionBatch:
    """Pictures and their captions as padded ids.

    Attributes:
        pictures: (batch, 3, height, width).
        tgt_in: (batch, longest caption + 1), <bos> and the caption's words.
        tgt_out: (batch, longest caption + 1), the caption's words and <eos>.
        pad: id of the padding.
    """

    pictures: Tensor
    tgt_in: Tensor
    tgt_out: Tensor
    pad: int

    def to(self, device: torch.device | str) -> "CaptionBatch":
        """Move all tensors."""
        return replace(
            self,
            pictures=self.pictures.to(device),
            tgt_in=self.tgt_in.to(device),
            tgt_out=self.tgt_out.to(device),
        )


def make_caption_batch(scenes: Sequence[Scene], vocabulary: Vocabulary) -> CaptionBatch:
    """Draw scenes and encode their captions.

    Raises:
        ValueError: if there are no scenes.

    >>> scenes = shapes_world(3)
    >>> batch = make_caption_batch(scenes, Vocabulary([scene.caption for scene in scenes]))
    >>> batch.pictures.shape, batch.tgt_out.shape
    (torch.Size([3, 3, 48, 48]), torch.Size([3, 13]))
    """
    if not scenes:
        raise ValueError("no scenes to batch")
    captions = [vocabulary.encode(scene.caption) for scene in scenes]
    return CaptionBatch(
        pictures=draw(scenes),
        tgt_in=pad_ids([[vocabulary.bos, *row] for row in captions], vocabulary.pad),
        tgt_out=pad_ids([[*row, vocabulary.eos] for row in captions], vocabulary.pad),
        pad=vocabulary.pad,
    )


def caption_batches(
    scenes: Sequence[Scene], vocabulary: Vocabulary, *, batch_size: int, seed: int
) -> Iterator[CaptionBatch]:
    """Yield shuffled training batches for ever; captions of like length share a batch.

    Each pass over the scenes sorts chunks of 50 batches by length, so that little is padded, and
    then shuffles the batches.

    Raises:
        ValueError: if there are no scenes, or ``batch_size`` is below 1; when the first batch is
            asked for.
    """
    if not scenes:
        raise ValueError("no scenes to batch")
    for group in shuffled_groups(
        scenes, batch_size, seed=seed, key=lambda scene: len(scene.caption)
    ):
        yield make_caption_batch(group, vocabulary)
