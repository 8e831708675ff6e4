"""Packets: what an annotator gets and gives back, in the formats of their own editors."""

from ivsqa.io.formats.archive import opened, write_zip
from ivsqa.io.packets.adapter import Adapter
from ivsqa.io.packets.packet import (
    FrameProbabilities,
    PacketFrame,
    PacketOrigin,
    ReturnedFrame,
    ReturnedPacket,
    SentFrame,
    Surroundings,
    frame_sha256,
)
from ivsqa.io.packets.read import read_return
from ivsqa.io.packets.registry import ADAPTERS, get_adapter
from ivsqa.io.packets.write import write_packet

__all__ = [
    "ADAPTERS",
    "Adapter",
    "FrameProbabilities",
    "PacketFrame",
    "PacketOrigin",
    "ReturnedFrame",
    "ReturnedPacket",
    "SentFrame",
    "Surroundings",
    "frame_sha256",
    "get_adapter",
    "opened",
    "read_return",
    "write_packet",
    "write_zip",
]
