"""The command line: options, tables, messages; no decisions."""
