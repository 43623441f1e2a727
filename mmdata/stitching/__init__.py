"""Several views of one moment in one picture: the canvas and its coordinates, drawing, annotations, the parallel run.

``canvas`` is arithmetic alone, ``frames`` reads which pictures belong together, ``drawing`` makes one canvas, ``run``
makes all of them.
"""
