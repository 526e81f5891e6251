"""Torch networks, written from their papers; used by `detect` to infer and by `learn` to train."""
