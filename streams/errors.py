"""The one exception that the command line turns into two lines: what is wrong, and what to do."""


class OperatorError(Exception):
    """Something that a person can put right; `code` becomes the exit status."""

    def __init__(self, cause: str, remedy: str = "", code: int = 1) -> None:
        super().__init__(cause)
        self.cause, self.remedy, self.code = cause, remedy, code

    def __str__(self) -> str:
        return f"{self.cause} {self.remedy}".strip()
