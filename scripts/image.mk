# The card: built, booted and tested. Included by the Makefile.
#   BOARD          qemu (default), rpi3_64, rpi4_64, zero2w_64; with BASE=buildroot also rpi5_64
#   BASE           debian (default): from Debian's arm64 packages, in minutes; buildroot: everything from source
#   BUILDROOT_DIR  where Buildroot lies, for BASE=buildroot
#   UPDATE_KEY     NAME of the keys NAME.key and NAME.pub of `gatehouse image key`: whose updates the image takes
#   PORT           where MQTT of the booted image is reached on 127.0.0.1 (11883)
BOARD ?= qemu
BASE  ?= debian

.PHONY: bundle image image-setup image-check image-test boot boot-time

image: image-setup ## the card of BOARD, output/BOARD/gatehouse-BOARD.img
	@UPDATE_KEY=$(UPDATE_KEY) scripts/image/build-$(BASE).sh $(BOARD)

bundle: ## the signed update of BOARD, output/BOARD/gatehouse-BOARD.update; UPDATE_KEY=NAME, see docs/updates.md
	@CARGO=$(CARGO) scripts/image/bundle.sh $(BOARD)

boot: ## boot the card of BOARD (qemu or rpi3_64) in QEMU, with this terminal as its console
	@PORT=$(PORT) scripts/image/boot.sh $(BOARD)

boot-time: ## seconds from the start of the kernel to the first CONNACK, in QEMU
	@scripts/image/boot-time.sh

image-test: image-setup ## boot the card and ask of it what a house asks, in QEMU
	@GATEHOUSE_IMAGE_LONG=1 $(CARGO) test --locked --test image -- --nocapture

image-check: image-setup ## whether the parts of the image agree with each other; with BUILDROOT_DIR, Buildroot too
	@$(CARGO) test --locked --test image tree -- --nocapture

image-setup:
	@scripts/setup.sh image
