"""Upkeep: the sweep that finds unfinished work, and retention."""
