"""The report of a calibration: JSON, a page and pictures."""
