"""What a team does with verdicts over time: known failures, what changed between two runs, whether results are true.

Nothing here changes a verdict. A gate says whether a run may pass all the same, and results.json tells both.
"""
