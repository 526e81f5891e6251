"""What a calibration found, as JSON, a page and pictures."""
