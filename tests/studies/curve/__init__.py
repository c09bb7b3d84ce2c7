"""Mutants killed over requests sent, beside other tools: `python -m tests.studies.curve`, or `nox -s curve`.

A sample of the mutants, the same for every tool. What each tool sends to the conforming server is recorded with its
answers; then each mutant is applied to these answers, and the tool is asked what it says of them. The first request
whose changed answer brings up anything new is where the tool kills the mutant. Ours has to blame it right.
"""
