"""Programs that measure and compare, each with its tests: run by a nox session or by `python -m tests.studies.NAME`."""
