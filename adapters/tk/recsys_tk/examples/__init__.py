"""Two small apps: a launcher over the own command history, and a list of films."""
