"""The rights that docs/security.md lists, read from the page and given on a broker."""

import shlex
from collections.abc import Iterable, Iterator

from kafka.admin import ACL, ACLFilter, ACLOperation, ACLPermissionType, KafkaAdminClient, ResourcePattern, ResourceType
from kafka.admin import ACLResourcePatternType as Pattern

from tests.support.paths import ROOT

PAGE = ROOT / "docs/security.md"
ALLOW = ACLPermissionType.ALLOW
OPERATIONS = {operation.name.replace("_", ""): operation for operation in ACLOperation}


def listed() -> list[ACL]:
    """Every right on the page."""
    lines = PAGE.read_text("utf-8").splitlines()
    return [right for line in lines if line.startswith("acl --") for right in _rights(shlex.split(line)[1:])]


def _rights(words: list[str]) -> Iterator[ACL]:
    """The rights of one line, which has only options that take a value."""
    given = list(zip(words[::2], words[1::2], strict=True))
    options = dict(given)
    pattern = Pattern[options.pop("--resource-pattern-type", "literal").upper()]
    kind = ResourceType.TOPIC if "--topic" in options else ResourceType.GROUP
    resource = ResourcePattern(kind, options["--topic" if kind is ResourceType.TOPIC else "--group"], pattern)
    for name in (value for option, value in given if option == "--operation"):
        operation = OPERATIONS[name.upper()]
        yield ACL(options["--allow-principal"], "*", operation, ALLOW, resource)


def take(admin: KafkaAdminClient, rights: Iterable[ACL]) -> None:
    """Take rights of the broker's away."""
    admin.delete_acls(
        [ACLFilter(one.principal, one.host, one.operation, ALLOW, one.resource_pattern) for one in rights]
    )


def give(admin: KafkaAdminClient, rights: Iterable[ACL]) -> None:
    """Add the rights to the broker's."""
    made = admin.create_acls(list(rights))
    assert not made["failed"], made["failed"]
