"""Write a misconception as a function with its title and hint above it."""

from collections.abc import Callable
from typing import Any

from autograder.checks.spec import Misconception


class Bank:
    """Collects the misconceptions of one exercise."""

    def __init__(self) -> None:
        self._entries: list[Misconception] = []

    def add(self, title: str, hint: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a wrong implementation; its name without underscores is the entry's."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            name = function.__name__.strip("_")
            self._entries.append(Misconception(name, title, function, hint))
            return function

        return register

    def take(self, entry: Misconception) -> None:
        """Add an entry that is made already."""
        self._entries.append(entry)

    @property
    def entries(self) -> tuple[Misconception, ...]:
        """All that were added, in order."""
        return tuple(self._entries)
