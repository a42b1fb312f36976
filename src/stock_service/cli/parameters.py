"""Kinds of settings as types of command-line options, so that `--per 60s` reads like `STOCKS_QUOTA__PER=60s`."""

from __future__ import annotations

from typing import Any

import click

from stock_service.config.kinds import Kind, duration


class KindParameter(click.ParamType[Any]):
    """Reads an option the way a setting of that kind is read."""

    def __init__(self, name: str, kind: Kind) -> None:
        self.name = name
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value; a default that is no text any more stays as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self._kind.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def duration_parameter(least: str, most: str) -> KindParameter:
    """An option that is a length of time; its value is seconds."""
    return KindParameter("duration", duration(least, most))
