"""Processes, priorities and displays of the operating system."""
