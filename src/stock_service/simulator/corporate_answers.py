"""Answers about what companies do: splits, dividends, option contracts, filings of figures."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

from stock_service.simulator.ask import Ask, not_found
from stock_service.simulator.dice import roll, share
from stock_service.simulator.instruments import contract_of
from stock_service.simulator.listing import Listing, Row, page_rows
from stock_service.simulator.options import chain_of, contract_row
from stock_service.simulator.reference_answers import name_of
from stock_service.simulator.sessions import Market, midnight_ms, ordinal_at
from stock_service.simulator.splits import Split, factor_after, splits_of
from stock_service.simulator.world import World, iso_day, known

_ANNOUNCED_DAYS = 30
"""How long before it happens a split or dividend is listed."""

_FIRST_DIVIDEND = 2010
_PAYERS = frozenset({"AAPL", "IBM", "KO", "MSFT", "SPY"})
_STATEMENTS = {
    "balance_sheet": ("assets", "current_assets", "liabilities", "current_liabilities", "equity"),
    "cash_flow_statement": ("net_cash_flow", "net_cash_flow_from_operating_activities"),
    "comprehensive_income": ("comprehensive_income_loss",),
    "income_statement": ("revenues", "cost_of_revenue", "gross_profit", "net_income_loss", "basic_earnings_per_share"),
}


def splits_old(world: World, ask: Ask) -> object:
    """`/v3/reference/splits`"""
    rows = [_split(split) for split in _splits(world, ask)]
    return page_rows(ask, rows, Listing(limit=10, sort="execution_date", order="desc"))


def splits(world: World, ask: Ask) -> object:
    """`/stocks/v1/splits`, with the factor that adjusts a price before the split."""
    today = ordinal_at(Market.STOCKS, ask.now_ms)
    rows = []
    for split in _splits(world, ask):
        before = split.execution_date.toordinal() - 1
        factor = factor_after(splits_of(world.prices.seed, split.ticker), before, today)
        kind = "forward_split" if split.ratio > 1 else "reverse_split"
        rows.append({**_split(split), "adjustment_type": kind, "historical_adjustment_factor": float(1 / factor)})
    return page_rows(ask, rows, Listing(limit=100, most=5_000, sort="execution_date", order="desc"))


def dividends_old(world: World, ask: Ask) -> object:
    """`/v3/reference/dividends`"""
    rows = [{**row, "dividend_type": "CD"} for row in _dividends(world, ask)]
    return page_rows(ask, rows, Listing(limit=10, sort="ex_dividend_date", order="desc"))


def dividends(world: World, ask: Ask) -> object:
    """`/stocks/v1/dividends`, with the amount in today's shares."""
    today = ordinal_at(Market.STOCKS, ask.now_ms)
    rows = []
    for row in _dividends(world, ask):
        day = date.fromisoformat(str(row["ex_dividend_date"])).toordinal()
        factor = factor_after(splits_of(world.prices.seed, str(row["ticker"])), day, today)
        adjusted = round(float(Fraction(str(row["cash_amount"])) / factor), 6)
        rows.append({**row, "distribution_type": "recurring", "split_adjusted_cash_amount": adjusted})
    return page_rows(ask, rows, Listing(limit=100, most=5_000, sort="ex_dividend_date", order="desc"))


def contracts(world: World, ask: Ask) -> object:
    """`/v3/reference/options/contracts`"""
    asked = ask.resumed()
    day = iso_day(asked.params["as_of"], "as_of") if asked.params.get("as_of") else None
    at_ms = ask.now_ms if day is None else midnight_ms(Market.OPTIONS, day)
    expired = asked.flag("expired", default=False)
    underlyings = [asked.params["underlying_ticker"]] if asked.params.get("underlying_ticker") else ["AAPL", "SPY"]
    rows = [row for underlying in underlyings for row in chain_of(world, underlying, at_ms, expired=expired)]
    pinned = {"as_of": date.fromordinal(ordinal_at(Market.OPTIONS, at_ms)).isoformat()}
    return page_rows(ask, rows, Listing(limit=10, sort="ticker", pinned=pinned))


