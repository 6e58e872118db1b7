"""`freshet playground`: a whole Freshet with made-up people that stays up until Ctrl-C."""
