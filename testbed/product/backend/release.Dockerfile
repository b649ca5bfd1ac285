# A release is the source and the file that says how it behaves.
FROM mainstay/image/snippetly-backend:base
COPY release.json release.json