def contract(world: World, ask: Ask, ticker: str) -> object:  # noqa: ARG001 - every answer has the same arguments
    """`/v3/reference/options/contracts/{options_ticker}`"""
    terms = contract_of(known(ticker).ticker) if ticker.startswith("O:") else None
    if terms is None:
        raise not_found("Options contract not found.")
    return {"status": "OK", "request_id": ask.request_id, "results": contract_row(terms)}


def financials(world: World, ask: Ask) -> object:
    """`/vX/reference/financials`: eight quarters of a ticker, or of the listed ones."""
    asked = ask.resumed().params
    wanted = [asked["ticker"]] if asked.get("ticker") else [stock.ticker for stock in world.listed(Market.STOCKS)[:5]]
    today = date.fromordinal(ordinal_at(Market.STOCKS, ask.now_ms))
    rows = [_quarter(ticker, today, back) for ticker in wanted for back in range(1, 9)]
    return page_rows(ask, rows, Listing(limit=10, most=100, sort="filing_date", order="desc"))


def _splits(world: World, ask: Ask) -> list[Split]:
    """The splits of the asked ticker, or of every listed one, that are announced."""
    newest = ordinal_at(Market.STOCKS, ask.now_ms) + _ANNOUNCED_DAYS
    found = (split for ticker in _stocks(world, ask) for split in splits_of(world.prices.seed, ticker))
    return [split for split in found if split.execution_date.toordinal() <= newest]


def _stocks(world: World, ask: Ask) -> list[str]:
    wanted = ask.resumed().words("ticker") or ask.resumed().words("ticker.any_of")
    return list(wanted) if wanted else [instrument.ticker for instrument in world.listed(Market.STOCKS)]


def _split(split: Split) -> Row:
    return {
        "id": f"E{roll('split', split.ticker, split.execution_date):016x}",
        "execution_date": split.execution_date.isoformat(),
        "split_from": split.split_from,
        "split_to": split.split_to,
        "ticker": split.ticker,
    }


def _dividends(world: World, ask: Ask) -> list[Row]:
    newest = date.fromordinal(ordinal_at(Market.STOCKS, ask.now_ms) + _ANNOUNCED_DAYS)
    rows: list[Row] = []
    for ticker in _stocks(world, ask):
        if ticker not in _PAYERS and share("pays", ticker) < 0.3:
            continue
        for year in range(_FIRST_DIVIDEND, newest.year + 1):
            for month in (2, 5, 8, 11):
                first = date(year, month, 1)
                ex_date = first + timedelta(days=(4 - first.weekday()) % 7 + 7)
                if ex_date <= newest:
                    rows.append(_dividend(ticker, ex_date))
    return rows


def _dividend(ticker: str, ex_date: date) -> Row:
    return {
        "id": f"E{roll('dividend', ticker, ex_date):016x}",
        "cash_amount": round(0.05 + share("dividend", ticker, ex_date.year), 2),
        "currency": "USD",
        "declaration_date": (ex_date - timedelta(days=10)).isoformat(),
        "ex_dividend_date": ex_date.isoformat(),
        "frequency": 4,
        "pay_date": (ex_date + timedelta(days=6)).isoformat(),
        "record_date": (ex_date + timedelta(days=3)).isoformat(),
        "ticker": ticker,
    }


def _quarter(ticker: str, today: date, back: int) -> Row:
    year, quarter = divmod(today.year * 4 + (today.month - 1) // 3 - back, 4)
    start = date(year, 3 * quarter + 1, 1)
    end = date(year + quarter // 3, (3 * quarter + 3) % 12 + 1, 1) - timedelta(days=1)
    figures = {
        statement: {
            line: {
                "label": line.replace("_", " ").title(),
                "order": 100 * (place + 1),
                "unit": "USD",
                "value": roll(ticker, line, year, quarter) % 10**10,
            }
            for place, line in enumerate(lines)
        }
        for statement, lines in _STATEMENTS.items()
    }
    return {
        "cik": f"{roll('cik', ticker) % 10**7:010d}",
        "company_name": name_of(ticker),
        "start_date": start.isoformat(),
        "end_date": end.isoformat(),
        "filing_date": (end + timedelta(days=30)).isoformat(),
        "financials": figures,
        "fiscal_period": f"Q{quarter + 1}",
        "fiscal_year": str(year),
        "source_filing_file_url": "https://filings.example/file",
        "source_filing_url": "https://filings.example/",
        "tickers": [ticker],
    }
