use std::path::{Path, PathBuf};
use std::process::Command;

/// A certificate made for one test, and a user with a password.
#[derive(Debug)]
pub(crate) struct Guard {
    store: PathBuf,
    certificate: PathBuf,
}

const USER: &str = "suanpan";
const PASSWORD: &str = "only-for-tests";

impl Guard {
    /// The protocol of the guarded listener.
    pub const PROTOCOL: &str = "SASL_SSL";

    pub fn none(_folder: &Path) -> Option<Self> {
        None
    }

    pub fn make(folder: &Path) -> Option<Self> {
        let guard = Self { store: folder.join("broker.p12"), certificate: folder.join("broker.pem") };
        let store = guard.store.display().to_string();
        let certificate = guard.certificate.display().to_string();
        let of = ["-keystore", &store, "-storetype", "PKCS12", "-storepass", PASSWORD, "-alias", "broker"];
        let make = ["-genkeypair", "-keyalg", "RSA", "-dname", "CN=127.0.0.1", "-ext", "SAN=ip:127.0.0.1"];
        keytool(&[&make[..], &of].concat());
        keytool(&[&["-exportcert", "-rfc", "-file", &certificate][..], &of].concat());
        Some(guard)
    }

    pub fn broker_settings(&self) -> String {
        let store = self.store.display();
        format!(
            "sasl.enabled.mechanisms=PLAIN\nsasl.mechanism.inter.broker.protocol=PLAIN\n\
             listener.name.sasl_ssl.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required \
             username=\"{USER}\" password=\"{PASSWORD}\" user_{USER}=\"{PASSWORD}\";\n\
             ssl.keystore.type=PKCS12\nssl.keystore.location={store}\nssl.keystore.password={PASSWORD}\n\
             ssl.truststore.type=PKCS12\nssl.truststore.location={store}\nssl.truststore.password={PASSWORD}\n"
        )
    }

    pub fn client_settings(&self) -> Vec<(String, String)> {
        let settings = [
            ("security.protocol", "sasl_ssl".to_owned()),
            ("ssl.ca.location", self.certificate.display().to_string()),
            ("sasl.mechanism", "PLAIN".to_owned()),
            ("sasl.username", USER.to_owned()),
            ("sasl.password", PASSWORD.to_owned()),
        ];
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn keytool(arguments: &[&str]) {
    let made = Command::new("keytool").args(arguments).output();
    let made = made.unwrap_or_else(|error| panic!("keytool, which comes with Java, can't be run: {error}"));
    assert!(made.status.success(), "keytool: {}", String::from_utf8_lossy(&made.stdout));
}
