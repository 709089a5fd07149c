//! Rebuilds the crate when a migration is added: the compiler doesn't watch folders by itself.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
