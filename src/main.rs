//! The program: arguments → library → exit code, nothing else.

fn main() {}
