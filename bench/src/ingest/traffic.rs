use bytes::Bytes;

/// Events of one day at which the app's people look at things and buy some.
const NAMES: [&str; 6] = ["product_view", "catalog", "search", "home", "add_to_cart", "purchase"];
const CHANNELS: [&str; 4] = ["organic", "email", "paid_search", "social"];
const PLATFORMS: [&str; 4] = ["ios", "android", "wechat", "web"];
const PEOPLE: u64 = 200_000;
/// One event in this many is late: it waited on a phone for up to `LATE_MS`.
const LATE_ONE_IN: u64 = 100;
const LATE_MS: u64 = 20 * 3_600_000;
/// The others are sent within this time, as SDKs that gather do.
const GATHERED_MS: u64 = 20_000;

/// Writes shop events as JSON, about 480 bytes each, with random ids; fast, since it runs on the
/// cores that are measured. Unlike the SDK, which would take a quarter of the machine.
#[derive(Clone)]
pub struct Traffic {
    state: u64,
}

impl Traffic {
    /// Traffic that differs by seed.
    pub fn new(seed: u64) -> Self {
        Self { state: mix(seed) | 1 }
    }

    /// A request's body: an array, which both Suanpan and ClickHouse's JSONEachRow read.
    pub fn body(&mut self, events: usize, now_ms: u64) -> Bytes {
        let mut out = Vec::with_capacity(events * 520 + 2);
        for n in 0..events {
            out.push(if n == 0 { b'[' } else { b',' });
            self.event(now_ms, &mut out);
        }
        out.push(b']');
        out.into()
    }

    fn event(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        let late = if self.below(LATE_ONE_IN) == 0 { self.below(LATE_MS) } else { self.below(GATHERED_MS) };
        let person = self.below(PEOPLE);
        out.extend_from_slice(b"{\"id\":\"");
        self.uuid(out);
        text(out, "\",\"event\":\"", self.one_of(&NAMES));
        number(out, "\",\"time\":", now_ms - late);
        number(out, ",\"user_id\":\"user-", person);
        out.extend_from_slice(b"\",\"device_id\":\"");
        hex(out, u128::from(mix(person)) << 64 | u128::from(mix(!person)));
        out.extend_from_slice(b"\",\"session_id\":\"");
        let session = person * 4 + self.below(4);
        hex(out, u128::from(mix(session + PEOPLE)) << 64 | u128::from(mix(!session)));
        text(out, "\",\"platform\":\"", self.one_of(&PLATFORMS));
        out.extend_from_slice(
            b"\",\"app_version\":\"3.2.1\",\"library\":\"suanpan-mp/1.4.0\",\"properties\":{",
        );
        text(out, "\"channel\":\"", self.one_of(&CHANNELS));
        number(out, "\",\"category\":\"category-", self.below(40));
        number(out, "\",\"sku\":\"sku-", self.below(5_000));
        number(out, "\",\"amount\":", self.below(1_000));
        number(out, ".", 10 + self.below(90));
        number(out, ",\"quantity\":", 1 + self.below(9));
        text(out, ",\"coupon\":", self.one_of(&["true", "false"]));
        number(out, ",\"page\":\"/shop/category-", self.below(40));
        number(out, "/item-", self.below(5_000));
        out.extend_from_slice(b"\",\"referrer\":\"https://example.com/landing\"}}");
    }

    fn uuid(&mut self, out: &mut Vec<u8>) {
        let random = u128::from(self.next()) << 64 | u128::from(self.next());
        let mut digits = Vec::with_capacity(32);
        hex(&mut digits, random & !(0xF << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62);
        for (n, part) in [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().enumerate() {
            if n > 0 {
                out.push(b'-');
            }
            out.extend_from_slice(&digits[part]);
        }
    }

    fn one_of(&mut self, texts: &[&'static str]) -> &'static str {
        texts[usize::try_from(self.below(texts.len() as u64)).expect("it is below their number")]
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }
}

/// The mixing step of SplitMix64.
fn mix(seed: u64) -> u64 {
    let seed = (seed ^ seed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let seed = (seed ^ seed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    seed ^ seed >> 31
}

fn text(out: &mut Vec<u8>, before: &str, value: &str) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(value.as_bytes());
}

fn number(out: &mut Vec<u8>, before: &str, mut value: u64) {
    out.extend_from_slice(before.as_bytes());
    let (mut digits, mut at) = ([0; 20], 20);
    loop {
        at -= 1;
        digits[at] = b"0123456789"[(value % 10) as usize];
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn hex(out: &mut Vec<u8>, value: u128) {
    let digits = value.to_be_bytes().map(|byte| {
        let of = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        [of(byte >> 4), of(byte & 15)]
    });
    out.extend_from_slice(digits.as_flattened());
}
