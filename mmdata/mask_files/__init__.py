"""`rasterize`: the masks of a data file as pictures, arrays or a COCO file that people can open.

Every record is accounted for in ``index.json``: which files hold its masks, that it has none, or why it was refused.
The work can be killed and run again: each finished record is noted in a journal, each file appears whole or not at all.
"""

from mmdata.mask_files.palette import read_palette
from mmdata.mask_files.run import Per, Target, rasterize_file
from mmdata.mask_files.summary import Summary

__all__ = ["Per", "Summary", "Target", "rasterize_file", "read_palette"]
