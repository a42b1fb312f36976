"""`python -m stock_service` is `stock-service`."""

from __future__ import annotations

from stock_service.cli.main import main

if __name__ == "__main__":
    main()
