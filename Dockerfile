# One image for receiver and worker; which one it is, the command says. Config and secrets come from outside.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/bridge
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY bridge bridge
COPY workers workers
ARG EXTRAS=
RUN /opt/bridge/bin/pip install -c constraints.txt ".${EXTRAS}" && /opt/bridge/bin/pip uninstall --yes pip

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home bridge && install -d -m 0700 -o bridge -g bridge /data
COPY --from=build /opt/bridge /opt/bridge
WORKDIR /app
ENV PATH=/opt/bridge/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 PORT=8080 ALERT_BRIDGE_CONFIG=/app/config/bridge.yaml ALERT_BRIDGE_DATA=/data
USER 10001
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=2)"]
CMD ["alert-bridge", "serve"]
