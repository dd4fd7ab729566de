"""English inflection: what a word of the lexicon looks like in its sentence."""

VOWELS = "aeiou"
# Spelled with a vowel but spoken with a consonant, and the other way round.
CONSONANT_SOUND = ("uni", "use", "euro", "one")
VOWEL_SOUND = ("hour", "honest")

IRREGULAR_PLURALS = {
    "child": "children",
    "man": "men",
    "woman": "women",
    "person": "people",
    "fish": "fish",
    "sheep": "sheep",
    "mouse": "mice",
    "scarf": "scarves",
    "knife": "knives",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "wife": "wives",
}

IRREGULAR_VERBS = {  # base: past, participle
    "be": ("was", "been"),
    "have": ("had", "had"),
    "do": ("did", "done"),
    "buy": ("bought", "bought"),
    "come": ("came", "come"),
    "draw": ("drew", "drawn"),
    "drink": ("drank", "drunk"),
    "drive": ("drove", "driven"),
    "eat": ("ate", "eaten"),
    "feed": ("fed", "fed"),
    "find": ("found", "found"),
    "fly": ("flew", "flown"),
    "forget": ("forgot", "forgotten"),
    "get": ("got", "got"),
    "give": ("gave", "given"),
    "go": ("went", "gone"),
    "hear": ("heard", "heard"),
    "keep": ("kept", "kept"),
    "know": ("knew", "known"),
    "leave": ("left", "left"),
    "lend": ("lent", "lent"),
    "let": ("let", "let"),
    "lose": ("lost", "lost"),
    "make": ("made", "made"),
    "meet": ("met", "met"),
    "put": ("put", "put"),
    "read": ("read", "read"),
    "ride": ("rode", "ridden"),
    "run": ("ran", "run"),
    "say": ("said", "said"),
    "see": ("saw", "seen"),
    "sell": ("sold", "sold"),
    "send": ("sent", "sent"),
    "sing": ("sang", "sung"),
    "sleep": ("slept", "slept"),
    "speak": ("spoke", "spoken"),
    "steal": ("stole", "stolen"),
    "swim": ("swam", "swum"),
    "take": ("took", "taken"),
    "teach": ("taught", "taught"),
    "tell": ("told", "told"),
    "think": ("thought", "thought"),
    "understand": ("understood", "understood"),
    "wear": ("wore", "worn"),
    "write": ("wrote", "written"),
}
DOUBLED = {"chat", "forget", "get", "let", "plan", "put", "run", "shop", "swim", "travel"}

IRREGULAR_COMPARISON = {"good": ("better", "best"), "bad": ("worse", "worst")}


def article(following: str) -> str:
    """Return the indefinite article that stands before the word `following`.

    >>> article("apple"), article("useful"), article("hour")
    ('an', 'a', 'an')
    """
    spoken_vowel = following[0].lower() in VOWELS and not following.startswith(CONSONANT_SOUND)
    return "an" if spoken_vowel or following.startswith(VOWEL_SOUND) else "a"


def plural(noun: str) -> str:
    """Return the plural of a noun; of several words, the last one changes.

    >>> plural("story"), plural("police officer"), plural("child")
    ('stories', 'police officers', 'children')
    """
    *before, last = noun.split()
    return " ".join([*before, IRREGULAR_PLURALS.get(last) or _add_s(last)])


def third(verb: str) -> str:
    """Return the form after he, she or it.

    >>> third("go"), third("study"), third("have"), third("play")
    ('goes', 'studies', 'has', 'plays')
    """
    return {"have": "has", "be": "is", "go": "goes", "do": "does"}.get(verb) or _add_s(verb)


def past(verb: str) -> str:
    """Return the simple past.

    >>> past("read"), past("buy"), past("study"), past("chat")
    ('read', 'bought', 'studied', 'chatted')
    """
    return IRREGULAR_VERBS[verb][0] if verb in IRREGULAR_VERBS else _add_ed(verb)


def participle(verb: str) -> str:
    """Return the past participle.

    >>> participle("write"), participle("wash")
    ('written', 'washed')
    """
    return IRREGULAR_VERBS[verb][1] if verb in IRREGULAR_VERBS else _add_ed(verb)


def gerund(verb: str) -> str:
    """Return the form in -ing.

    >>> gerund("write"), gerund("swim"), gerund("see")
    ('writing', 'swimming', 'seeing')
    """
    if verb in DOUBLED:
        verb = _double(verb)
    elif verb.endswith("e") and not verb.endswith("ee"):
        verb = verb[:-1]
    return verb + "ing"


def comparative(adjective: str) -> str:
    """Return the comparative, in one word or two.

    >>> comparative("big"), comparative("happy"), comparative("expensive")
    ('bigger', 'happier', 'more expensive')
    """
    return _compare(adjective, 0)


def superlative(adjective: str) -> str:
    """Return the superlative without its article.

    >>> superlative("good"), superlative("tall"), superlative("famous")
    ('best', 'tallest', 'most famous')
    """
    return _compare(adjective, 1)


def _compare(adjective: str, degree: int) -> str:
    if adjective in IRREGULAR_COMPARISON:
        return IRREGULAR_COMPARISON[adjective][degree]
    syllables = sum(
        letter in VOWELS + "y" and (i == 0 or adjective[i - 1] not in VOWELS + "y")
        for i, letter in enumerate(adjective.removesuffix("e"))
    )
    if adjective.endswith("y"):
        short = adjective[:-1] + "i" if syllables <= 2 else ""
    elif syllables > 1:
        short = ""
    elif adjective.endswith("e"):
        short = adjective[:-1]
    else:
        short = _double(adjective) if _ends_consonant_vowel_consonant(adjective) else adjective
    return short + ("er", "est")[degree] if short else f"{('more', 'most')[degree]} {adjective}"


def _ends_consonant_vowel_consonant(word: str) -> bool:
    return (
        len(word) >= 3
        and word[-1] not in VOWELS + "wxy"
        and word[-2] in VOWELS
        and word[-3] not in VOWELS
    )


def _double(word: str) -> str:
    return word + word[-1]


def _add_s(word: str) -> str:
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _add_ed(word: str) -> str:
    if word in DOUBLED:
        return _double(word) + "ed"
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + "ied"
    return word + ("d" if word.endswith("e") else "ed")
