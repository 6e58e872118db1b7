"""Runs one agent in this process, until a signal ends it in order or a time limit ends it by force."""

import faulthandler
import logging
import os
import signal
import threading
from typing import Any, NoReturn

import faust

from schemas.agents import Agent
from schemas.settings.model import Settings
from schemas.topics import PROFILES
from streams.app import BUILDERS
from streams.kafka.lost_broker import say_outages_once
from streams.metrics.measures import Measures
from streams.worker import metrics
from streams.worker.health import Health
from streams.worker.log_format import LogFormat, set_format
from streams.worker.memory import limit_arenas

log = logging.getLogger("freshet.worker")

STOP_TIMEOUT_S = 15.0  # for an orderly end; then by force, without a commit of the in-flight batch
FROZEN_S = 2.0  # after that: where the timer itself does not fire, since a library keeps the interpreter to itself
NICE = {"encoder": 5, "indexer": 5}  # where agents share a machine, ranking comes first
FORCED = 70  # exit status of an end by force


class Worker(faust.Worker):
    """Faust's worker, which stops within a limit and at once at a second signal."""

    agent = ""
    log_format: LogFormat = "text"

    def on_setup_root_logger(self, logger: logging.Logger, level: int) -> None:
        """Faust has made its handlers: from here on lines are as the settings want them."""
        super().on_setup_root_logger(logger, level)
        set_format(logger, self.log_format, self.agent)

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        if self._signal_stop_time:
            _force("a second signal")
        deadline = threading.Timer(STOP_TIMEOUT_S, _force, [f"no orderly end within {STOP_TIMEOUT_S:g} s"])
        deadline.daemon = True
        deadline.start()
        faulthandler.dump_traceback_later(STOP_TIMEOUT_S + FROZEN_S, exit=True)
        super()._schedule_shutdown(signal)


def run_worker(name: str, settings: Settings) -> None:
    """Run one agent; does not return: SystemExit 0, 1 after a crash, 3 without progress, 70 by force."""
    limit_arenas()
    os.nice(NICE.get(name, 0))
    measures = Measures()
    app = BUILDERS[Agent(name)](settings, measures)
    health = Health(app, name, settings)
    health.metrics_url = metrics.serve(app, name, settings, measures, health)
    options: dict[str, Any] = {  # Faust types each of them otherwise
        "loglevel": settings.log_level,
        "logfile": None,
        "redirect_stdouts": False,
    }
    worker = Worker(app, quiet=True, **options)
    worker.agent, worker.log_format = name, settings.log_format
    for noisy in ("faust", "mode"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    logging.getLogger("mode.timers").setLevel(logging.ERROR)  # it warns of a machine with much to do, all the time
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # the terminal was closed: an orderly end, too
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    say_outages_once(settings, PROFILES.full(settings.prefix))
    health.start()
    try:
        worker.execute_from_commandline()
    finally:
        health.remove_status()


def _force(why: str) -> NoReturn:
    log.critical("ended by force: %s; the in-flight batch is redelivered", why)
    os._exit(FORCED)
