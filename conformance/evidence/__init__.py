"""What a transcript shows, before anything is judged: readings of exchanges, selections of them, approvals, weather."""
