"""From rays that belong to one person to that person's skeleton, live (filter) and afterwards (smoother)."""
