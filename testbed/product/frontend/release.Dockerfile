# A release is the shared part and a front page that names it.
FROM mainstay/image/snippetly-frontend:base
COPY index.html /srv/site/index.html
