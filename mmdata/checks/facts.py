"""The facts that guards may speak of: what the fast path knows of an ordinary record before any check body runs.

A guard is a Python expression over these names. `mmdata.validating.fastpath` writes the code that computes exactly those facts
which the guards of the selected checks name, in one loop over the turns.

==================  ================================================================================================
name                meaning
==================  ================================================================================================
``r``               the record as a msgspec struct generated from the pydantic type; absent keys are ``UNSET``. Ask it
                    for presence, type and length of fields alone, never for the characters of a string or a number
``turns``           its list of turns (structs with ``from_`` and ``value``); ask for role words alone
``n``               number of turns
``order``           the speakers as a string, one letter a turn: ``u`` user, ``a`` assistant, ``s`` system
``regular``         ``order`` is ``ua`` repeated: user first, strictly alternating, assistant last
``alternating``     the same after a system turn, where the first is one
``plain_parts``     every part of a content is a text without a placeholder or, in a question, a medium that names a file
``empty_answer``    some assistant text is empty or white space
``user_marks``      markers of the user turns, a list of str: turn by turn, first the ``<…>`` of a text, then its
                    ``[…]``, each in order (see `mmdata.checks.markers.quick_patterns`)
``answer_marks``    markers of the assistant turns
``other_marks``     markers of system turns
``marked_answers``  number of assistant turns that hold a marker
``own_markers``     every marker is one that the format counts as ordinary in that speaker's turn
``n_images``        number of pictures the record names (frames of a frame list not counted)
``n_videos``        number of videos the record names
``kind``            the record's kind, see `Format.kind`
``empty_media``     some media key holds an empty string or list
``first_marked``    the first turn holds the format's image tag
``assume``          the facts stated with ``--assume``, a dict
``template``        InternVL conversation template of the run
``sidecar``         sidecar checks only: the facts of the record's polygon file
``picture``         sidecar checks only: the file name in the record's ``image``, without directories
==================  ================================================================================================

Besides them: ``ENTRIES(x)``, the number of entries of a column (a list, one value, or nothing), and of ms-swift's `objects`
``REFERENCES(r.objects)``, ``BOXES(r.objects)`` and ``ORDINARY_BOXES(r.objects, n_images)``: every box has two or four numbers
in order, of its unit, on a picture that is there. (No pattern generalises an object inside a record.)
"""

from __future__ import annotations

FACTS = (
    "r",
    "turns",
    "n",
    "order",
    "regular",
    "alternating",
    "plain_parts",
    "empty_answer",
    "user_marks",
    "answer_marks",
    "other_marks",
    "marked_answers",
    "own_markers",
    "n_images",
    "n_videos",
    "kind",
    "empty_media",
    "first_marked",
    "assume",
    "template",
    "sidecar",
    "picture",
)
