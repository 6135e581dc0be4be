# The algorithm's image: `docker build -t petlesion .`, or ./build.sh. Both builders will do, BuildKit and the old one.
#
#   BASE_IMAGE  an image with Python 3.11 and torch; CUDA 12.6 runs with the drivers of a T4
#   ON_ERROR    fail: an error gives no mask and a non-zero exit status; mask: the best mask there is
#   API_METHOD  how the platform runs the image: exec, once for each case, or invoke, as a server; the label says so to
#               the platform, a variable to process.py, and `docker run IMAGE --api-method exec` overrules it
ARG BASE_IMAGE=pytorch/pytorch:2.8.0-cuda12.6-cudnn9-runtime
FROM ${BASE_IMAGE}

# The root of the file system may be read-only: whatever a library caches goes to /tmp.
ENV PYTHONUNBUFFERED=1 \
    PYTHONUTF8=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib

# The folders are made before USER, since the builders disagree about whose they would be afterwards.
RUN groupadd --system petlesion \
 && useradd --system --gid petlesion --no-create-home --home-dir /tmp --shell /usr/sbin/nologin petlesion \
 && mkdir -p /opt/app /input /output \
 && chown petlesion:petlesion /input /output

WORKDIR /opt/app
COPY requirements.txt LICENSE NOTICE ./

# The base's torch stays: the constraint stops pip from looking for another, and the comparison proves it. Some bases
# forbid pip the system's Python (PEP 668); this system is ours alone.
RUN state='import torch; print(torch.__version__, torch.__file__)' \
 && before=$(python -c "$state") \
 && python -c 'import torch; print("torch==" + torch.__version__)' > /tmp/torch.txt \
 && PIP_BREAK_SYSTEM_PACKAGES=1 python -m pip install --no-cache-dir --no-deps -c /tmp/torch.txt -r requirements.txt \
 && rm /tmp/torch.txt \
 && after=$(python -c "$state") \
 && echo "torch of the base: $before; after the installation: $after" \
 && test "$before" = "$after"

COPY process.py ./
COPY resources ./resources
COPY petlesion ./petlesion
RUN chmod -R a+rX,go-w /opt/app && python -m compileall -q petlesion
COPY model_weights ./model_weights

ARG ON_ERROR=fail
ARG API_METHOD=exec
ENV PETLESION_ON_ERROR=${ON_ERROR} \
    PETLESION_API_METHOD=${API_METHOD}
LABEL org.opencontainers.image.title="petlesion" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.grand-challenge.api-method="${API_METHOD}"

USER petlesion
# As the user: everything that a case needs can be imported and read, and none of it written.
RUN test ! -w process.py \
 && test ! -w petlesion \
 && python process.py --help > /dev/null \
 && hidden=$(find model_weights ! -readable) \
 && { test -z "$hidden" || { echo "everybody must be able to read these (chmod -R a+rX): $hidden" >&2; exit 1; }; }

ENTRYPOINT ["python", "/opt/app/process.py"]
