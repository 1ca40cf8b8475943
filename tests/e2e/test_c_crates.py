"""C and C++ inside of crates: compiled for two architectures, and run there.

C++ (its exceptions, its standard library, its thread-local storage), a C library that is fast for its assembly; and
the large ones that services have in them, built by `cc`, by CMake, and by OpenSSL's own makefiles.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
from pathlib import Path

import pytest

from support.programs import RunCargoship, distribution_rust, run
from support.projects import project

pytestmark = pytest.mark.e2e

_MANIFEST = """
[dependencies]
zstd = { version = "0.13", default-features = false }
[build-dependencies]
cc = "1"
"""
_BUILD = """fn main() {
    // as configure scripts and CMake find out what there is: by linking a program
    let check = std::path::Path::new(&std::env::var("OUT_DIR").unwrap()).join("check");
    let mut command = cc::Build::new().get_compiler().to_command();
    command.args(["src/check.c", "-o"]).arg(check).args(["-pthread", "-lm"]);
    assert!(command.status().unwrap().success());
    cc::Build::new().cpp(true).std("c++17").file("src/words.cc").compile("words");
    println!("cargo:rerun-if-changed=src/words.cc");
}
"""
_CHECK = """#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static void *run(void *data) { return data; }

int main(int argc, char **argv) {
  pthread_t thread;
  pthread_create(&thread, NULL, run, NULL);
  return pthread_join(thread, NULL) + (int)pow(argc, atof(argv[0]));
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
    files = {"build.rs": _BUILD, "src/check.c": _CHECK, "src/words.cc": _WORDS, "src/main.rs": _MAIN}
    app = project(tmp_path / "app", manifest=_MANIFEST, files=files)
    run_cargoship("build", app, "-o", f"oci:{tmp_path}/out", env={"CARGOSHIP_ALLOCATOR": allocator})
    for machine in ("x86_64", "aarch64"):
        program = app / "target" / f"{machine}-unknown-linux-musl" / "release" / "app"
        # the word lives in the thread's own storage, which is gone with it: it was copied before
        assert run(f"qemu-{machine}-static", program).stdout == f"{machine} three 100000\n"
    sbom = json.loads(run_cargoship("sbom", f"oci:{tmp_path}/out", "--platform", "linux/arm64").stdout)
    versions = {each["name"]: each["version"] for each in sbom["components"] if each["name"].startswith("lib")}
    assert versions["libc++"] == versions["libc++abi"]
    assert re.fullmatch(r"2\d\.\d+\.\d+", versions["libc++"]), "LLVM's, whose sources Zig has"
    # of Zig too, or of Rust's own target
    assert re.fullmatch(r"\d\d\.\d+\.\d+", versions["libunwind"])


_LARGE = """
[dependencies]
aws-lc-rs = { version = "1", default-features = false, features = ["aws-lc-sys"] }
git2 = { version = "0.21", default-features = false, features = ["vendored-libgit2"] }
openssl = { version = "0.10", features = ["vendored"] }
rdkafka = { version = "0.38", default-features = false, features = ["cmake-build"] }
# 4.10 includes curl's header even where it is built without curl
rdkafka-sys = "=4.9.0"
ring = "0.17"
rusqlite = { version = "0.43", default-features = false, features = ["bundled"] }
# what is compiled here is run for a moment
[profile.release]
opt-level = 0
"""
_LARGE_MAIN = r"""use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};

fn hex(bytes: &[u8]) -> String {
    bytes[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() {
    println!("{}", std::env::consts::ARCH);
    println!("aws-lc {}", hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"abc").as_ref()));
    println!("ring {}", hex(ring::digest::digest(&ring::digest::SHA256, b"abc").as_ref()));
    println!("openssl {}", hex(&openssl::sha::sha256(b"abc")));
    println!("git {}", git2::Oid::hash_object(git2::ObjectType::Blob, b"hello\n").unwrap());
    let database = rusqlite::Connection::open_in_memory().unwrap();
    println!("sqlite {}", database.query_row("SELECT 6 * 7", (), |row| row.get::<_, i64>(0)).unwrap());
    // as the libraries have their versions themselves
    println!("version openssl {}", openssl::version::version().split(' ').nth(1).unwrap());
    let (major, minor, patch) = git2::Version::get().libgit2_version();
    println!("version libgit2 {major}.{minor}.{patch}");
    println!("version sqlite {}", rusqlite::version());
    println!("version librdkafka {}", rdkafka::util::get_rdkafka_version().1);
    // with threads of its own, and a broker that is not there; what waits counts what they have to say, too
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", "127.0.0.1:9").create().unwrap();
    println!("kafka {}", producer.in_flight_count() >= 0);
}
"""
_LARGE_SAYS = """{}
aws-lc ba7816bf
ring ba7816bf
openssl ba7816bf
git ce013625030ba8dba906f756967f9e9ca394464a
sqlite 42
kafka true
"""


def reported(printed: str) -> tuple[str, dict[str, str]]:
    """What the program says, and the versions of its libraries."""
    lines = printed.splitlines(keepends=True)
    versions = [line.split() for line in lines if line.startswith("version ")]
    return "".join(line for line in lines if not line.startswith("version ")), {name: at for _, name, at in versions}


def test_large_c_libraries_run_and_are_kept(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app", manifest=_LARGE, files={"src/main.rs": _LARGE_MAIN})
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=app)
    # in the cache of this machine, so that a later run of the tests compiles little of it; for the machine that this
    # one is not alone, which takes minutes enough
    machine, architecture = ("x86_64", "amd64") if platform.machine() == "aarch64" else ("aarch64", "arm64")
    build = ("build", app, "-v", "--platform", f"linux/{architecture}", "-o", f"oci:{tmp_path}/out")
    # OpenSSL would be compiled for speed, whatever the profile says
    fast = {"CFLAGS": "-O0"}
    done = run_cargoship(*build, env=fast)
    # none of them has C++ in it, though CMake tries out a compiler for that, too
    assert "making libc++" not in done.stderr
    program = app / "target" / f"{machine}-unknown-linux-musl" / "release" / "app"
    says, versions = reported(run(f"qemu-{machine}-static", program).stdout)
    assert says == _LARGE_SAYS.format(machine)
    sbom = json.loads(run_cargoship("sbom", f"oci:{tmp_path}/out", "--platform", f"linux/{architecture}").stdout)
    listed = {each["name"]: each.get("version", "") for each in sbom["components"] if "pkg:generic" in each["bom-ref"]}
    assert {name: listed.get(name) for name in versions} == versions
    assert {"aws-lc", "boringssl", "zlib"} <= listed.keys()

    # none of it is compiled again where there is nothing but the cache: their build scripts' objects are in it too
    shutil.rmtree(app / "target")
    main = app / "src" / "main.rs"
    main.write_text(main.read_text().replace("kafka {}", "broker {}"))
    done = run_cargoship(*build, env=fast)
    restored = re.search(r"Restored (\d+) of (\d+) units", done.stderr)
    assert restored is not None, done.stderr
    assert int(restored[2]) - int(restored[1]) == 1
    assert "Compiled 1 unit" in done.stderr
    says, _ = reported(run(f"qemu-{machine}-static", program).stdout)
    assert says == _LARGE_SAYS.format(machine).replace("kafka", "broker")
