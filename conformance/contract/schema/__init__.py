"""What the request schemas say, in every form that is needed of it.

`shape` is the two schemas as one value; `operators` is the one table of what can be done to each keyword; the rest is
derived from these two: `breaches`, `values`, `openness`, `mutants`.
"""
