"""From evidence to a verdict: whom a fault is blamed on, what is concluded, what a gate lets pass, what has changed.

Nothing here sends or shows anything.
"""
