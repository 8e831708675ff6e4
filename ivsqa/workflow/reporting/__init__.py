"""What a study looks like now: status, report, checks, history, export."""
