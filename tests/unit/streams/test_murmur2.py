"""murmur2 as every other client computes it: a key has one partition, whoever publishes."""

import random
from collections.abc import Callable

import aiokafka.partitioner
import kafka.partitioner.default
import pytest

from streams.kafka.murmur2 import murmur2


@pytest.mark.parametrize(
    ("data", "signed"),
    [  # of Apache Kafka's own UtilsTest.testMurmur2, which gives signed 32-bit integers
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_apache_kafka(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed & 0xFFFFFFFF


@pytest.mark.parametrize("theirs", [aiokafka.partitioner.murmur2, kafka.partitioner.default.murmur2])
def test_random_bytes_of_every_length_have_the_hash_that_python_clients_compute(
    theirs: Callable[[bytes], int],
) -> None:
    chance = random.Random(7)
    keys = [chance.randbytes(length) for length in range(70) for _ in range(30)]
    assert [murmur2(key) for key in keys] == [theirs(key) for key in keys]
