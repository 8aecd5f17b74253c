#!/usr/bin/env bash
# Runs the three parties by hand, as people with three hosts would, on one machine: makes keys,
# writes one config for each party with only its own part, starts the parties in any order, and
# compares the data owner's predictions with the labels.
#
#     scripts/three-parties.sh [IMAGES]
set -euo pipefail

images=${1:-20}
root=$(cd "$(dirname "$0")/.." && pwd)
data=$root/tests/data/digits
work=$(mktemp -d)
# Also ends parties that are still running, should this script be interrupted.
trap 'jobs -p | xargs -r kill 2>/dev/null || true; rm -rf "$work"' EXIT

cargo build --release --quiet --manifest-path "$root/Cargo.toml"
tercet=${CARGO_TARGET_DIR:-$root/target}/release/tercet

"$tercet" keygen "$work/keys"

shared() {
    cat <<EOF
[network]
net = "digits-cnn"
input = [1, 8, 8]
classes = 10

[protocol]
connect_timeout_seconds = 20

[addresses]
model-owner = "127.0.0.1:7100"
data-owner = "127.0.0.1:7101"
crypto-producer = "127.0.0.1:7102"

[certificates]
model-owner = "keys/model-owner.pem"
data-owner = "keys/data-owner.pem"
crypto-producer = "keys/crypto-producer.pem"
EOF
}

{
    shared
    cat <<EOF
[model-owner]
key = "keys/model-owner.key"
weights = "$data/digits-cnn.safetensors"
EOF
} >"$work/model-owner.toml"

{
    shared
    cat <<EOF
[data-owner]
key = "keys/data-owner.key"
images = "$data/test-images.idx3-ubyte"
count = $images
scale = 0.0625
predictions = "predictions.csv"
EOF
} >"$work/data-owner.toml"

{
    shared
    cat <<EOF
[crypto-producer]
key = "keys/crypto-producer.key"
EOF
} >"$work/crypto-producer.toml"

parties=()
for role in data-owner crypto-producer model-owner; do
    "$tercet" party "$role" --config "$work/$role.toml" --report "$work/$role.json" &
    parties+=($!)
done
for party in "${parties[@]}"; do
    wait "$party"
done

# Labels follow 8 bytes of header, one byte each.
tail -c +9 "$data/test-labels.idx1-ubyte" | head -c "$images" | od -An -v -tu1 -w1 | tr -d ' ' >"$work/labels"
tail -n +2 "$work/predictions.csv" | cut -d, -f2 >"$work/classes"
echo "image,predicted,label"
paste -d, <(seq 0 $((images - 1))) "$work/classes" "$work/labels"
right=$(paste "$work/classes" "$work/labels" | awk '$1 == $2' | wc -l)
echo "$right of $images are right"
