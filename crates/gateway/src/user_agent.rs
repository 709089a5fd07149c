use std::borrow::Cow;
use std::sync::Arc;

use moka::sync::Cache;

use crate::user_agent_names::{APPS, BOTS, MINI_PROGRAMS, NOT_BOTS, SERVERS, SERVERS_BEHIND_MOZILLA};

/// Bytes of a `User-Agent` that are read; real ones have about 100 to 300.
const READ_BYTES_MAX: usize = 512;

/// Texts whose meaning is kept, a few megabytes in all; a busy site sees some thousands.
const CACHED_MAX: u64 = 10_000;

/// Bytes of a version.
const VERSION_BYTES_MAX: usize = 24;

/// What a `User-Agent` tells. Texts that are not known are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// The browser, or the app that shows the page; inside mini-programs `WeChat mini-program` and
    /// the like.
    pub browser: Cow<'static, str>,
    /// Its version.
    pub browser_version: String,
    /// The operating system.
    pub os: Cow<'static, str>,
    /// Its version.
    pub os_version: String,
    /// `desktop`, `mobile`, `tablet`, `tv`, `console`, `server` or `bot`.
    pub device_type: &'static str,
}

impl Agent {
    /// Whether it is a crawler, a preview, or a browser without a person.
    pub fn is_bot(&self) -> bool {
        self.device_type == "bot"
    }
}

/// Reads `User-Agent`s, and remembers what it read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct UserAgents(Cache<Box<str>, Arc<Agent>>);

impl Default for UserAgents {
    fn default() -> Self {
        Self(Cache::new(CACHED_MAX))
    }
}

impl UserAgents {
    /// What this text tells.
    pub fn read(&self, text: &str) -> Arc<Agent> {
        let text = &text[..text.floor_char_boundary(READ_BYTES_MAX)];
        if let Some(known) = self.0.get(text) {
            return known;
        }
        let agent = Arc::new(parse(text));
        self.0.insert(text.into(), Arc::clone(&agent));
        agent
    }
}

fn parse(text: &str) -> Agent {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    if is_server(&lower) {
        return Agent { device_type: "server", ..Agent::default() };
    }
    let read = woothee::parser::Parser::new().parse(text).unwrap_or_default();
    if read.category == "crawler" || is_bot(&lower) {
        let is_named = read.category == "crawler" && !read.name.starts_with("misc");
        let browser = if is_named { known(read.name) } else { Cow::Borrowed("") };
        return Agent { browser, device_type: "bot", ..Agent::default() };
    }
    let (os, os_version) = os(&lower, &read);
    let (browser, browser_version) = app(&lower).unwrap_or_else(|| browser(&read));
    Agent { browser, browser_version, device_type: device(&lower, &read, &os), os, os_version }
}

fn is_server(lower: &str) -> bool {
    SERVERS.iter().chain(SERVERS_BEHIND_MOZILLA).any(|beginning| lower.starts_with(beginning))
}

fn is_bot(lower: &str) -> bool {
    BOTS.iter().any(|word| lower.contains(word)) && !NOT_BOTS.iter().any(|word| lower.contains(word))
}

/// The app that shows the page, where we know better than the library.
fn app(lower: &str) -> Option<(Cow<'static, str>, String)> {
    let marked = |(marker, _): &&(&str, &str)| lower.contains(*marker);
    let (marker, name) = APPS.iter().find(marked)?;
    let rest = lower.split_once(marker).map_or("", |(_, rest)| rest);
    // JD gives the system before its version: `jdapp;iPhone;11.4.0;…`.
    let rest = if marker.ends_with(';') { rest.split_once(';').map_or("", |(_, rest)| rest) } else { rest };
    let is_inside = MINI_PROGRAMS.iter().any(|mark| lower.contains(mark));
    let name = if is_inside { Cow::Owned(format!("{name} mini-program")) } else { Cow::Borrowed(*name) };
    Some((name, version(rest)))
}

fn browser(read: &woothee::parser::WootheeResult<'_>) -> (Cow<'static, str>, String) {
    let name = match read.name {
        "Webview" => Cow::Borrowed("WebView"),
        "SamsungBrowser" => Cow::Borrowed("Samsung Internet"),
        // The library names the system where it finds no browser.
        name if name == read.os => Cow::Borrowed(""),
        name => known(name),
    };
    let version = if name.is_empty() { String::new() } else { version(read.version) };
    (name, version)
}

