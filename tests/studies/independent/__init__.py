"""A second conforming server, written from the contract alone, with held-out faults and legitimate variations."""
