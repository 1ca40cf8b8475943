extern "C" { fn twice(n: i32) -> i32; }
fn main() {
    let n = unsafe { twice(21) };
    println!("{} {}", itoa::Buffer::new().format(n), std::env::consts::ARCH);
}
