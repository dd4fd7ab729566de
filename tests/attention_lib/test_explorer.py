import html
import json
import re

import numpy as np
import pytest
import torch

from attention_lib.plots.explorer import explore


def data_of(explorer) -> dict:
    shown = explorer._repr_html_()
    return json.loads(html.unescape(re.search('data-attention="(.*?)"', shown)[1]))


@pytest.mark.parametrize("shape", [(2, 3), (5, 2, 3), (7, 5, 2, 3)])
def test_heads_and_layers_are_optional(shape):
    weights = torch.rand(shape)
    shown = data_of(explore(weights, ["a", "b"], ["x", "y", "z"], caption="Where they look."))
    np.testing.assert_allclose(
        np.reshape(shown["weights"], shape), weights, atol=0.0006, err_msg="three decimals"
    )
    assert np.ndim(shown["weights"]) == 4


def test_the_table_holds_the_first_head_of_the_last_layer():
    weights = torch.tensor([[[[1.0, 0.0]], [[1.0, 0.0]]], [[[0.25, 0.75]], [[0.75, 0.25]]]])
    shown = explore(weights, ["am"], ["我", "是"], caption="am")._repr_html_()
    assert "<caption>layer 2, head 1</caption>" in shown
    assert re.findall(r"<td>(\d\.\d+)</td>", shown) == ["0.25", "0.75"]
    assert '<th scope="col" lang="zh">我</th>' in shown


def test_no_word_is_taken_for_markup():
    shown = explore([[1.0]], ["<script>"], ['"><img src=x>'], caption="<b>&</b>")._repr_html_()
    assert not re.search("<script|<img|<b>", shown)
    assert data_of(explore([[1.0]], ["<s>"], ['"'], caption=""))["keys"] == ['"']


def test_gradients_and_half_precision_are_no_hindrance():
    weights = torch.tensor([[0.25, 0.75]], dtype=torch.float16, requires_grad=True)
    assert data_of(explore(weights, ["a"], ["x", "y"], caption=""))["weights"] == [[[[0.25, 0.75]]]]


@pytest.mark.parametrize("shape", [(3, 2), (2,), (1, 1, 1, 2, 3), (0, 2, 3)])
def test_weights_that_do_not_fit_the_words_are_refused(shape):
    with pytest.raises(ValueError, match=r"weights have shape .* wanted \(2, 3\) for 2 queries"):
        explore(torch.zeros(shape), ["a", "b"], ["x", "y", "z"], caption="")


@pytest.mark.parametrize("wrong", [-0.5, 1.5, float("nan")])
def test_scores_are_not_taken_for_weights(wrong):
    with pytest.raises(ValueError, match="wanted 0 to 1"):
        explore([[wrong]], ["a"], ["x"], caption="")
