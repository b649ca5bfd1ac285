# The backend's source, the same for every release. The image serves; worker, scheduler and migration are other commands.
FROM mainstay/image/snippetly-python:base
WORKDIR /srv
COPY migrations migrations
COPY app app
RUN python -m compileall -q app
USER 65532:65532
EXPOSE 8000
CMD ["python", "-m", "app"]
