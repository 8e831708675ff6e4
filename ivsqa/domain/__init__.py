"""What IVUS annotation is about, as pure functions and value types: no disk, no clock, no torch, no global randomness."""
