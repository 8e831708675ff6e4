"""The state of a study: status, report, checks, history, export."""
