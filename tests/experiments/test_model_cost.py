"""What experiments/model_cost.py times is what it says: a step over texts, and writing them."""

import model_cost
import pytest
import torch

from attention_lib.results import read_results

LENGTH = 2 * model_cost.SENTENCE
MODELS = [(family, name) for family, models in model_cost.FAMILIES.items() for name in models]


@pytest.mark.parametrize(("family", "name"), MODELS)
def test_a_model_learns_from_every_word_of_texts_of_that_length(family, name):
    torch.manual_seed(0)
    model = model_cost.FAMILIES[family][name]().train()
    seen = []
    tables = [part for part in model.modules() if isinstance(part, torch.nn.Embedding)]
    for table in tables:
        table.register_forward_hook(lambda _table, inputs, _output: seen.append(inputs[0].numel()))
    loss = model_cost.training(family, name, LENGTH)(model)
    loss.total.backward()
    texts = model_cost.BATCH * LENGTH
    assert max(seen) in (texts, texts + model_cost.BATCH)  # [CLS] is one more a text
    wanted = {"classifiers": model_cost.BATCH, "language models": None}.get(family, texts)
    assert wanted is None or loss.count == wanted
    assert any(p.grad is not None and p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("name", model_cost.WRITERS)
def test_a_writer_writes_as_many_words_as_the_source_has(name):
    torch.manual_seed(0)
    build = next(models[name] for models in model_cost.FAMILIES.values() if name in models)
    decoded = model_cost.writing(name, LENGTH)(build().eval())
    assert [len(row.words) for row in decoded] == [LENGTH] * model_cost.BATCH


def test_the_record_has_every_model_at_every_length():
    rows = read_results("model_cost")["rows"]
    found = {(row["task"], row["family"], row["model"], row["length"]) for row in rows}
    assert len(found) == len(rows)
    wanted = {
        (task, family, name, length)
        for family, name in MODELS
        for length in model_cost.LENGTHS
        for task in (["training", "writing"] if name in model_cost.WRITERS else ["training"])
    }
    assert found == wanted
    assert all(row["cpu_milliseconds"] > 0 for row in rows)
