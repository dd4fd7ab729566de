"""How processes are started that do a part of the work."""

import multiprocessing
from multiprocessing.context import BaseContext

# The module that grades.
GRADER = "autograder.grading"


def clean_processes(module: str) -> BaseContext:
    """Processes forked from a clean one that has imported a module of ours once.

    Not forked from this one: torch's threads would not survive it. The clean one begins to import
    at once, on a core of its own: where this is called early, nobody waits for it.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    from multiprocessing import forkserver

    forkserver.ensure_running()
    return context
