# Debian's Python with what the backend needs; changes when requirements.txt does.
FROM mainstay/debian:trixie
RUN ln -s python3 /usr/bin/python \
 && printf '#!/bin/sh\nexec python -m celery "$@"\n' > /usr/local/bin/celery \
 && chmod 0755 /usr/local/bin/celery \
 && useradd --uid 65532 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin snippetly
COPY site-packages /opt/site-packages
RUN python -m compileall -q -j 0 /opt/site-packages
ENV PYTHONPATH=/opt/site-packages PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
