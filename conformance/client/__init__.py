"""Judging clients: the faces that the reference server shows them, and a command that is run once against each."""
