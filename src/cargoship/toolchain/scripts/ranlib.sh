exec "${CARGOSHIP_ZIG:?}" ranlib "$@"
