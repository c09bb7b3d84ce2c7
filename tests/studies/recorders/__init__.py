"""Recorders that people use, in front of the reference server: what they write is read in tests."""
