"""Which frames go to the annotators next, and why: pure functions of a pool, a budget and a random generator.

Whatever the strategy, no frame is chosen twice or next to one that is already taken, no pullback gives more than its cap, and
the answer does not depend on the order in which frames come. Where these rules leave too few, fewer are returned and the
shortfall says so.
"""
