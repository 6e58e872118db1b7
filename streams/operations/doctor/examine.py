"""All checks in their order: what is installed, this machine, Kafka, Qdrant."""

from collections.abc import Iterator
from functools import partial

from schemas.settings.model import Settings
from streams.operations.doctor.finding import Check, Finding, run_checks
from streams.operations.doctor.installation import (
    check_kernel,
    check_models,
    check_packages,
    check_providers,
    check_python,
)
from streams.operations.doctor.kafka import KafkaChecks
from streams.operations.doctor.machine import check_disk, check_java
from streams.operations.doctor.ports import check_ports
from streams.operations.doctor.qdrant import check_qdrant
from streams.operations.doctor.ranking import check_ranking, check_slates


def checks_of(settings: Settings) -> list[tuple[str, Check]]:
    """The checks by name."""
    kafka = KafkaChecks(settings)
    return [
        ("python", check_python),
        ("packages", check_packages),
        ("kernel", partial(check_kernel, settings)),
        ("models", partial(check_models, settings)),
        ("providers", partial(check_providers, settings)),
        ("ranking", partial(check_ranking, settings)),
        ("disk", partial(check_disk, settings)),
        ("ports", partial(check_ports, settings)),
        ("java", partial(check_java, settings)),
        ("broker", kafka.check_broker),
        ("topics", kafka.check_topics),
        ("clock", kafka.check_clock),
        ("qdrant", partial(check_qdrant, settings)),
        ("slates", partial(check_slates, settings)),
    ]


def examine(settings: Settings) -> Iterator[Finding]:
    """Findings as they come."""
    return run_checks(checks_of(settings))
