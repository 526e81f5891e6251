"""How far poses are from the truth."""
