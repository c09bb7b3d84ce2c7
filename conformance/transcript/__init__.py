"""Recorded exchanges, HAR files of them, redaction, and the reader of event streams."""
