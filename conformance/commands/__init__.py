"""The command line: each module but `main` is a command; packages hold what commands share, and the pages of help."""
