"""Cameras and the machine before a recording: capture, checks, doctor."""
