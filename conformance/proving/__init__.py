"""Proof of the suite: servers that break one requirement each, what it makes of them, and examples."""
