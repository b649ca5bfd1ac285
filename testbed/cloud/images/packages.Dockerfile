# A stand-in for Docker's own package repository, for Debian 12: same layout, names and signing; packages of Debian 13.
ARG BASE
FROM ${BASE} AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends apt-utils dpkg-dev gnupg
COPY docker-repository /usr/local/bin/
RUN docker-repository /srv/linux/debian bookworm

FROM ${BASE}
COPY --from=build /srv /srv
