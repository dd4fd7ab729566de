"""Made-up restaurant reviews in which the words that decide the label are known.

A review is a document of short sentences, in English or in Chinese. Its label is what its *verdict*
says ("but overall , it was not a good evening ."), wherever it stands; without a verdict it is what
most *opinions* say ("the soup was hardly fresh ."). Two kinds of sentences say nothing: plain facts
("we did not book a table ."), and hearsay, which uses the words of opinions without holding one
("a friend had told us that the soup would be fresh ."). Four in ten opinions and verdicts are
negated, and some words of negation negate nothing, so that counting words does not tell.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from attention_lib.data.documents import Document

SHORTEST, LONGEST = 2, 100
VERDICTS = 0.5  # share of the reviews that have one
NEGATED = 0.4  # share of the opinions and verdicts that are negated
HEARSAY = 0.5  # share of hearsay among the sentences that say nothing

Words = tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """Things of one kind, with what is good and bad about them."""

    names: Words
    good: Words
    bad: Words

    def words(self, positive: bool) -> Words:
        """The words that praise, or those that blame."""
        return self.good if positive else self.bad


@dataclass(frozen=True)
class Phrases:
    """The sentences of one language: words between spaces, slots in braces, * before what decides.

    Each kind but ``hearsay`` and ``facts`` comes as sentences that mean the word they hold, and as
    sentences that mean its opposite.
    """

    subjects: tuple[Subject, ...]
    whole: Subject
    opinions: tuple[Words, Words]
    verdicts: tuple[Words, Words]
    hearsay: Words
    facts: Words
    slots: Mapping[str, Words]


ENGLISH = Phrases(
    subjects=(
        Subject(
            ("soup", "fish", "bread", "curry", "salad", "dessert"),
            ("delicious", "fresh", "tasty", "tender"),
            ("bland", "stale", "greasy", "tasteless"),
        ),
        Subject(
            ("waiter", "cook", "hostess", "owner", "barman"),
            ("friendly", "quick", "attentive", "polite"),
            ("rude", "slow", "careless", "grumpy"),
        ),
        Subject(
            ("room", "table", "terrace", "kitchen", "garden"),
            ("clean", "quiet", "cosy", "bright"),
            ("dirty", "noisy", "shabby", "cramped"),
        ),
        Subject(
            ("bill", "price", "menu"),
            ("fair", "reasonable", "clear"),
            ("absurd", "outrageous", "confusing"),
        ),
    ),
    whole=Subject(
        ("evening", "place", "restaurant", "meal"),
        ("good", "great", "wonderful", "lovely", "pleasant"),
        ("bad", "poor", "terrible", "dreadful", "miserable"),
    ),
    opinions=(
        (
            "the {name} was *{word} .",
            "the {name} was really *{word} .",
            "we found the {name} *{word} .",
            "it can not be denied that the {name} was *{word} .",
            "there was never any doubt that the {name} was *{word} .",
        ),
        (
            "the {name} was *not *{word} .",
            "the {name} was *hardly *{word} .",
            "the {name} was *never really *{word} .",
            "we did *not find the {name} *{word} .",
            "it can *not be said that the {name} was *{word} .",
        ),
    ),
    verdicts=(
        (
            "but overall , it was a *{word} {name} .",
            "all in all , a really *{word} {name} .",
            "in the end , the {name} was *{word} .",
        ),
        (
            "but overall , it was *not a *{word} {name} .",
            "all in all , *hardly a *{word} {name} .",
            "in the end , the {name} was *never *{word} .",
        ),
    ),
    hearsay=(
        "my {person} had told us that the {name} would be {word} .",
        "other guests find the {name} {word} .",
        "we had expected the {name} to be {word} .",
        "years ago the {name} was {word} , they say .",
        "my {person} had not expected a {word} {name} .",
    ),
    facts=(
        "we came on a {day} with my {person} .",
        "my {person} ordered the {dish} .",
        "we did not book a table .",
        "my {person} never orders the {dish} .",
        "it is next to the {landmark} .",
        "it was a {day} , so we took the bus .",
        "we sat near the {landmark} with the {dish} .",
    ),
    slots={
        "person": ("sister", "brother", "friend", "boss", "neighbour"),
        "day": ("monday", "tuesday", "friday", "sunday"),
        "dish": ("soup", "fish", "bread", "curry", "salad"),
        "landmark": ("station", "river", "museum", "market"),
    },
)

CHINESE = Phrases(
    subjects=(
        Subject(
            ("汤", "鱼", "面条", "饺子", "豆腐", "点心"),
            ("好吃", "新鲜", "可口", "鲜美"),
            ("难吃", "油腻", "太咸", "乏味"),
        ),
        Subject(
            ("服务员", "老板", "厨师", "经理", "领班"),
            ("热情", "勤快", "周到", "礼貌"),
            ("粗鲁", "拖拉", "马虎", "冷淡"),
        ),
        Subject(
            ("房间", "桌子", "大厅", "厨房", "院子"),
            ("干净", "安静", "舒适", "明亮"),
            ("肮脏", "吵闹", "破旧", "拥挤"),
        ),
        Subject(
            ("账单", "价格", "菜单"),
            ("公道", "合理", "清楚"),
            ("离谱", "荒唐", "混乱"),
        ),
    ),
    whole=Subject(
        ("晚上", "地方", "饭馆", "聚会"),
        ("美好", "愉快", "精彩", "出色", "舒心"),
        ("糟糕", "扫兴", "差劲", "可怕", "无聊"),
    ),
    opinions=(
        (
            "{name} 很 *{word} 。",
            "{name} 真的 *{word} 。",
            "我们 觉得 {name} *{word} 。",
            "不能 否认 {name} *{word} 。",
            "从来 没有 人 怀疑 {name} *{word} 。",
        ),
        (
            "{name} *不 *{word} 。",
            "{name} *算不上 *{word} 。",
            "{name} 从来 *不 *{word} 。",
            "我们 *不 觉得 {name} *{word} 。",
            "*不能 说 {name} *{word} 。",
        ),
    ),
    verdicts=(
        (
            "但是 总的来说 , 这 是 个 *{word} 的 {name} 。",
            "总之 , 真 是 个 *{word} 的 {name} 。",
            "最后 , 这 个 {name} 很 *{word} 。",
        ),
        (
            "但是 总的来说 , 这 *不 是 个 *{word} 的 {name} 。",
            "总之 , *算不上 *{word} 的 {name} 。",
            "最后 , 这 个 {name} *不 *{word} 。",
        ),
    ),
    hearsay=(
        "我 {person} 告诉 过 我们 {name} 会 {word} 。",
        "别的 客人 觉得 {name} {word} 。",
        "我们 本来 以为 {name} 会 {word} 。",
        "听说 {name} 几 年 前 很 {word} 。",
        "我 {person} 没有 想到 会 有 {word} 的 {name} 。",
    ),
    facts=(
        "我们 {day} 和 我 {person} 一起 来 。",
        "我 {person} 点 了 {dish} 。",
        "我们 没有 订 位子 。",
        "我 {person} 从来 不 点 {dish} 。",
        "这 家 店 在 {landmark} 旁边 。",
        "那 天 是 {day} , 我们 坐 公交车 。",
        "我们 在 {landmark} 附近 吃 {dish} 。",
    ),
    slots={
        "person": ("姐姐", "哥哥", "朋友", "上司", "邻居"),
        "day": ("星期一", "星期二", "星期五", "星期天"),
        "dish": ("汤", "鱼", "面条", "饺子", "豆腐"),
        "landmark": ("车站", "河", "博物馆", "市场"),
    },
)

LANGUAGES = {"en": ENGLISH, "zh": CHINESE}


def reviews(
    size: int,
    *,
    seed: int = 0,
    min_sentences: int = 3,
    max_sentences: int = 8,
    language: str = "en",
) -> list[Document]:
    """Return ``size`` different reviews, the same for the same arguments.

    Args:
        size: how many.
        seed: of all choices.
        min_sentences, max_sentences: 2 to 100; each number comes equally often.
        language: "en" or "zh" (words, not characters).

    Returns:
        documents with label 1 (good) or 0 (bad), equally likely. ``deciding`` holds the word of
        the verdict with its negation; without a verdict, those of the opinions that win.

    Raises:
        ValueError: if the size is negative, the language unknown or a length out of range.

    >>> review = reviews(1, seed=3, min_sentences=2, max_sentences=2)[0]
    >>> for sentence in review.sentences:
    ...     print(*sentence)
    it can not be denied that the bread was fresh .
    in the end , the meal was never pleasant .
    >>> review.label, [review.words[position] for position in sorted(review.deciding)]
    (0, ['never', 'pleasant'])
    """
    if size < 0:
        raise ValueError(f"size is {size}; give 0 or more reviews")
    if language not in LANGUAGES:
        raise ValueError(f"language is {language!r}; wanted one of {sorted(LANGUAGES)}")
    if not SHORTEST <= min_sentences <= max_sentences <= LONGEST:
        raise ValueError(
            f"min_sentences is {min_sentences} and max_sentences {max_sentences}; give "
            f"{SHORTEST} <= min_sentences <= max_sentences <= {LONGEST}"
        )
    writer = Writer(LANGUAGES[language], random.Random(seed))
    found: dict[tuple[Words, ...], Document] = {}
    while len(found) < size:
        review = writer.review(writer.random.randint(min_sentences, max_sentences))
        found.setdefault(review.sentences, review)
    return list(found.values())


@dataclass(frozen=True)
class Writer:
    """Draws reviews and their sentences; a sentence is a list of (word, does it decide?)."""

    phrases: Phrases
    random: random.Random

    def review(self, length: int) -> Document:
        """Draw a review of ``length`` sentences."""
        label = self.random.random() < 0.5
        # Sentences still to be written: drawing them in their final order keeps this one list.
        plan: list[Callable[[], list[tuple[str, bool]]]] = []
        if self.random.random() < VERDICTS:
            plan.append(partial(self.verdict, label))
            for _ in range(min(self.random.choice((1, 2, 3)), length - 1)):
                plan.append(partial(self.opinion, self.random.random() < 0.5, decides=False))
        else:
            losers = self.random.choice((0, 0, 1)) if length >= 3 else 0
            winners = losers + (self.random.choice((1, 2)) if length >= 4 else 1)
            plan += [partial(self.opinion, label, decides=True)] * winners
            plan += [partial(self.opinion, not label, decides=False)] * losers
        plan += [self.nothing] * (length - len(plan))
        self.random.shuffle(plan)
        sentences = [write() for write in plan]
        marks = [mark for sentence in sentences for _, mark in sentence]
        return Document(
            tuple(tuple(word for word, _ in sentence) for sentence in sentences),
            int(label),
            frozenset(position for position, mark in enumerate(marks) if mark),
        )

    def opinion(self, positive: bool, *, decides: bool) -> list[tuple[str, bool]]:
        """Draw what the writer holds of one thing."""
        subject = self.random.choice(self.phrases.subjects)
        sentence = self.stance(self.phrases.opinions, subject, positive)
        return [(word, mark and decides) for word, mark in sentence]

    def verdict(self, positive: bool) -> list[tuple[str, bool]]:
        """Draw what the writer holds of it all."""
        return self.stance(self.phrases.verdicts, self.phrases.whole, positive)

    def stance(
        self, forms: tuple[Words, Words], subject: Subject, positive: bool
    ) -> list[tuple[str, bool]]:
        """Draw a sentence that praises or blames: with such a word, or by denying its opposite."""
        negated = self.random.random() < NEGATED
        words = subject.words(positive != negated)
        return self.fill(self.random.choice(forms[negated]), subject.names, words)

    def nothing(self) -> list[tuple[str, bool]]:
        """Draw a fact, or hearsay of one thing or of it all."""
        if self.random.random() >= HEARSAY:
            return self.fill(self.random.choice(self.phrases.facts), (), ())
        subject = self.random.choice((*self.phrases.subjects, self.phrases.whole))
        words = subject.words(self.random.random() < 0.5)
        return self.fill(self.random.choice(self.phrases.hearsay), subject.names, words)

    def fill(self, form: str, names: Words, words: Words) -> list[tuple[str, bool]]:
        """Put words into the slots of a form."""
        slots = {**self.phrases.slots, "name": names, "word": words}
        filled = []
        for token in form.split():
            token, decides = token.removeprefix("*"), token.startswith("*")
            if token.startswith("{"):
                token = self.random.choice(slots[token.strip("{}")])
            filled.append((token, decides))
        return filled
