//! Counts its visitors: every request is answered with the next number.

fn main() -> std::io::Result<()> {
    let mut count = 0_u64;
    common::serve("counter", |_| {
        count += 1;
        format!("{count}\n")
    })
}
