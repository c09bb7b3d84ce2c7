"""Servers that hang, flood and lie, at which a run has to end soon, small and with what there is to say."""
