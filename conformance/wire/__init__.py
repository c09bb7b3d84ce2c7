"""How probes travel and what came back: exchanges, the transcript, its HAR form, the recording client, the SSE reader."""
