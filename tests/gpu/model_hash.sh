#!/bin/sh
# model_hash.sh NCE DEVICE FOLDER: whole models of random weights on a device: the CPU's logits hash, with the prompt in one step,
# in small steps and token by token.  Exit 77 if there is no such device.
set -eu
nce=$1 device=$2 folder=$3
mkdir -p "$folder"
if ! "$nce" devices | grep "^$device " | grep -qv ' not here: '; then
    echo "SKIP: no device $device"
    "$nce" devices | grep "^${device%%:*}" || true
    exit 77
fi
i=0
while [ $i -lt 70 ]; do
    echo $((i * 37 % 500))
    i=$((i + 1))
done >"$folder/tokens"
hash_of() { "$nce" logits "$1" --tokens "$folder/tokens" --quiet --device "$2" --batch "$3" --kv "$4"; }
failed=0
# shape:type:kv
for row in tiny:q4_k_m:f16 tiny:iq2_m:q8_0 tiny-moe:q4_0:q4_0; do
    shape=${row%%:*} rest=${row#*:}
    type=${rest%%:*} kv=${rest#*:}
    "$nce" synth "$folder/model.gguf" --shape "$shape" --type "$type" --layers 2 --quiet
    want=$(hash_of "$folder/model.gguf" cpu 64 "$kv")
    for batch in 70 16 1; do
        got=$(hash_of "$folder/model.gguf" "$device" $batch "$kv" 2>&1) || true
        if [ "$got" = "$want" ]; then
            echo "ok $row batch $batch: $got"
        else
            echo "FAIL $row batch $batch: $got, the CPU has $want"
            failed=1
        fi
    done
done
exit $failed
