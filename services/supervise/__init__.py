"""Starts, restarts and reports on a studio's processes."""
