#!/bin/sh
# A model on Intel's real Level Zero driver in its capture mode, which needs no GPU: modules are compiled, memory and queues
# are real, kernels are written to a file instead of run.  So the logits mean nothing, but every driver call must succeed.
# These are undocumented debug keys: where they do nothing, or the driver is missing, the test is skipped.
#   intel_driver.sh NCE
set -eu
nce=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" # the capture file lands here
export NEOReadDebugKeys=1 SetCommandStreamReceiver=1 ProductFamilyOverride=tgllp HardwareInfoOverride=default
if ! "$nce" devices --paths opencl=/nowhere | grep '^oneapi:0' | grep -v 'not here'; then
    echo "SKIP: no Intel Level Zero driver with a capture mode"
    exit 77
fi
"$nce" synth m.gguf --shape tiny --type q4_0 --layers 1 --vocab 512 --quiet >/dev/null
echo "1 5 9" >tokens
status=0
"$nce" logits m.gguf --tokens tokens --out /dev/null --device oneapi:0 --quiet >out 2>&1 || status=$?
cat out
if grep -q 'has no kernels for oneapi' out; then
    echo "SKIP: built without SPIR-V"
    exit 77
fi
exit $status
