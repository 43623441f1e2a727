"""BLEU, ROUGE-L and CIDEr of pycocoevalcap, as the COCO captions' evaluation computes them."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdata.errors import UsageError

Corpus = Callable[[NDArray[np.intp]], float]


def language_scores(
    answers: Sequence[str], references: Sequence[str]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, Corpus]]:
    """Scores of answers against one reference each.

    Returns:
        ``rouge_l`` and ``cider`` a row, whose mean is the score; ``bleu_1`` to ``bleu_4`` as functions of row numbers,
        for BLEU adds n-grams up over the rows. All from 0 to 1, CIDEr to 10. Empty without answers.

    Raises:
        UsageError: pycocoevalcap is not installed.
    """
    if not answers:
        return {}, {}
    try:
        from pycocoevalcap.bleu.bleu_scorer import BleuScorer
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
    except ImportError:
        raise UsageError(
            "the language metrics need pycocoevalcap: pip install 'mmdata-mmtrain[drivelm]'"
        ) from None
    words = tokenize([*answers, *references])
    said, wanted = words[: len(answers)], words[len(answers) :]
    results = {k: [text] for k, text in enumerate(said)}
    truth = {k: [text] for k, text in enumerate(wanted)}
    _, rouge = Rouge().compute_score(truth, results)
    _, cider = Cider().compute_score(truth, results)
    bleu = BleuScorer(n=4)
    for one, reference in zip(said, wanted, strict=True):
        bleu += (one, [reference])
    table = _bleu_table(bleu.ctest)
    return (
        {"rouge_l": np.asarray(rouge, np.float64), "cider": np.asarray(cider, np.float64)},
        {f"bleu_{n}": _bleu(table, n) for n in range(1, 5)},
    )


def _bleu_table(cooked: Sequence[Any]) -> NDArray[np.float64]:
    """(rows, 10): length, reference's length, n-grams right and tried, of each row."""
    return np.array(
        [[c["testlen"], c["reflen"][0], *c["correct"], *c["guess"]] for c in cooked], dtype=np.float64
    )


def _bleu(table: NDArray[np.float64], n: int) -> Corpus:
    """BLEU-n of a choice of rows; the small numbers are pycocoevalcap's."""

    def of(chosen: NDArray[np.intp]) -> float:
        if not chosen.size:
            return math.nan
        length, wanted, *grams = table[chosen].sum(0).tolist()
        product = math.prod((grams[k] + 1e-15) / (grams[4 + k] + 1e-9) for k in range(n))
        ratio = (length + 1e-15) / (wanted + 1e-9)
        return float(product ** (1 / n) * (math.exp(1 - 1 / ratio) if ratio < 1 else 1))

    return of


_PUNCTUATION = {
    "''",
    "'",
    "``",
    "`",
    "-lrb-",
    "-rrb-",
    "-lcb-",
    "-rcb-",
    ".",
    "?",
    "!",
    ",",
    ":",
    "-",
    "--",
    "...",
    ";",
}


def tokenize(texts: Sequence[str]) -> list[str]:
    """Lower-case words without punctuation, joined by spaces: by the PTB tokenizer where Java is found, else alike.

    `tokenizer` says which it was: without Java the figures may differ in the third decimal.
    """
    if tokenizer() == "ptb":
        from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

        found = PTBTokenizer().tokenize({k: [{"caption": text}] for k, text in enumerate(texts)})
        return [found[k][0] for k in range(len(texts))]
    return [
        " ".join(
            word for word in re.findall(r"\w+(?:[.,]\d+)*|[^\w\s]", text.lower()) if word not in _PUNCTUATION
        )
        for text in texts
    ]


def tokenizer() -> str:
    """``ptb`` (Stanford's, as in the published score) where Java is installed, else ``simple``."""
    return "ptb" if shutil.which("java") else "simple"
