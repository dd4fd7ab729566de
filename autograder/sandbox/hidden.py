"""What a student is told who imports a part of the course that is not there while it is graded."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_PACKAGES = ("attention_lib", "autograder")


class _NotHere:
    """The last to be asked for a module: nobody else has found it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Say why a module of the course is missing; of others nothing is known here."""
        package, _, part = name.partition(".")
        if package not in _PACKAGES or not part:
            return None
        # Without a name of its own the error is not taken for a missing attribute.
        raise ModuleNotFoundError(
            f"{name} is not there while your notebook is graded: of {package} it may use what the "
            "notebook imported when you got it. What an exercise asks for is to be written by you."
        )


def explain_what_is_hidden() -> None:
    """From now on, a failed import of a part of the course explains itself."""
    sys.meta_path.append(_NotHere())
