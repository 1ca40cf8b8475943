exec "${CARGOSHIP_ZIG:?}" ar "$@"
