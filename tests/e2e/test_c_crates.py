"""C and C++ inside of crates: compiled for two architectures, and run there.

ring, SQLite and OpenSSL are in the examples; here are C++ (its exceptions, its standard library, its thread-local
storage) and a C library that is fast for its assembly.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support.programs import RunCargoship, run
from support.projects import project

pytestmark = pytest.mark.e2e

_MANIFEST = """
[dependencies]
zstd = { version = "0.13", default-features = false }
[build-dependencies]
cc = "1"
"""
_BUILD = """fn main() {
    cc::Build::new().cpp(true).std("c++17").file("src/words.cc").compile("words");
    println!("cargo:rerun-if-changed=src/words.cc");
}
"""
_WORDS = """#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

thread_local std::string last;

extern "C" const char *longest(const char *text) {
  std::istringstream in{text};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  try {
    last = words.at(1000);
  } catch (const std::out_of_range &) {
    last = *std::max_element(words.begin(), words.end(), [](auto &a, auto &b) { return a.size() < b.size(); });
  }
  return last.c_str();
}
"""
_MAIN = """use std::ffi::{c_char, CStr};

extern "C" {
    fn longest(text: *const c_char) -> *const c_char;
}

fn main() {
    let word = std::thread::spawn(|| unsafe { CStr::from_ptr(longest(c"one three two".as_ptr())) }.to_owned()).join();
    let packed = zstd::encode_all(&[7u8; 100_000][..], 3).unwrap();
    assert!(packed.len() < 100);
    let plain = zstd::decode_all(&packed[..]).unwrap();
    println!("{} {} {}", std::env::consts::ARCH, word.unwrap().to_str().unwrap(), plain.len());
}
"""


@pytest.mark.parametrize("allocator", ["system", "mimalloc"])
def test_crates_with_c_and_cpp(run_cargoship: RunCargoship, tmp_path: Path, allocator: str) -> None:
    files = {"build.rs": _BUILD, "src/words.cc": _WORDS, "src/main.rs": _MAIN}
    app = project(tmp_path / "app", manifest=_MANIFEST, files=files)
    run_cargoship("build", app, "-o", f"oci:{tmp_path}/out", env={"CARGOSHIP_ALLOCATOR": allocator})
    for machine in ("x86_64", "aarch64"):
        program = app / "target" / f"{machine}-unknown-linux-musl" / "release" / "app"
        # the word lives in the thread's own storage, which is gone with it: it was copied before
        assert run(f"qemu-{machine}-static", program).stdout == f"{machine} three 100000\n"
