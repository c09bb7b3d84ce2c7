"""How probes travel and what came back.

Exchanges, the transcript, its HAR form, the recording client, the SSE reader.
"""
