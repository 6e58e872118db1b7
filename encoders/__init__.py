"""What a video is: text, image and audio to vectors, their fusion, and how the models are made."""

import os

# Read by onnxruntime when it is first imported, by whomever: else it keeps a database below ~/.cache/Microsoft, and
# looks up the host to which it would send what it has counted. `disable_telemetry_events` comes too late for both.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
