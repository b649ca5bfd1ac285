# A stand-in for Docker's own package repository, for Debian 12: same layout, names and signing; packages of Debian 13.
ARG RELEASE
FROM mainstay/debian:${RELEASE} AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends apt-utils dpkg-dev gnupg
COPY docker-repository /usr/local/bin/
RUN docker-repository /srv/linux/debian bookworm

FROM mainstay/debian:${RELEASE}
COPY --from=build /srv /srv
