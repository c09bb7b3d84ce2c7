"""The suite at other people's OpenAI-compatible servers: installs, starts, judges and compares with what is known."""
