"""The ledger of a project: what ivsqa wrote there, with its hash, by which command and when; append-only.

`doors` is the way in: every write to a project passes through it, and every reader of what a result rests on. `book` is the
ledger of one project, `entries` its lines and what they come to, `rooms` which files it knows, `inspect` what differs from it.

A command that writes has a file of its own in `ledger/`, so that nobody waits for anybody, on a shared disk neither. A line is
there before the file that it is about gets its name. So a stop leaves at most the last line of a command in doubt, and of that
either is right: what was there, or what it says. Order comes from what each line replaced, not from clocks.
"""
