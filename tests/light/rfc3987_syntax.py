"""Stands before the real one on the path of the processes that tests start, so that they start quickly.

The real one, which the extra `dev` brings for the formats of jsonschema, compiles a grammar for seconds when it is
imported; without it jsonschema leaves out a format that no schema of ours uses.
"""

raise ImportError("left out on purpose")
