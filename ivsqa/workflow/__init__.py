"""One module a use case: plain arguments in, a result dataclass out; never prints."""
