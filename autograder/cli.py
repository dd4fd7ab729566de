"""The ``autograder`` command."""

import click


@click.group()
def main() -> None:
    """Release, grade and report the course's assignments."""
