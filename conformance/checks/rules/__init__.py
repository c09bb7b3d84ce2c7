"""Rules that several requirements share: an area names the requirement, a rule says what is wrong."""
