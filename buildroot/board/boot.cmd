# Which of the two slots boots. U-Boot runs this, and it is the only part of the card that never changes.
# scripts/image/boot-script.sh fills in two numbers and compiles it.
#
# One sector says it (U-Boot's own format with a checksum): gh_slot is the slot that has proved itself; gh_try, if
# there, is one to be tried once. A trial is struck out before it begins, so whatever happens to it, the next start is
# the proved slot's: `gatehouse update mark-good` alone makes a trial last. A start without a trial writes nothing.
# A slot whose boot files are damaged is passed over for the other one.
setenv gh_slot
setenv gh_try
setenv gh_trial
${devtype} dev ${devnum}
if ${devtype} read ${pxefile_addr_r} @STATE_SECTOR@ 1; then
    env import -c ${pxefile_addr_r} 200 gh_slot gh_try
fi
if test "${gh_slot}" = "b"; then setenv gh_order b a; else setenv gh_slot a; setenv gh_order a b; fi
if test -n "${gh_try}"; then
    setenv gh_trial ${gh_try}
    setenv gh_try
    env export -c -s 200 ${pxefile_addr_r} gh_slot
    if ${devtype} write ${pxefile_addr_r} @STATE_SECTOR@ 1; then setenv gh_order ${gh_trial} ${gh_order}; else setenv gh_trial; fi
fi
setenv gh_fdt ${fdtcontroladdr}
if test -n "${fdt_addr}"; then setenv gh_fdt ${fdt_addr}; fi
for slot in ${gh_order}; do
    setenv gh_number 2
    if test "${slot}" = "b"; then setenv gh_number 3; fi
    setenv gh_mark
    if test "${slot}" = "${gh_trial}"; then setenv gh_mark gatehouse.trial; fi
    echo "gatehouse: starting slot ${slot} ${gh_mark}"
    if part start ${devtype} ${devnum} ${gh_number} gh_at; then
        setexpr gh_at ${gh_at} + @SLOT_BOOT_SECTOR@
        if ${devtype} read ${pxefile_addr_r} ${gh_at} 8; then source ${pxefile_addr_r}; fi
    fi
    setenv gh_trial
done
echo "gatehouse: neither slot starts; trying again"
sleep 5
reset
