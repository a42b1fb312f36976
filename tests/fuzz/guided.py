"""One guided search: `python -m tests.fuzz.guided TARGET CORPUS [libFuzzer options]`. Never returns.

Half of the mutations are ours, which know what a line is; the other half are libFuzzer's.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import atheris

from tests.fuzz.parts import PARTS

SOURCE = Path(__file__).resolve().parents[2] / "src"


def main(name: str, corpus: Path, options: list[str]) -> None:
    """Search until libFuzzer has had enough or something is found."""
    others = [module for module in _modules() if module not in PARTS[name]]  # atheris includes by package only
    with atheris.instrument_imports(include=["stock_service"], exclude=others, enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.mutate import Mutator

    target = TARGETS[name][0]()
    mutator = Mutator(target.seeds, target.words)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number:04}").write_bytes(seed)

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        if seed & 1:
            return bytes(atheris.Mutate(data, max_size))
        return mutator.change(bytes(data), random.Random(seed))[:max_size]

    atheris.Setup([sys.argv[0], str(corpus), *options], lambda data: target.check(bytes(data)), custom_mutator=change)
    atheris.Fuzz()


def _modules() -> list[str]:
    files = [file.relative_to(SOURCE).with_suffix("") for file in SOURCE.rglob("*.py")]
    return [".".join(file.parts).removesuffix(".__init__") for file in files]


main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
