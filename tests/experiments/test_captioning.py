"""The captioning experiment gives the same figures again."""

from dataclasses import replace

import captioning
import provenance
import pytest


@pytest.mark.parametrize("variant", ["no attention", "hard"])
def test_a_run_gives_the_same_figures_again(variant, monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "KEPT", tmp_path)
    small = replace(captioning.RECIPE, scenes=240, held_out=40, steps=3, batch_size=5)
    first = captioning.run(small, variant, 0)
    (kept,) = tmp_path.iterdir()
    assert captioning.run(small, variant, 0) == first
    kept.unlink()
    again = captioning.run(small, variant, 0)
    assert first | {"processor_seconds": 0} == again | {"processor_seconds": 0}
    assert ("pointing_accuracy" in first) == (variant != "no attention")
