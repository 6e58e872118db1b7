"""murmur2, the hash by which Kafka's Java client, kafka-python and aiokafka choose a key's partition.

Written out here, since importing a whole client for one function would take every command half a second.
"""

from struct import unpack

MASK = 0xFFFFFFFF  # the arithmetic is that of unsigned 32-bit integers
SEED = 0x9747B28C
MULTIPLIER = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """Hash bytes to an unsigned 32-bit integer, as `org.apache.kafka.common.utils.Utils.murmur2` does.

    >>> [hex(murmur2(data)) for data in (b"", b"21", b"foobar")]
    ['0x106e08d9', '0xc5f2f8ec', '0xd0e47bbe']
    """
    length = len(data)
    whole = length & ~3
    mixed = SEED ^ length
    for word in unpack(f"<{whole >> 2}I", data[:whole]):
        word = word * MULTIPLIER & MASK
        mixed = (mixed * MULTIPLIER & MASK) ^ ((word ^ word >> 24) * MULTIPLIER & MASK)
    if whole < length:
        mixed = (mixed ^ int.from_bytes(data[whole:], "little")) * MULTIPLIER & MASK
    mixed = (mixed ^ mixed >> 13) * MULTIPLIER & MASK
    return mixed ^ mixed >> 15
