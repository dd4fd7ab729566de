"""Chinese by character."""

import re

_TOKEN = re.compile(r"[a-z0-9]+|[^\sa-z0-9]", re.IGNORECASE)


def characters(text: str) -> tuple[str, ...]:
    """Split into characters; Latin words and numbers stay whole, spaces go.

    >>> characters("我有 2 本 Python 书。")
    ('我', '有', '2', '本', 'Python', '书', '。')
    """
    return tuple(_TOKEN.findall(text))
