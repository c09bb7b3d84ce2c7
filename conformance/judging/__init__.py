"""From evidence to a verdict: which requirement fails, what is concluded, what a gate allows, what has changed.

Nothing here sends or shows anything.
"""
