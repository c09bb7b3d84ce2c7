"""Reports: what a verdict looks like to people and to programs. Nothing here decides; everything reads the verdict."""
