"""Calibration boards: description, printing, identification, poses."""
