# syntax=docker/dockerfile:1
# Two stages: the first installs locked packages and compiles them to byte code, the second holds nothing that can build.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /tools \
 && /tools/bin/pip install --require-hashes --no-deps --requirement requirements/build.txt \
 && python -m venv --without-pip /app \
 && /tools/bin/pip --python /app/bin/python install --require-hashes --no-deps --only-binary :all: \
      --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /tools/bin/pip wheel --no-build-isolation --no-deps --wheel-dir wheels . \
 && /tools/bin/pip --python /app/bin/python install --no-index --no-deps wheels/*.whl

FROM python:3.11-slim
LABEL org.opencontainers.image.title="stock-service" \
      org.opencontainers.image.description="A self-hosted, market-aware gateway in front of a market-data vendor" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore setuptools wheel pip \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin stocks
COPY --from=build /app /app
# The root file system may be read-only: nothing is written, the byte code is there.
ENV PATH=/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONFAULTHANDLER=1 \
    STOCKS_SERVER__HOST=0.0.0.0
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
    CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('STOCKS_SERVER__PORT') or 8080), timeout=2); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
# Exec form: the process is number 1 and gets SIGTERM itself.
ENTRYPOINT ["stock-service"]
CMD ["serve"]
