#!/bin/sh
# From a model card to Table 3: sh designer.sh CARD [NAME]. The tutorial docs/tutorials/designer.md explains each step.
# QUICK=SPEC leaves out step 2 and takes that spec for the sweep: see it run, not what it gives.
set -eu
card=${1:?give a model card: sh designer.sh CARD [NAME]}
name=${2:-mine}

# 1. A process file for the card: devices, corners, supply, and a first sizing by a sweep of one ring.
neurocircuit process new "$name" --card "$card"
neurocircuit process check "$name"

# 2. The neuron in transistors: trimmed, measured, fitted. Its phase noise is that of the card's devices.
if test -n "${QUICK:-}"; then
  spec=$QUICK
else
  neurocircuit characterize --process "$name" --only kernel,phase_noise --out "$name-datasheet"
  spec=$name-datasheet/spec.toml
fi

# 3. Table 3 of this neuron, every oscillator edge simulated. It asks for input jitter alone: without the devices' noise.
neurocircuit spec --spec "$spec" --without-noise >"$name-circuit.toml"
neurocircuit sweep --spec "$name-circuit.toml" --jitter 1-9% ${TRIALS:+--trials "$TRIALS"} --out "$name-table3"
