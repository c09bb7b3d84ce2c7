"""What travelled: exchanges, HAR files that hold them, redaction, the reader of event streams."""
