# The loop: docker build -t servemix . && docker run -v ./service:/service servemix run azure-2023 --prometheus http://prometheus:9090
FROM rust:1-slim-bookworm AS build
# Debian keeps only the newest version of a package.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-pip \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim-bookworm
COPY --from=build /wheels /wheels
# The wheel is the one just built.
# hadolint ignore=DL3013
RUN wheel="$(echo /wheels/*.whl)" \
    && pip install --no-cache-dir "${wheel}[cli,run]" \
    && rm -r /wheels \
    && useradd --uid 10001 --create-home servemix \
    && mkdir /service \
    && chown servemix /service
USER 10001
WORKDIR /service
VOLUME /service
EXPOSE 9400
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9400/health', timeout=4)"]
ENTRYPOINT ["servemix"]
CMD ["--help"]
