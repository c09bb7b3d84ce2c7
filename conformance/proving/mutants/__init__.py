"""Mutants: servers that differ from the conforming one at one place, enumerated rather than written one by one.

A run of the suite against the conforming reference server is recorded once for each depth. A mutant is a pure function
over what was recorded: the answers come out as a server that is wrong at one place, in one way, in one condition would
have sent them. Judging is pure too, so that thousands are judged in minutes (`trial`). What has to be blamed for a
mutant, and what the documentation leaves open, is one table of rules (`blame`). Those that are wrong in one state of an
approval are served and recorded instead (`states`).
"""
