#!/bin/sh
# group_memory.sh CHECKGPU: work groups share no memory.  PoCL 3.1 leaves an array of the work group a static variable, one for all
# its threads, if a function that is not inlined uses it (docs/gpu-kernels.md); then groups that run at the same time spoil each
# other's numbers, now and then.  So no kernel that it has compiled may have a variable.  Exit 77 without PoCL or nm.
set -eu
command -v nm >/dev/null || { echo "SKIP: no nm"; exit 77; }
"$1" experts opencl:0 || exit $?
# The programs used last come first: the folder keeps those of earlier texts too.
used=$(ls -t "$POCL_CACHE_DIR"/*/*/last_accessed 2>/dev/null | while read -r mark; do
    [ ! -d "${mark%/*}/nce_gpu_route" ] || echo "${mark%/*}"
done | head -n 1)
[ -n "$used" ] || { echo "SKIP: opencl:0 is not PoCL"; exit 77; }
found=0 n=0
for kernel in "$used"/*/*/*.so; do
    n=$((n + 1))
    variables=$(nm "$kernel" | sed -n 's/.* [bBdD] \(.*\..*\)/\1/p')
    [ -z "$variables" ] || { echo "FAIL: ${kernel##*/}: $variables"; found=1; }
done
echo "$n kernels compiled"
[ $n -gt 0 ] && exit $found
