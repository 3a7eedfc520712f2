# sanetune with the packages that it is tested with. Build: docker build -t sanetune .
#   docker run --rm --gpus all -v "$PWD:/work" -v sanetune-cache:/home/sanetune/.cache sanetune check sanetune.yaml
FROM python:3.11-slim

# For processors alone: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH_INDEX=https://pypi.org/simple

# git: `sanetune ci --since` and the commit in a run's files.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY sanetune ./sanetune
RUN pip install --index-url "$TORCH_INDEX" --extra-index-url https://pypi.org/simple --constraint constraints.txt torch \
    && pip install --constraint constraints.txt .

# Most images keep Python from writing compiled files, and every command would compile torch anew.
RUN python -m sanetune.bytecode

# Files that a run writes into a mounted folder belong to nobody in particular, never to root.
RUN useradd --create-home --uid 1000 sanetune \
    && mkdir -p /work /home/sanetune/.cache \
    && chown sanetune:sanetune /work /home/sanetune/.cache
USER sanetune
WORKDIR /work
RUN sanetune doctor --json /tmp/doctor.json

ENTRYPOINT ["sanetune"]
CMD ["--help"]
