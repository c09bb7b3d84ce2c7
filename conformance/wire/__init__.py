"""How probes travel: the recording client, its patience and pace, and the recorder that sends whole flows."""
