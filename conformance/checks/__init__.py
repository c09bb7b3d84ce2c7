"""The checks: one module an area, each requirement a pure generator of findings over what was recorded."""
