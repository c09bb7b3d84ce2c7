"""The suite's benchmarks: `python -m tests.studies.bench` from the repository's root, or `nox -s bench`.

Each part measures one thing beside a yardstick: candidates take turns in one process or one after another, several
times over, and the medians are told. Ratios within one run matter; seconds belong to the machine. Nothing here passes
or fails: a row says what was wanted and whether it was met.
"""
