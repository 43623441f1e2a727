"""`filter_records`: keep the records that an expression is true for."""

from __future__ import annotations

from mmdata.dataset_ops.expression import Expression, Undecided
from mmdata.dataset_ops.ledger import Ledger
from mmdata.dataset_ops.quick import DECLINED, Quick
from mmdata.dataset_ops.record_fields import FIELDS, RecordFields
from mmdata.dataset_ops.stream import Outputs, is_repeatable, read_values, value_of
from mmdata.detection import choose, detect
from mmdata.errors import UsageError
from mmdata.format import get_format
from mmdata.io.record import RawRecord
from mmdata.options import Options
from mmdata.progress import Progress


def filter_records(
    path: str,
    output: str,
    expression: str,
    *,
    format: str | None = None,
    options: Options | None = None,
    undecided: str = "drop",
    force: bool = False,
    progress: Progress | None = None,
    ledger: Ledger | None = None,
) -> Ledger:
    """Write the records for which an expression is true.

    One pass, constant memory. A record for which the expression has no value (a picture without a size is compared with a
    number, say) is named in the ledger's notes, and dropped or kept as `undecided` says.

    Args:
        path: the file.
        output: file to write.
        expression: see `mmdata.dataset_ops.expression`; the fields are `mmdata.dataset_ops.record_fields.FIELDS`.
        format: the file's format; told by its content if None.
        options: where media lie, the template and so on.
        undecided: ``drop`` or ``keep``.
        force: replace the output.
        progress: told how far it is.
        ledger: to fill in; a new one if None.

    Raises:
        UsageError: no such field, no expression of the language, a file that cannot be read or written.
    """
    books = ledger or Ledger("filter")
    if undecided not in ("drop", "keep"):
        raise UsageError(f"--undecided is drop or keep, got {undecided!r}")
    test = Expression(expression, FIELDS)
    settings = options or Options(media="none")
    if format is None and not is_repeatable(path):
        raise UsageError(f"{path} can be read only once: say its format with --format")
    chosen = (get_format(format) if format else choose(detect(path))).of(path)
    if chosen.mixture:
        raise UsageError(f"{path}: a {chosen.name} file lists data sets; filter one of those")
    checker = None
    if "codes" in test.names:
        from mmdata.plan import DataSet
        from mmdata.validating.filecheck import FileChecker

        checker = FileChecker(
            DataSet(path, chosen),
            Options(media="none", media_root=settings.media_root, template=settings.template),
        )
    with Outputs([output], inputs=[path], force=force, ledger=books) as out:
        write = out.writers[0].write
        quick: Quick | None = None

        def settled(index: int, data: bytes) -> bool:
            """Write or drop a record for which the keys that the expression asks for are enough."""
            nonlocal quick
            if quick is None:
                quick = Quick(test, chosen, value_of(RawRecord(index, 0, data, None)))
            if quick.fits is None:
                return False
            try:
                keep = quick.fits(data)
            except (*DECLINED, Undecided):
                return False
            if keep:
                write(data)
            else:
                books.drop(path, index, "no-match", data=data)
            return True

        for raw, value in read_values(path, books, progress, settled):
            fields = RecordFields(raw, value, chosen, settings, checker)
            try:
                keep = test(fields)
            except Undecided as error:
                missing = ", ".join(sorted(name for name in test.names if fields.get(name) is None))
                why = f"{error} ({missing})" if missing else str(error)
                books.note(f"{path}: record {raw.index}: the expression has no value: {why}")
                keep = undecided == "keep"
                if not keep:
                    books.drop(path, raw.index, "undecided", why, raw.data)
                    continue
            if keep:
                write(raw.data)
            else:
                books.drop(path, raw.index, "no-match", data=raw.data)
    return books


__all__ = ["filter_records"]
