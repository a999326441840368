# One image for every role; docker-compose.yml names the command of each.
FROM python:3.11-slim AS build
WORKDIR /app
COPY requirements.lock ./
RUN python -m venv /venv \
 && grep -A 100 '^uv==' requirements.lock | awk 'NR == 1 || /^ +--hash/ {print; next} {exit}' | sed '$ s/ *\\$//' > /tmp/uv.txt \
 && /venv/bin/pip install --quiet --require-hashes -r /tmp/uv.txt \
 && /venv/bin/uv pip sync --quiet --require-hashes --python /venv/bin/python requirements.lock

FROM python:3.11-slim
# bubblewrap confines the processes that run models.
RUN apt-get update \
 && apt-get install -y --no-install-recommends bubblewrap \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home modelkeep \
 && install -d -o modelkeep -m 0700 /data /run/modelkeep
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py pyproject.toml ./
COPY config config
COPY registry registry
COPY serving serving
COPY monitoring monitoring
COPY templates templates
COPY static static
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    MODELKEEP_BOOTSTRAP=off \
    MODELKEEP_DATA_DIR=/data \
    MODELKEEP_MLFLOW_SOCKET=/run/modelkeep/mlflow.sock \
    MODELKEEP_SERVING_ROOT=/data/serving \
    MODELKEEP_SERVING_SOCKETS=/run/modelkeep/replicas
USER modelkeep
VOLUME ["/data", "/run/modelkeep"]
EXPOSE 8000
CMD ["python", "-m", "granian", "--interface", "asgi", "--host", "0.0.0.0", "--port", "8000", "--loop", "auto", "--backlog", "2048", "--backpressure", "1024", "--workers-kill-timeout", "5", "--respawn-failed-workers", "config.asgi:application"]
