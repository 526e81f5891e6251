"""Calibration from people who move: drift of cameras, time offsets, refinement of a rig."""
