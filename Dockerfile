# The image of web processes and workers. Pin it further by digest: --build-arg PYTHON=python:3.13.5-slim-bookworm@sha256:...
# docs/how-to/containers.md says what the workers' sandbox needs.
ARG PYTHON=python:3.13.5-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /build
COPY constraints.txt requirements-build.lock ./
RUN python -m venv /opt/plangate \
    && python -m venv /opt/build \
    && /opt/plangate/bin/pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r constraints.txt \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r requirements-build.lock
COPY pyproject.toml README.md LICENSE compose.yml ./
COPY deploy/systemd ./deploy/systemd
COPY templates ./templates
COPY bot ./bot
RUN /opt/build/bin/hatchling build -t wheel -d /build/dist \
    && /opt/plangate/bin/pip install --no-cache-dir --no-deps --no-index /build/dist/plangate-*.whl

FROM ${PYTHON}
# hadolint ignore=DL3008 -- Debian keeps only the newest security fix of each package
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap ca-certificates git \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 plangate \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin plangate \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/plangate \
    && install -d -m 0755 /etc/plangate
COPY --from=build /opt/plangate /opt/plangate
ENV PATH=/opt/plangate/bin:/usr/local/bin:/usr/bin:/bin \
    PLANGATE_CONFIG=/etc/plangate/plangate.yml \
    PLANGATE_DATA=/var/lib/plangate \
    PLANGATE_LOG_FORMAT=json \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/plangate
USER 10001:10001
VOLUME /var/lib/plangate
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["plangate", "web", "--bind", "0.0.0.0:8000"]
