"""Clocks, the grouping of cameras' messages by tick, interpolation."""
