"""The real programs that a target may be reached through, and what the suite says of each way."""
