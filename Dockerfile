# Every package is checked against its hash while wheels are made; the image then holds only what runs.
FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements.lock .
RUN pip wheel --quiet --no-deps --require-hashes --wheel-dir /wheels -r requirements.lock
COPY pyproject.toml README.md ./
COPY gateway gateway
COPY adapters adapters
COPY plugins plugins
COPY mappings mappings
RUN pip install --quiet --no-index --find-links /wheels hatchling \
    && pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv /gateway \
    && /gateway/bin/pip install --quiet --no-index --find-links /wheels 'emr-gateway[all]' \
    && /gateway/bin/pip uninstall --quiet --yes pip

# Once: docker run --rm -v gateway-data:/data emr-gateway init
# Then: docker run --read-only --tmpfs /tmp -v gateway-data:/data -p 2575:2575 -p 8080:8080 emr-gateway
# gateway.toml, data and spooled files lie in /data; mount the keystore's folder from another volume in production.
FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin gateway && install -d -o gateway -g gateway /data
COPY --from=build /gateway /gateway
ENV PATH=/gateway/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
VOLUME /data
# MLLP, and the public HTTP port where [http] opens one; the admin port stays on the loopback.
EXPOSE 2575 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["gateway", "health"]
ENTRYPOINT ["gateway"]
CMD ["serve"]