fn os(lower: &str, read: &woothee::parser::WootheeResult<'_>) -> (Cow<'static, str>, String) {
    for marker in ["openharmony ", "harmonyos"] {
        if let Some((_, rest)) = lower.split_once(marker) {
            return ("HarmonyOS".into(), version(rest.trim_start_matches([' ', '/'])));
        }
    }
    match read.os {
        "iPhone" | "iPad" | "iPod" | "iOS" => ("iOS".into(), version(&read.os_version)),
        "Mac OSX" => ("macOS".into(), version(&read.os_version)),
        "Windows Phone OS" => ("Windows Phone".into(), version(&read.os_version)),
        os => match os.strip_prefix("Windows ") {
            Some(release) => ("Windows".into(), release.trim_start_matches("UNKNOWN Ver").to_owned()),
            None => (known(os), version(&read.os_version)),
        },
    }
}

fn device(lower: &str, read: &woothee::parser::WootheeResult<'_>, os: &str) -> &'static str {
    let is_tablet = || lower.contains("ipad") || lower.contains("tablet");
    match (os, read.category) {
        ("iOS" | "HarmonyOS", _) if is_tablet() => "tablet",
        ("HarmonyOS", _) if lower.contains("(pc;") => "desktop",
        ("iOS" | "HarmonyOS" | "Windows Phone", _) => "mobile",
        // A browser on a tablet leaves the word `Mobile` out; an app's own library has neither.
        ("Android", _) if is_tablet() || (lower.starts_with("mozilla/") && !lower.contains("mobile")) => {
            if lower.contains("tv") {
                "tv"
            } else {
                "tablet"
            }
        }
        (_, "smartphone" | "mobilephone") => "mobile",
        (_, "pc") => "desktop",
        (_, "appliance") if os == "DigitalTV" => "tv",
        (_, "appliance") => "console",
        _ => "",
    }
}

/// The library's word, or nothing where it says `UNKNOWN`. Its names are few, so they could be
/// borrowed; its signature does not say so.
fn known(name: &str) -> Cow<'static, str> {
    if name == woothee::woothee::VALUE_UNKNOWN { Cow::Borrowed("") } else { Cow::Owned(name.to_owned()) }
}

