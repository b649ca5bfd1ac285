# nginx and the part of the page that all releases share.
FROM mainstay/debian:trixie
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx-light \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /usr/share/doc /usr/share/man \
 && useradd --uid 65532 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin snippetly
COPY nginx.conf /etc/nginx/nginx.conf
COPY site /srv/site
USER 65532:65532
EXPOSE 80
# nginx finishes the requests under way on this signal.
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
