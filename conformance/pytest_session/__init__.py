"""A run as a session of pytest: its options, one item a requirement, one recording, and what pytest-html shows."""
