"""mmdata's conversion of a COCO file to GeoPixel's conversations with masks: every mask drawn and outlined exactly."""

from benchmarks.rivals import mmdata_coco_llava

LABEL = "mmdata, to GeoPixel"

mmdata_coco_llava.TO = "geopixel"
run = mmdata_coco_llava.run
