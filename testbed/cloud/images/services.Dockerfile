# Everything around the servers: ACME authority with its DNS, registry, blob store's runtime, sink.
FROM mainstay/debian:trixie
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates docker-registry nodejs pebble python3 python3-aiosmtpd \
 && rm -rf /var/lib/apt/lists/*
COPY sink.py /usr/local/bin/sink
