"""A run: preflight, a recording with what is watched and sent once more, its judgement. Serves applications, too."""
