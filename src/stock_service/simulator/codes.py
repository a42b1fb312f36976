"""The vendor's code tables: exchanges, conditions, ticker types. A short, well-formed selection of public codes."""

from __future__ import annotations

from collections.abc import Mapping

Row = Mapping[str, object]


def _exchange(number: int, name: str, mic: str, participant: str, asset_class: str = "stocks") -> Row:
    row: dict[str, object] = {"id": number, "type": "exchange", "asset_class": asset_class, "name": name, "mic": mic}
    row |= {"locale": "global" if asset_class in ("crypto", "fx") else "us", "operating_mic": mic}
    return row | {"participant_id": participant, "url": f"https://www.{mic.lower()}.example"}


EXCHANGES: tuple[Row, ...] = (
    _exchange(1, "NYSE American, LLC", "XASE", "A"),
    _exchange(4, "FINRA Alternative Display Facility", "XADF", "D"),
    _exchange(10, "New York Stock Exchange", "XNYS", "N"),
    _exchange(11, "NYSE Arca, Inc.", "ARCX", "P"),
    _exchange(12, "Nasdaq", "XNAS", "T"),
    _exchange(19, "Cboe BZX", "BATS", "Z"),
    _exchange(302, "Cboe Options Exchange", "XCBO", "C", "options"),
    _exchange(316, "Nasdaq Options Market", "XNDQ", "Q", "options"),
    _exchange(2, "Bitfinex", "BTFX", "2", "crypto"),
    _exchange(23, "Kraken", "KRKN", "23", "crypto"),
    _exchange(48, "Currency Banks 1", "XFXB", "48", "fx"),
)


def _condition(number: int, name: str, sip: str, kind: str = "sale_condition", *, counts: bool = True) -> Row:
    rules = {"updates_high_low": counts, "updates_open_close": counts, "updates_volume": True}
    return {
        "id": number,
        "type": kind,
        "name": name,
        "asset_class": "stocks",
        "sip_mapping": {"CTA": sip, "UTP": sip},
        "update_rules": {"consolidated": rules, "market_center": rules},
        "data_types": ["trade"] if kind == "sale_condition" else ["bbo", "nbbo"],
        "legacy": False,
    }


CONDITIONS: tuple[Row, ...] = (
    _condition(0, "Regular Sale", "@"),
    _condition(2, "Average Price Trade", "W", counts=False),
    _condition(5, "Bunched Sold Trade", "G", counts=False),
    _condition(8, "Closing Prints", "6"),
    _condition(9, "Cross Trade", "X"),
    _condition(10, "Derivatively Priced", "4", counts=False),
    _condition(12, "Form T", "T", counts=False),
    _condition(14, "Intermarket Sweep", "F"),
    _condition(16, "Market Center Official Open", "Q", counts=False),
    _condition(17, "Market Center Official Close", "M", counts=False),
    _condition(25, "Opening Prints", "O"),
    _condition(37, "Odd Lot Trade", "I", counts=False),
    _condition(41, "Trade Thru Exempt", "X"),
    _condition(1, "Regular, Two-Sided Open", "R", "quote_condition"),
)

TICKER_TYPES: tuple[Row, ...] = tuple(
    {"code": code, "description": description, "asset_class": "stocks", "locale": "us"}
    for code, description in (
        ("CS", "Common Stock"),
        ("PFD", "Preferred Stock"),
        ("WARRANT", "Warrant"),
        ("RIGHT", "Rights"),
        ("UNIT", "Unit"),
        ("ETF", "Exchange Traded Fund"),
        ("ADRC", "American Depository Receipt Common"),
        ("FUND", "Fund"),
    )
)
