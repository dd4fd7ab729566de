"""Trusted grading of the course's notebooks, built on nbgrader."""
