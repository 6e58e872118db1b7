"""`freshet dlq`: dead letters are exported, corrected, sent again where that can succeed, and discarded."""
