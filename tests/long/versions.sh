#!/usr/bin/env bash
# The quick tests in an environment of their own, with the oldest or the newest versions that pyproject.toml admits.
#   tests/long/versions.sh oldest|newest PYTHON
set -euo pipefail
cd "$(dirname "$0")/../.."
which=$1 python=$2
environment=.venv-$which
rm -rf "$environment"
"$python" -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check uv
resolution=highest
[ "$which" = newest ] || resolution=lowest-direct
"$environment/bin/uv" pip install --quiet --python "$environment/bin/python" --resolution "$resolution" \
  --editable '.[dagster,sandbox,report,excel,shell,celery,k8s,dev]'
echo "$which, $("$environment/bin/python" --version):"
"$environment/bin/uv" pip list --python "$environment/bin/python" | grep -E '^(boto3|botocore|pyarrow|duckdb|dagster) '
"$environment/bin/python" -m pytest -n "${WORKERS:-2}" -m 'not slow' --hypothesis-profile quick
