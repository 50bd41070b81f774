#!/bin/bash
# Train with one recipe on several machines, over plain ssh.
#
#     bash train_ssh.sh "MACHINE ..." PROCESSES RECIPE [OPTION ...]
#
# The first machine gets the run folder. Each machine needs the working directory at the same path,
# with the recipe and the data, and `featheredge[lab]` in the Python that PYTHON names.
set -euo pipefail
read -ra machines <<< "$1"
processes=$2
shift 2

started=()
trap 'kill "${started[@]}" 2> /dev/null || true' EXIT
for rank in "${!machines[@]}"; do
    command=("${PYTHON:-python}" -m torch.distributed.run
        --nnodes "${#machines[@]}" --node-rank "$rank" --nproc-per-node "$processes"
        --master-addr "${machines[0]}" --master-port "${MASTER_PORT:-29500}"
        -m featheredge train "$@")
    # -tt: the remote processes end with this script.
    ssh -tt "${machines[$rank]}" "cd $(printf %q "$PWD") && $(printf '%q ' "${command[@]}")" &
    started+=($!)
done

# The first machine that ends decides: the others cannot run on without it.
for _ in "${machines[@]}"; do
    wait -n
done
