# Run as the app's own user, in the release.
set -eu
python3 -m venv --system-site-packages venv
[ "$(cat RELEASE)" != bad-build ] || { echo "this build fails on purpose" >&2; exit 3; }
mkdir -p frontend/build/static
sed "s/RELEASE/$(cat RELEASE)/" frontend/index.html > frontend/build/index.html
cp frontend/static/app.js frontend/build/static/app.1a2b3c4d.js
