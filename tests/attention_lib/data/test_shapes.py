import math
from collections import Counter
from dataclasses import replace
from itertools import islice, pairwise

import pytest
import torch

from attention_lib.data.shapes import (
    COLOURS,
    KINDS,
    SIZE,
    Scene,
    Shape,
    caption_batches,
    draw,
    make_caption_batch,
    relation,
    shapes_world,
)
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.metrics import masks_on_grid

WORLD = shapes_world(211, seed=3)
VOCABULARY = Vocabulary(scene.caption for scene in WORLD)


def grow(masks, pixels=1):
    """Widen (objects, height, width) masks in every direction."""
    window = 2 * pixels + 1
    return torch.nn.functional.max_pool2d(masks.float(), window, 1, pixels) > 0


def test_the_same_seed_makes_the_same_scenes_and_another_makes_others():
    assert shapes_world(53, seed=3) == WORLD[:53]
    assert shapes_world(53, seed=4) != WORLD[:53]


def test_every_kind_colour_relation_and_number_of_shapes_occurs():
    assert {len(scene.shapes) for scene in WORLD} == {1, 2, 3}
    words = {word for scene in WORLD for word in scene.caption}
    relations = {"above", "below", "left", "right", "of"}
    assert words == {"a", *KINDS, *COLOURS, *relations}


def test_captions_name_the_larger_shape_first_and_say_how_it_lies_to_the_next():
    big, small = Shape("circle", "red", 20, 33, 9), Shape("triangle", "cyan", 24, 10, 5)
    scene = Scene((big, small), ground=0.2)
    assert " ".join(scene.caption) == "a red circle below a cyan triangle"
    for scene in WORLD:
        for first, second in pairwise(scene.shapes):
            assert first.radius > 1.2 * second.radius


@pytest.mark.parametrize(
    ("dx", "dy", "words"),
    [(-3, 1, "left of"), (3, -1, "right of"), (1, -3, "above"), (-1, 3, "below")],
)
def test_a_relation_is_the_one_of_the_larger_distance(dx, dy, words):
    first, second = Shape("circle", "red", 20 + dx, 20 + dy, 2), Shape("circle", "blue", 20, 20, 2)
    assert " ".join(relation(first, second)) == words


def test_no_relation_is_in_doubt():
    for scene in WORLD:
        for first, second in pairwise(scene.shapes):
            near, far = sorted([abs(first.x - second.x), abs(first.y - second.y)])
            assert far >= 1.5 * near


def test_no_two_shapes_of_a_scene_look_alike_or_touch():
    for scene in WORLD:
        assert len({(shape.kind, shape.colour) for shape in scene.shapes}) == len(scene.shapes)
        masks = torch.stack([mask for mask in scene.word_masks if mask.any()])[::2]
        around = grow(masks) & ~masks
        assert masks.sum(0).max() == 1
        assert not (around.any(0) & masks.any(0)).any()


def test_a_mask_holds_the_pixels_in_the_colour_that_its_word_names():
    for scene in WORLD[:31]:
        picture = scene.picture
        for word, mask in zip(scene.caption, scene.word_masks, strict=True):
            assert mask.any() == (word in COLOURS or word in KINDS)
            if word in COLOURS:
                colour = torch.tensor(COLOURS[word]) / 255
                near = (picture - colour[:, None, None]).abs().sum(0) < 1e-3
                assert (near & mask).sum() > 0.6 * mask.sum()
                alike = [word == other for other in scene.caption]
                assert not (near & ~scene.word_masks[alike].any(0)).any()


def test_outside_all_masks_there_is_ground():
    for scene in WORLD[:31]:
        covered = grow(scene.word_masks, pixels=2).any(0)
        ground = scene.picture[:, ~covered]
        torch.testing.assert_close(ground, torch.full_like(ground, scene.ground))


