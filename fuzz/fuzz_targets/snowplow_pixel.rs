#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| suanpan_fuzz::request("/i", data));
