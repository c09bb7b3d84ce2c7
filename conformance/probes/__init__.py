"""What is sent: probes by area as flows, strategies of valid bodies, and the table of rules that break them.

Nothing here opens a socket. A flow is a generator that yields what to send and receives what came back, so that chains
(an approval, then its resume) read from top to bottom and are tested without a network.
"""
