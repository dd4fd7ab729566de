"""Bring what students handed in to Canvas, Moodle or a folder into the course."""
