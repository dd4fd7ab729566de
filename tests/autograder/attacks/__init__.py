"""Notebooks and archives that try to cheat, harm or break, each beside the nearest honest work."""
