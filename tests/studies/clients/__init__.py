"""Clients that people use, driven against the reference server and its faults: which of them breaks on which."""
