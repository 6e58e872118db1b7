"""How a collection is stored, by the settings: told to the server when it is made, and never changed after."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from qdrant_client import models

from ranker.library.library import RETRIEVAL
from schemas.settings.model import Settings
from streams.qdrant.mapping import Dims, vectors_config

QUANTILE = 0.99  # of the numbers of a vector that keep their order in int8; the server's documentation advises it


@dataclass(frozen=True)
class Storage:
    """What the server keeps of the retrieval vectors, and how often.

    shards        0: as many as the server makes by itself, one for each of its nodes
    consistency   so many replicas have to have a write before it counts
    is_quantized  int8 in memory finds candidates, `oversampling` times as many as are asked for; float32 orders them
    """

    shards: int = 0
    replicas: int = 1
    consistency: int = 1
    is_quantized: bool = False
    is_on_disk: bool = False
    oversampling: float = 2.0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What is set."""
        return cls(
            shards=settings.qdrant_shards,
            replicas=settings.qdrant_replicas,
            consistency=settings.qdrant_write_consistency,
            is_quantized=settings.qdrant_quantization == "int8",
            is_on_disk=settings.qdrant_on_disk,
            oversampling=settings.qdrant_oversampling,
        )

    def request(self, dims: Dims) -> models.CreateCollection:
        """What the server is told when a collection of these vectors is made."""
        vectors = vectors_config(dims)
        if self.is_on_disk:
            vectors[RETRIEVAL].on_disk = True
        if self.is_quantized:
            scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=QUANTILE, always_ram=True)
            vectors[RETRIEVAL].quantization_config = models.ScalarQuantization(scalar=scalar)
        return models.CreateCollection(
            vectors=vectors,
            shard_number=self.shards or None,
            replication_factor=self.replicas,
            write_consistency_factor=self.consistency,
            on_disk_payload=False,  # every hit reads its video id from the payload
        )

    def quantization(self, most_oversampling: float = math.inf) -> models.QuantizationSearchParams | None:
        """How quantised vectors are searched; None where there are not any."""
        if not self.is_quantized:
            return None
        return models.QuantizationSearchParams(rescore=True, oversampling=min(self.oversampling, most_oversampling))

    def differences(self, params: models.CollectionParams) -> Iterator[str]:
        """What a collection has and what is set instead, in words."""
        named = params.vectors if isinstance(params.vectors, Mapping) else {}
        retrieval = named.get(RETRIEVAL)
        here: dict[str, tuple[object, object]] = {
            "SHARDS": (params.shard_number, self.shards or params.shard_number),
            "REPLICAS": (params.replication_factor, self.replicas),
            "WRITE_CONSISTENCY": (params.write_consistency_factor, self.consistency),
        }
        if retrieval is not None:
            has = isinstance(retrieval.quantization_config, models.ScalarQuantization)
            here["QUANTIZATION"] = ("int8" if has else "none", "int8" if self.is_quantized else "none")
            here["ON_DISK"] = (bool(retrieval.on_disk), self.is_on_disk)
        for name, (found, wanted) in here.items():
            if found is not None and found != wanted:  # qdrant-client's local mode knows nothing of some
                yield f"{str(found).lower()} where FRESHET_QDRANT_{name} is {str(wanted).lower()}"
