"""Readers of event streams, held against the standard: the suite's own, three of Python and one of JavaScript."""
