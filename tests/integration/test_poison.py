"""Whatever bytes a broker can hold: each partition moves on, and what cannot be used is one dead letter."""

import time
from pathlib import Path

import psutil
import pytest

from ranker.profile.codec import unpack
from schemas.messages import feedback
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, FEEDBACK, PROFILES
from streams.kafka.records import partition_of
from tests.support import wire
from tests.support.events import minute, watched
from tests.support.system import agents, everything, publish, wait_until
