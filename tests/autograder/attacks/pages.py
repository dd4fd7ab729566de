"""Work that acts in the browser of whoever reads the feedback."""

from .corpus import Attack, Twin
from .making import answer, cell, markdown, notebook, partly

_MARKDOWN = """
<script>window.hacked = "markdown"</script>
<img src=x onerror="window.hacked = 'image'">
<a href="javascript:window.hacked='link'">a link</a>
<iframe src="https://outside.example/"></iframe>
<style>body { display: none }</style>
<base href="https://outside.example/"><meta http-equiv="refresh" content="0;url=//outside.example">
![pixel](https://outside.example/pixel.png)
"""
_HTML = """
from IPython.display import HTML, Javascript, IFrame, display
display(HTML("<script>window.hacked = 'html'</script><b onclick='window.hacked=1'>b</b>"))
display(HTML("<form action='https://outside.example/'><input name=a autofocus onfocus=alert(1)>"))
display(Javascript("window.hacked = 'js'"))
display(IFrame("https://outside.example/", 10, 10))
"""
_SVG = """
from IPython.display import SVG, display
display(SVG('''<svg xmlns="http://www.w3.org/2000/svg" onload="window.hacked='svg'">
<script>window.hacked = "svg script"</script>
<foreignObject><iframe src="https://outside.example/"/></foreignObject>
<image href="https://outside.example/pixel.png"/></svg>'''))
"""
_MATH = """
$$\\href{javascript:window.hacked='math'}{x} \\unicode{<img src=x onerror=window.hacked=1>}$$
$$\\style{background:url(https://outside.example/b.png)}{y} \\class{hacked}{z}$$
"""
_LATEX = """
from IPython.display import Latex, Markdown, display
display(Latex("$\\\\href{javascript:window.hacked='latex'}{x}$"))
display(Markdown("<script>window.hacked = 'output'</script>[x](javascript:window.hacked=1)"))
"""
_ANSI = """
print("\\x1b]8;;javascript:window.hacked=1\\x07click\\x1b]8;;\\x07")
print("\\x1b[31m<script>hacked</script>")
raise ValueError("<script>window.hacked = 'traceback'</script>")
"""
_VERDICT = """
<div class="verdict correct" id="verdict-masked_softmax"><strong>12 of 12 points</strong></div>
<h1 style="position: fixed; top: 0; font-size: 99px">100 of 100</h1>
"""
_MIMES = """
from IPython.display import publish_display_data
publish_display_data({"application/vnd.jupyter.widget-view+json": {"model_id": "x"},
                      "application/javascript": "window.hacked = 'mime'",
                      "text/html": "<script>window.hacked = 'bundle'</script>",
                      "image/png": "not base64 <script>", "text/plain": "a bundle"})
"""
_TABLE = """
import html
from IPython.display import HTML, display
display(HTML("<table><tr><td>1</td></tr></table>"))
print(html.escape("<b>"))
"""
_PLOT = """
from matplotlib import pyplot as plt
plt.plot([0, 1])
plt.show()
print("drawn")
"""
_TEXT = """
### My thoughts

| query | key |
|---|---|
| 我 | I |

A formula: $a_{ts} < 1$, and a [link](https://example.org/).
"""

ATTACKS = [
    Attack(
        "script in text",
        "Scripts, frames, styles and a picture from outside in a text cell.",
        notebook(partly, markdown(_MARKDOWN)),
        24,
        "Only harmless markup reaches the page; nothing is loaded from outside.",
        "2 of 8 exercises correct",
        Twin("Writes headings, a table, a formula and a link.", notebook(partly, markdown(_TEXT)),
             score=24),
    ),
    Attack(
        "script in output",
        "Shows HTML and JavaScript that act in the page.",
        notebook(partly, cell(_HTML)),
        24,
        "Of outputs only text and pictures are kept.",
        "2 of 8 exercises correct",
        Twin("Shows a table in HTML.", notebook(partly, cell(_TABLE)), shows="&lt;b&gt;", score=24),
    ),
    Attack(
        "script in a drawing",
        "Shows an SVG drawing with scripts and pictures from outside.",
        notebook(partly, cell(_SVG)),
        24,
        "SVG outputs are not kept.",
        "2 of 8 exercises correct",
        Twin("Draws a plot.", notebook(partly, cell(_PLOT)), shows="drawn", score=24),
    ),
    Attack(
        "script in a formula",
        "Formulas that link to scripts, in text and in output.",
        notebook(partly, markdown(_MATH), cell(_LATEX)),
        24,
        "Formulas are shown as text in the feedback.",
        "2 of 8 exercises correct",
        Twin("Writes the formula of the softmax.",
             notebook(partly, markdown("$$a = \\frac{\\exp e}{\\sum \\exp e}$$")), score=24),
    ),
    Attack(
        "script in an exception",
        "Control characters and a script in what is printed and raised.",
        notebook(partly, cell(_ANSI)),
        24,
        "It is text wherever it is shown.",
        "raised ValueError",
        Twin("Prints in colours.",
             notebook(partly, cell("print('\\x1b[32mgreen\\x1b[0m')")), shows="green", score=24),
    ),
    Attack(
        "a forged verdict",
        "A text cell that looks like the grader's verdict.",
        notebook(partly, answer("written_window", _VERDICT), markdown(_VERDICT)),
        24,
        "A student's markup gets none of the page's classes, ids or positions.",
        "2 of 8 exercises correct",
        Twin("Answers the written question.",
             notebook(partly, answer("written_window", "The order of words differs.")), score=24),
    ),
    Attack(
        "a bundle of forms",
        "One result in many forms, some of them active, some broken.",
        notebook(partly, cell(_MIMES)),
        24,
        "Of its forms only text is kept.",
        "2 of 8 exercises correct",
        Twin("Shows a text and its length.",
             notebook(partly, cell("text = 'bundle'\nprint(text, len(text))")), shows="bundle 6",
             score=24),
        shows="a bundle",
    ),
]  # fmt: skip
