"""What the log means: statistics of behaviour, features, and the choice model."""
