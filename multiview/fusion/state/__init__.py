"""What fusion remembers: track states, body models, the measurement noise."""
