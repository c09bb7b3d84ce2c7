"""What a user may set: options as plain values, the flags and variables that set them, `conformance.toml`."""
