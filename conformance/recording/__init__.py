"""A recorder of our own: a reverse proxy in front of a target, which judges the traffic that passes."""
