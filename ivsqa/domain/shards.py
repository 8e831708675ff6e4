"""Shards: the shares of one work that several processes do, each knowing nothing of the others."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import NamedTuple


class Shard(NamedTuple):
    """One share of a work.

    Attributes:
        number: Which, from 1.
        of: How many there are.
    """

    number: int
    of: int

    def share(self, n_frames: Mapping[str, int]) -> list[str]:
        """Return the ids that are of this shard, sorted.

        The longest first, each goes to the shard that has the fewest frames so far; so none has more than the mean and one
        pullback. It follows from the ids and their frames alone: whoever asks, and in whatever order they are listed.

        Args:
            n_frames: Frames by id, of all shards together.

        Example:
            >>> lengths = {"a": 900, "b": 500, "c": 300, "d": 200}
            >>> Shard(1, 2).share(lengths), Shard(2, 2).share(lengths)
            (['a'], ['b', 'c', 'd'])
        """
        loads = [(0, number) for number in range(1, self.of + 1)]
        own = []
        for name in sorted(n_frames, key=lambda name: (-n_frames[name], name)):
            load, number = loads[0]
            heapq.heapreplace(loads, (load + n_frames[name], number))
            if number == self.number:
                own.append(name)
        return sorted(own)

    def part(self, number: int, of: int) -> Shard:
        """Return one of the equal parts of this shard.

        Args:
            number: Which, from 1.
            of: How many there are.

        Example:
            >>> [str(Shard(2, 3).part(number, 2)) for number in (1, 2)], str(Shard(1, 1).part(2, 2))
            (['3/6', '4/6'], '2/2')
        """
        return Shard((self.number - 1) * of + number, self.of * of)

    def __str__(self) -> str:
        """Return the shard as it is typed."""
        return f"{self.number}/{self.of}"


WHOLE = Shard(1, 1)
"""The work of a process that shares it with nobody."""
