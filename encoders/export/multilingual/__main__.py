"""Makes the files of the fused text model: python -m encoders.export.multilingual --folder DIR --weights DIR"""

from encoders.export.__main__ import main
from encoders.export.multilingual.make import make
from encoders.models.manifest import MULTILINGUAL_EXPORTER, MULTILINGUAL_WEIGHTS

if __name__ == "__main__":
    main([make], weights=MULTILINGUAL_WEIGHTS, exporter=MULTILINGUAL_EXPORTER)
