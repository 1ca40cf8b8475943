fn main() { cc::Build::new().file("src/twice.c").compile("twice"); println!("cargo:rerun-if-changed=src/twice.c"); }
