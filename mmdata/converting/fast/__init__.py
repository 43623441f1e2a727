"""The fast path of `convert`: the plain record becomes its translation by splicing bytes.

An ordinary record of a data set differs from the next in its texts, paths, numbers and nothing else. From one such record
`skeleton` makes the regular expression of all records like it: keys, roles and placeholders as they stand, texts and values
left open. Then the ordinary converter translates the same record with a marker in each open place; where the markers come
out, in the record, in its carry and in what the digest is taken of, is the `template` of every translation.

Two speeds, one truth: a template is only made by the ordinary converter, and only kept if it also gives what that converter
gives for the record it was learned from and for a more awkward one. A record that matches nothing takes the ordinary way.

What this rests on: a decoder or encoder looks at no character of a text besides white space at its start and placeholders,
which begin with ``<`` or ``[``; texts that hold these are left open by no skeleton. The target's guards (see
`mmdata.checks.facts`) ask for no more than that either, so that they hold for all records of a skeleton or for none.
"""

from __future__ import annotations

from mmdata.converting.fast.known import Known
from mmdata.converting.fast.path import FastConvert

__all__ = ["FastConvert", "Known"]
