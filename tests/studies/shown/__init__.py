"""Which flows show what: measured on the conforming server and on every fault of the reference server."""
