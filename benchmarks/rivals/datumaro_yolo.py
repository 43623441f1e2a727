"""datumaro: COCO instances imported and exported as YOLO (boxes; crowds left out)."""

from benchmarks.rivals import datumaro_own

LABEL = "datumaro, to YOLO"

datumaro_own.TO = "yolo"
run = datumaro_own.run