def test_the_picture_has_x_to_the_right_and_y_downwards():
    scene = Scene((Shape("square", "green", 40, 8, 6),), ground=0.1)
    rows, columns = scene.word_masks[1].nonzero().double().mean(0)
    assert (float(rows), float(columns)) == pytest.approx((7.5, 39.5), abs=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_of_one_radius_cover_the_same_area(kind):
    mask = Scene((Shape(kind, "red", 23.7, 24.1, 9.0),), ground=0.2).word_masks[1]
    assert int(mask.sum()) == pytest.approx(math.pi * 81, rel=0.03)


def test_a_triangle_stands_on_its_long_side():
    mask = Scene((Shape("triangle", "red", 24, 24, 9.0),), ground=0.2).word_masks[1]
    widths = mask.sum(1)[mask.any(1)]
    assert (widths[1:] >= widths[:-1]).all()
    assert widths[-1] > 5 * widths[0]


def test_shapes_lie_whole_inside_the_picture():
    for scene in WORLD:
        for shape in scene.shapes:
            # Moved to the middle by whole pixels it has no more of them.
            middle = replace(shape, x=24 + shape.x % 1, y=24 + shape.y % 1)
            here, there = (Scene((one,), ground=0.2).word_masks[1] for one in (shape, middle))
            assert here.sum() == there.sum()


def test_every_shape_covers_the_centre_of_a_cell_of_four_pixels():
    for scene in WORLD:
        named = scene.word_masks.flatten(1).any(1)
        assert masks_on_grid(scene.word_masks[named], (12, 12)).any(-1).all()


def test_pictures_drawn_together_equal_pictures_drawn_alone():
    together = draw(WORLD[:7])
    assert together.shape == (7, 3, SIZE, SIZE)
    assert together.dtype == torch.float32
    assert 0 <= together.min() <= together.max() <= 1
    for scene, picture in zip(WORLD, together, strict=False):
        assert torch.equal(scene.picture, picture)


def test_a_batch_holds_pictures_and_captions_shifted_by_one_word():
    batch = make_caption_batch(WORLD[:5], VOCABULARY)
    assert torch.equal(batch.pictures, draw(WORLD[:5]))
    for i, scene in enumerate(WORLD[:5]):
        words = VOCABULARY.encode(scene.caption)
        assert batch.tgt_in[i, : len(words) + 1].tolist() == [VOCABULARY.bos, *words]
        assert batch.tgt_out[i, : len(words) + 1].tolist() == [*words, VOCABULARY.eos]
        assert (batch.tgt_out[i, len(words) + 1 :] == batch.pad).all()


def test_a_pass_of_batches_shows_every_scene_once_with_little_padding():
    stream = caption_batches(WORLD, VOCABULARY, batch_size=11, seed=0)
    seen, padded, total = Counter(), 0, 0
    for batch in islice(stream, math.ceil(len(WORLD) / 11)):
        seen.update(tuple(row.tolist()) for row in batch.pictures.flatten(1)[:, ::97])
        padded += int((batch.tgt_out == batch.pad).sum())
        total += batch.tgt_out.numel()
    assert seen == Counter(tuple(row.tolist()) for row in draw(WORLD).flatten(1)[:, ::97])
    assert padded < 0.15 * total


def test_a_batch_moves_all_its_tensors(device):
    batch = make_caption_batch(WORLD[:2], VOCABULARY).to(device)
    assert {part.device.type for part in (batch.pictures, batch.tgt_in, batch.tgt_out)} == {device}


def test_what_cannot_be_made_is_refused():
    with pytest.raises(ValueError, match="count is -1; wanted a number of scenes"):
        shapes_world(-1)
    with pytest.raises(ValueError, match="no scenes to batch"):
        make_caption_batch([], VOCABULARY)
    with pytest.raises(ValueError, match="no scenes to batch"):
        next(caption_batches([], VOCABULARY, batch_size=2, seed=0))
    with pytest.raises(ValueError, match="batch_size is -2; a batch wants"):
        next(caption_batches(WORLD, VOCABULARY, batch_size=-2, seed=0))
