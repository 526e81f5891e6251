"""Edits of a take: a list beside what was recorded, replayed wherever its poses are read."""
