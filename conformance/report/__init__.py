"""Reports: what a verdict looks like to people and to programs. Nothing here decides; everything reads the verdict.

`files.py` says which files there are, and writes them; `terminal.py` and `github.py` show a verdict elsewhere.
"""
