"""How a worker writes its log: lines for people or JSON for machines, both with times in UTC."""

import json
import logging
import os
import time
from typing import Literal

LogFormat = Literal["text", "json"]


class JsonFormatter(logging.Formatter):
    """One JSON object a line.

    agent  named in each line, for the lines of several workers may lie in one place
    """

    def __init__(self, agent: str) -> None:
        super().__init__()
        self._agent = agent

    def format(self, record: logging.LogRecord) -> str:
        """The line: when, how severe, who, what; the traceback where there is one."""
        fields: dict[str, object] = {
            "at": utc(record.created),
            "level": record.levelname,
            "agent": self._agent,
            "process": os.getpid(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = self.formatStack(record.stack_info)
        return json.dumps(fields, ensure_ascii=False, default=str)


def utc(seconds: float) -> str:
    """A moment as it stands in a line.

    >>> utc(1650812741.0425)
    '2022-04-24T15:05:41.042Z'
    """
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds * 1000) % 1000:03}Z"


def set_format(logger: logging.Logger, log_format: LogFormat, agent: str) -> None:
    """Give the handlers of the root logger this format; text keeps the one that Faust made, with its times in UTC."""
    for handler in logger.handlers:
        if log_format == "json":
            handler.setFormatter(JsonFormatter(agent))
        elif handler.formatter is not None:
            handler.formatter.converter = time.gmtime
            handler.formatter.default_time_format = "%Y-%m-%dT%H:%M:%S"
            handler.formatter.default_msec_format = "%s.%03dZ"
