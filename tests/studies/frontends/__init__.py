"""Stand-ins, in Python, for what stands in front of a server."""
