"""Where grading here is meant to differ from ``nbgrader autograde``; anything else is a fault.

The tests grade nbgrader's own notebooks with both and hold every field of the two gradebooks
against each other; each entry here names the one test that shows it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One intended difference: what nbgrader does, what happens here, and why."""

    name: str
    nbgrader: str
    here: str
    reason: str


DIFFERENCES = (
    Difference(
        "stderr",
        "A test that passes, but writes a word to stderr, earns 0.",
        "It earns its points.",
        "A warning of a library is no mistake of a student's (nbgrader's issue 1904).",
    ),
    Difference(
        "deleted test",
        "A test that was deleted is put nowhere; its points wait for a person for ever.",
        "It is put back in its place, run, and named as a finding.",
        "What a student deletes costs neither marks nor the instructor's time.",
    ),
    Difference(
        "duplicate cell",
        "Two cells with one grade_id end the grading of that student's notebook.",
        "The last one that is filled in counts; it is named as a finding.",
        "One notebook never stops the work.",
    ),
    Difference(
        "unreadable notebook",
        "A file that is no notebook leaves a student without a row of marks.",
        "The row is there, with 0 points and the reason.",
        "Nobody is missing from a list without a word.",
    ),
    Difference(
        "changed cell type",
        "A graded cell that was turned into text, in a notebook without cell ids, is an error that "
        "ends the grading of that notebook.",
        "It is turned back and named as a finding.",
        "One notebook never stops the work.",
    ),
    Difference(
        "missing notebook",
        "A notebook that was not handed in earns 0 for all of it, without a comment.",
        "It earns 0; its written answers say 'No response.', and its tasks wait for a person.",
        "It is graded as the released notebook, left empty.",
    ),
    Difference(
        "points out of range",
        "A test whose last value is more than its points ends that student's grading.",
        "It earns 0 and is named.",
        "One notebook never stops the work.",
    ),
    Difference(
        "regrading",
        "Every mark given by hand waits for another look after each grading.",
        "Only where the work that was marked, or its automatic points, changed.",
        "Grading again changes nothing.",
    ),
    Difference(
        "files",
        "Files beside the notebook, the student's and the instructor's, are there when it runs.",
        "The notebook runs in an empty folder.",
        "What a student sends is read by nobody but the parser of notebooks.",
    ),
)
