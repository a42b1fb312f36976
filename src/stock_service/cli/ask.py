"""How the client commands ask a running service: one request over its public HTTP, and what a failure means.

The key travels in the `Authorization` header and is never printed. Redirects are not followed with it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import IO, Any, Final, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

import click

from stock_service import __version__
from stock_service.cli.exit_codes import ExitCode
from stock_service.config.contradictions import is_loopback
from stock_service.config.load import CLIENT_KEY_VARIABLE, CLIENT_URL_VARIABLE

DEFAULT_URL: Final = "http://127.0.0.1:8080"


def _checked_key(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return the key without the line end that files and Secrets add; refuse, without a word of it, what is none."""
    key = value.strip() if value else value
    if key and not (key.isascii() and key.isprintable()):
        raise click.BadParameter("holds a character that no key has; was it cut or joined?")
    return key


url_option = click.option(
    "--url", envvar=CLIENT_URL_VARIABLE, default=DEFAULT_URL, show_default=True, show_envvar=True, help="The service."
)
key_option = click.option(
    "--key",
    envvar=CLIENT_KEY_VARIABLE,
    show_envvar=True,
    callback=_checked_key,
    help="Your client key, when the service asks for one.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="The answer as JSON, for machines.")


class _NoRedirect(HTTPRedirectHandler):
    """Treats a redirect as the answer it is: following it could hand the key to somebody else."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""
        return


def fetch(
    url: str,
    path: str,
    parameters: Mapping[str, str],
    key: str | None,
    patience: float,
    order: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the body of one answer; ends the command when there is none.

    Args:
        url: origin of the service, `http://host:port`.
        path: absolute path, not yet quoted.
        parameters: the query; empty values are left out.
        key: the client key, or None.
        patience: seconds to wait for each part of the answer.
        order: what to do, for a POST; None: a GET.
    """
    query = urlencode({name: value for name, value in parameters.items() if value}, errors="surrogateescape")
    origin = _origin(url, "--url")
    headers = {"User-Agent": f"stock-service-cli/{__version__}", "Accept": "*/*"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    body = None if order is None else json.dumps(order).encode()
    quoted = quote(path, errors="surrogateescape")  # bytes that are no text are the service's to refuse
    address = f"{origin}{quoted}{'?' + query if query else ''}"
    request = Request(address, data=body, headers=headers)  # noqa: S310 - checked
    try:
        with _opener(origin).open(request, timeout=patience) as answer:
            told: bytes = answer.read()
            return told
    except HTTPError as error:
        with error:
            hint = f" (here: --key, or {CLIENT_KEY_VARIABLE})" if error.code == HTTPStatus.UNAUTHORIZED else ""
            _end(ExitCode.FAILED, f"{origin} answered {error.code}: {_told(error)}{hint}")
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        _end(
            ExitCode.UNREACHABLE,
            f"no service answers at {origin} ({reason}). Start one with `stock-service demo`, or name it with --url.",
        )


def fetch_json(
    url: str,
    path: str,
    parameters: Mapping[str, str],
    key: str | None,
    patience: float = 30.0,
    order: Mapping[str, Any] | None = None,
    *,
    needs: Collection[str],
) -> dict[str, Any]:
    """Return the JSON object of one answer, which has the members `needs`; ends the command when there is none."""
    body = fetch(url, path, parameters, key, patience, order)
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict) or not content.keys() >= set(needs):
        _end(ExitCode.FAILED, f"{url} did not answer as expected; is it a Stock Service?")
    return content


def written(value: object, form: Callable[[Any], str] = str) -> str:
    """Write a cell of a table; a dash for what the answer leaves open."""
    return "-" if value is None else form(value)


def checked_origin(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return the origin given as an argument or option; refuses, by the parameter's name, what is none."""
    return value and _origin(value)


def _origin(url: str, hint: str | None = None) -> str:
    origin = url.rstrip("/")
    try:
        parts = urlsplit(origin)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise click.BadParameter(f"{url!r} does not look like {DEFAULT_URL}", param_hint=hint)
    return origin


def _opener(origin: str) -> OpenerDirector:
    """Make an opener; a proxy of the environment is not asked for this very machine."""
    if is_loopback(urlsplit(origin).hostname or ""):
        return build_opener(_NoRedirect, ProxyHandler({}))
    return build_opener(_NoRedirect)


def _told(answer: IO[bytes]) -> str:
    """Return what an error body says: a problem's detail, a vendor-shaped message, or its first characters."""
    body = answer.read(4096)
    try:
        content = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")[:200].strip() or "no explanation"
    if isinstance(content, dict):
        for name in ("detail", "error", "message", "status"):
            if isinstance(content.get(name), str):
                return str(content[name])
    return "no explanation"


def _end(code: ExitCode, message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)
