"""The exception that the command line turns into two lines: what is wrong, and what to do."""


class OperatorError(Exception):
    """Something that a person can correct."""

    def __init__(self, cause: str, remedy: str = "", exit_code: int = 1) -> None:
        super().__init__(cause)
        self.cause, self.remedy, self.exit_code = cause, remedy, exit_code

    def __str__(self) -> str:
        return f"{self.cause} {self.remedy}".strip()


def missing_topic(name: str) -> OperatorError:
    """The error of whoever reads or writes a topic that is not there: often the prefix was mistyped."""
    return OperatorError(
        f"There is no topic {name}.", "Name the --prefix in use; `freshet topics apply` creates its topics."
    )