/// The digits and points at the beginning.
fn version(text: &str) -> String {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let text = &text[..end.min(VERSION_BYTES_MAX)];
    text.trim_matches(['.', '_']).replace('_', ".")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Browser, its version, system, its version, device.
    fn check(text: &str, expected: [&str; 5]) {
        let read = UserAgents::default().read(text);
        let found = [
            read.browser.as_ref(),
            &read.browser_version,
            read.os.as_ref(),
            &read.os_version,
            read.device_type,
        ];
        assert_eq!(found, expected, "{text}");
    }

    const IPHONE: &str =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
    const ANDROID: &str = "Mozilla/5.0 (Linux; Android 14; 23013RK75C Build/UKQ1; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/116.0.0.0 Mobile Safari/537.36";

    #[test]
    fn browsers() {
        check(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
            ["Chrome", "131.0.0.0", "Windows", "10", "desktop"],
        );
        check(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
            ["Edge", "131.0.0.0", "Windows", "10", "desktop"],
        );
        check(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
            ["Safari", "17.5", "macOS", "10.15.7", "desktop"],
        );
        check(
            "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
            ["Firefox", "132.0", "Linux", "", "desktop"],
        );
        check(
            "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            ["Safari", "17.5", "iOS", "17.5", "tablet"],
        );
        check(
            "Mozilla/5.0 (Linux; Android 14; SM-X710) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Safari/537.36",
            ["Samsung Internet", "27.0", "Android", "14", "tablet"],
        );
        check(
            "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile HuaweiBrowser/5.0.4.300",
            ["Huawei Browser", "5.0.4.300", "HarmonyOS", "5.0", "mobile"],
        );
        check(ANDROID, ["WebView", "4.0", "Android", "14", "mobile"]);
        check(
            "Mozilla/5.0 (PlayStation 4 11.02) AppleWebKit/605.1.15 (KHTML, like Gecko)",
            ["", "", "PlayStation 4", "11.02", "console"],
        );
        check("", [""; 5]);
    }

    #[test]
    fn apps_and_their_mini_programs() {
        let wechat = "Mobile/15E148 MicroMessenger/8.0.49(0x18003137) NetType/WIFI Language/zh_CN";
        check(&format!("{IPHONE} {wechat}"), ["WeChat", "8.0.49", "iOS", "17.5", "mobile"]);
        check(
            &format!("{IPHONE} {wechat} miniProgram/wx0123456789abcdef"),
            ["WeChat mini-program", "8.0.49", "iOS", "17.5", "mobile"],
        );
        check(
            &format!(
                "{ANDROID} XWEB/1160117 MMWEBSDK/20240404 MMWEBID/1 MicroMessenger/8.0.49.2600(0x28003133) MiniProgramEnv/android"
            ),
            ["WeChat mini-program", "8.0.49.2600", "Android", "14", "mobile"],
        );
        check(
            "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/107.0.0.0 Safari/537.36 MicroMessenger/7.0.20.1781(0x6700143B) WindowsWechat(0x63090a13) XWEB/8555",
            ["WeChat", "7.0.20.1781", "Windows", "10", "desktop"],
        );
        check(
            &format!("{ANDROID} wxwork/4.1.22 MicroMessenger/7.0.1"),
            ["WeCom", "4.1.22", "Android", "14", "mobile"],
        );
        check(
            &format!(
                "{ANDROID} NebulaSDK/1.8 AliApp(AP/10.5.80.8000) AlipayClient/10.5.80.8000 Language/zh-Hans MiniProgram"
            ),
            ["Alipay mini-program", "10.5.80.8000", "Android", "14", "mobile"],
        );
        check(
            &format!(
                "{IPHONE} Mobile/15E148 aweme_28.3.0 JsSdk/2.0 NetType/WIFI Channel/App Store ByteLocale/zh"
            ),
            ["Douyin", "28.3.0", "iOS", "17.5", "mobile"],
        );
        check(
            &format!("{ANDROID} NewsArticle/9.7.0 ToutiaoMicroApp/3.12.0"),
            ["Toutiao mini-program", "9.7.0", "Android", "14", "mobile"],
        );
        check(
            &format!("jdapp;iPhone;11.4.0;17.5;network/wifi;{IPHONE} Mobile/15E148;supportJDSHWK/1"),
            ["JD", "11.4.0", "iOS", "17.5", "mobile"],
        );
        check(
            &format!(
                "{ANDROID} swan/2.50.0 swan-baiduboxapp/13.40.0.10 baiduboxapp/13.40.0.10 (Baidu; P1 14)"
            ),
            ["Baidu mini-program", "13.40.0.10", "Android", "14", "mobile"],
        );
        check(
            &format!("{ANDROID} MQQBrowser/6.2 TBS/046291 QQ/8.9.85.12820 NetType/WIFI"),
            ["QQ", "8.9.85.12820", "Android", "14", "mobile"],
        );
    }

    #[test]
    fn servers_are_no_bots() {
        for text in [
            "Mozilla/5.0 Umami/v20.11.0",
            "analytics-node/3.1.0",
            "analytics-python/2.4.0",
            "analytics-go (version: 3.3.0)",
            "SensorsAnalytics Node SDK 1.2.6",
            "SensorsAnalytics Python SDK",
            "posthog-python/7.91.1",
            "python-requests/2.32.0",
            "Python/3.11 aiohttp/3.9.1",
            "Go-http-client/1.1",
            "node",
            "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
            "axios/1.7.2",
            "Java/17.0.1",
            "Apache-HttpClient/4.5.14 (Java/17.0.1)",
            "GuzzleHttp/7",
            "curl/8.5.0",
        ] {
            check(text, ["", "", "", "", "server"]);
        }
    }

    #[test]
    fn bots() {
        check(
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            ["Googlebot", "", "", "", "bot"],
        );
        check(
            "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
            ["Baiduspider", "", "", "", "bot"],
        );
        for text in [
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider; https://zhanzhang.toutiao.com/)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
            "Mozilla/5.0 (compatible; YisouSpider/5.0)",
            "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
        ] {
            assert!(UserAgents::default().read(text).is_bot(), "{text}");
        }
    }

    #[test]
    fn people_are_no_bots() {
        check(
            "Mozilla/5.0 (Linux; Android 13; CUBOT X70) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
            ["Chrome", "120.0.0.0", "Android", "13", "mobile"],
        );
        check("okhttp/4.12.0", ["", "", "", "", ""]);
        check("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A)", ["", "", "Android", "14", "mobile"]);
        check("MyApp/3.1 CFNetwork/1494.0.7 Darwin/23.4.0", ["", "", "iOS", "", "mobile"]);
    }

    #[test]
    fn a_second_look_is_remembered() {
        let agents = UserAgents::default();
        let long = format!("{IPHONE} {}", "x".repeat(10_000));
        assert!(Arc::ptr_eq(&agents.read(&long), &agents.read(&long)));
        assert_eq!(agents.read(&long).os, "iOS");
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_makes_it_panic(text in "\\PC{0,700}", marker in 0..APPS.len(), tail in "\\PC{0,40}") {
            let agents = UserAgents::default();
            agents.read(&text);
            let read = agents.read(&format!("{IPHONE} {}{tail}", APPS[marker].0));
            prop_assert!(read.browser_version.len() <= VERSION_BYTES_MAX);
        }
    }
}
