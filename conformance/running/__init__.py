"""A run: preflight, a recording with what is watched and sent again, its judgement. Serves applications, too."""
