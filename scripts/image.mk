# The card: built, booted and tested. Included by the Makefile.
#   BOARD          qemu (default), rpi3_64, rpi4_64, zero2w_64; with BASE=buildroot also rpi5_64
#   BASE           debian (default): from Debian's arm64 packages, in minutes; buildroot: everything from source
#   BUILDROOT_DIR  where Buildroot lies, for BASE=buildroot
#   UPDATE_KEY     NAME of the keys NAME.key and NAME.pub of `gatehouse image key`: whose updates the image takes
#   BOARDS, URL    of `make release`: which boards, and where its files will be downloaded from
#   PORT           where MQTT of the booted image is reached on 127.0.0.1 (11883)
BOARD ?= qemu
BOARDS ?= rpi3_64 rpi4_64 zero2w_64
BASE  ?= debian

.PHONY: bundle image image-setup image-check image-test release boot boot-time

image: image-setup ## the card of BOARD, output/BOARD/gatehouse-BOARD.img
	@UPDATE_KEY=$(UPDATE_KEY) scripts/image/build-$(BASE).sh $(BOARD)

bundle: ## the signed update of BOARD, output/BOARD/gatehouse-BOARD.update; UPDATE_KEY=NAME, see docs/updates.md
	@CARGO=$(CARGO) scripts/image/bundle.sh $(BOARD)

release: image-setup ## what a release hands out for BOARDS, output/release; URL says where it will be downloaded from
	@for board in $(BOARDS); do $(MAKE) --no-print-directory image BOARD=$$board || exit 1; \
		[ -z "$(UPDATE_KEY)" ] || $(MAKE) --no-print-directory bundle BOARD=$$board || exit 1; done
	@scripts/image/assets.py output output/release $(or $(URL),-) $(BOARDS)
	@echo "release:    output/release"

boot: ## boot the card of BOARD (qemu or rpi3_64) in QEMU, with this terminal as its console
	@PORT=$(PORT) scripts/image/boot.sh $(BOARD)

boot-time: ## seconds from the start of the kernel to the first CONNACK, in QEMU; draws docs/boot.svg
	@scripts/image/boot-time.sh
	@GATEHOUSE_BOOT_PICTURE=docs/boot.svg $(CARGO) test --locked --quiet --test image every_step_of_a_boot_tells

image-test: image-setup ## boot the card and ask of it what a house asks, in QEMU; CUTS of the power (200)
	@GATEHOUSE_IMAGE_LONG=1 $(if $(CUTS),GATEHOUSE_IMAGE_CUTS=$(CUTS)) $(CARGO) test --locked --test image -- --nocapture

image-check: image-setup ## whether the parts of the image agree with each other; with BUILDROOT_DIR, Buildroot too
	@$(CARGO) test --locked --test image tree -- --nocapture

image-setup:
	@scripts/setup.sh image
