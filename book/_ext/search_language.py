"""Search in English and Chinese: Chinese is indexed and looked up as pairs of neighbours.

Chinese is written without spaces. Index and query cut it the same way, into overlapping pairs of
characters (and single ones), so whatever two or more characters stand together in the text are
found, whichever words a segmenter would see.
"""

import re

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

CHINESE = re.compile(r"[\u3400-\u9fff]+")


def cut_chinese(text: str) -> list[str]:
    """Cut each run of Chinese into its characters and its pairs of neighbours.

    >>> cut_chinese("我是学生。ok")
    ['我', '是', '学', '生', '我是', '是学', '学生']
    """
    pieces: list[str] = []
    for run in CHINESE.findall(text):
        pieces += list(run)
        pieces += [run[i : i + 2] for i in range(len(run) - 1)]
    return pieces


class SearchBook(SearchEnglish):
    """English search that also knows Chinese."""

    lang = "book"
    language_name = "English and Chinese"
    # The same cut for queries, in the browser; other scripts as Sphinx splits them.
    js_splitter_code = r"""
function splitQuery(query) {
  const terms = [];
  for (const word of query.split(/[^\p{Letter}\p{Number}_\p{Emoji_Presentation}]+/gu)) {
    terms.push(...word.split(/[\u3400-\u9fff]+/u));
    for (const run of word.match(/[\u3400-\u9fff]+/gu) || []) {
      if (run.length === 1) terms.push(run);
      for (let i = 0; i + 1 < run.length; i++) terms.push(run.slice(i, i + 2));
    }
  }
  return terms.filter((term) => term);
}
"""

    def split(self, input: str) -> list[str]:
        return super().split(CHINESE.sub(" ", input)) + cut_chinese(input)


def setup(app: Sphinx) -> dict[str, object]:
    app.add_search_language(SearchBook)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
