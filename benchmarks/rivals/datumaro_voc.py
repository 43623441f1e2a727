"""datumaro: COCO instances imported and exported as VOC (every mask drawn into a PNG)."""

from benchmarks.rivals import datumaro_own

LABEL = "datumaro, to VOC"

datumaro_own.TO = "voc"
run = datumaro_own.run
