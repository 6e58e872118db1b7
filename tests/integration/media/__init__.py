"""What starts processes that decode media; no broker is needed."""
